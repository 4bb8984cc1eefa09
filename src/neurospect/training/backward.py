"""Ways to run the backward pass of one training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Rows = slice | Tensor
LossOf = Callable[[Rows], Tensor]
Backward = Callable[[LossOf], Tensor]


def whole_batch_backward(loss_of: LossOf) -> Tensor:
    """Run one backward pass over all samples; return the loss.

    Parameters
    ----------
    loss_of
        Mean loss over the given rows of the batch.
    """
    loss = loss_of(slice(None))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def backward_by_parts(
    parameters: Sequence[nn.Parameter],
    parts: Sequence[Rows],
    sizes: Sequence[int],
    loss_of: LossOf,
    *,
    before_part: Callable[[int], None] | None = None,
) -> tuple[Tensor, list[Sequence[Tensor | None]]]:
    """Run forward and backward part by part; add the sum of the parts' gradients to ``.grad``.

    For a loss that is a mean over samples, this is the gradient of the whole batch, summed in
    another order; the parts' activations stay in the processor's cache.

    Parameters
    ----------
    parameters
        What to differentiate by.
    parts, sizes
        Rows of each part of the batch, and how many they are.
    loss_of
        Mean loss over the given rows.
    before_part
        Called with the place of each part before its forward pass.

    Returns
    -------
    torch.Tensor
        Mean loss over all parts.
    list
        Per part, the gradient of its share of that loss by each parameter; None where the loss
        does not depend on it, or the part is empty.
    """
    samples = sum(sizes)
    whole: list[Tensor | None] = [None] * len(parameters)
    total: Tensor | float = 0.0
    by_part: list[Sequence[Tensor | None]] = []
    for place, (rows, size) in enumerate(zip(parts, sizes, strict=True)):
        if not size:
            by_part.append([None] * len(parameters))
            continue
        if before_part is not None:
            before_part(place)
        loss = loss_of(rows) * (size / samples)
        gradients = list(torch.autograd.grad(loss, parameters, allow_unused=True))
        by_part.append(gradients)
        total = total + loss.detach()
        del loss  # else its graph would keep this part's activations alive during the next
        whole = [_sum(before, gradient) for before, gradient in zip(whole, gradients, strict=True)]
    for parameter, gradient in zip(parameters, whole, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
    return torch.as_tensor(total), by_part


def _sum(before: Tensor | None, gradient: Tensor | None) -> Tensor | None:
    if before is None or gradient is None:
        return gradient if before is None else before
    return before + gradient
