"""A forward pass in which the inputs ask for a gradient, and nothing else does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from neurospect.errors import BadInputError
from neurospect.saliency.checks import checked_logits


def logits_at(model: nn.Module, points: Tensor, classes: int = 1) -> tuple[Tensor, Tensor]:
    """Return the points as a leaf of the graph, and their logits, of so many classes at least.

    Raises
    ------
    BadInputError
        When the model returns no logits, or such that have no gradient.
    """
    leaf = points.detach().requires_grad_()
    with torch.enable_grad():
        # A clone, since a model may begin with an operation in place.
        logits = checked_logits(_output(model, leaf.clone()), len(leaf), classes)
    if not logits.requires_grad:
        raise BadInputError(
            "model",
            "output",
            found="logits without a gradient",
            expected="logits that are differentiable by the inputs",
            remedy="Take no_grad, detach and the like out of the model's forward pass.",
        )
    return leaf, logits


def _output(model: nn.Module, points: Tensor) -> Any:
    # These cannot be called with other parameters; the graph then holds their own, too.
    if isinstance(model, torch.jit.ScriptModule | nn.DataParallel):
        return model(points)
    frozen = {name: value.detach() for name, value in model.named_parameters()}
    return functional_call(model, frozen, (points,))
