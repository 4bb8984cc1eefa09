"""The log odds of a class: what to differentiate where a probability has no gradient left."""

from __future__ import annotations

import torch
from torch import Tensor


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """Return log(p / (1 − p)) of one class per example: z_y − logsumexp of the other logits.

    A probability that rounds to one has no gradient left (in single precision from a margin of 17
    nats on); its log odds keep theirs. Since ∇p = p (1 − p) ∇log odds, both point the same way.

    Parameters
    ----------
    logits
        Shape (examples, classes).
    classes
        Index of the class of each example, shape (examples,).

    Returns
    -------
    torch.Tensor
        Shape (examples,). The cross-entropy is softplus of its negative.
    """
    own = classes[:, None]
    others = logits.scatter(1, own, -torch.inf)
    return logits.gather(1, own)[:, 0] - others.logsumexp(1)
