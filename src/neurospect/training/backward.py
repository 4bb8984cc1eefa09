"""Ways to run the backward pass of one training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neurospect.errors import BadInputError

Rows = slice | Tensor
LossOf = Callable[[Rows], Tensor]


@dataclass(frozen=True)
class BatchLoss:
    """Mean loss over rows of a mini-batch, which has so many samples."""

    of_rows: LossOf
    samples: int

    def __call__(self, rows: Rows) -> Tensor:
        """Mean loss over the given rows."""
        return self.of_rows(rows)


Backward = Callable[[BatchLoss], Tensor]


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


def backward_by_micro_batches(
    loss_of: BatchLoss, size: int | None = None, penalty: Callable[[], Tensor] | None = None
) -> Tensor:
    """Run forward and backward on a few samples after the other; add the gradients to ``.grad``.

    The gradient is that of the whole batch but for rounding (and for what the model or the loss
    draws at random), while the activations of no more than `size` samples are kept.

    Parameters
    ----------
    loss_of
        Mean loss over rows; called with slices, from the first sample to the last.
    size
        Samples at once; None for all.
    penalty
        Added to the loss once, and not to the one returned.

    Returns
    -------
    torch.Tensor
        Mean loss over all samples.
    """
    size = size or loss_of.samples
    total: Tensor | float = 0.0
    for start in range(0, loss_of.samples, size):
        rows = slice(start, min(start + size, loss_of.samples))
        loss = loss_of(rows) * ((rows.stop - start) / loss_of.samples)
        total = total + loss.detach()
        if penalty is not None and start == 0:
            loss = loss + penalty()
        loss.backward()  # type: ignore[no-untyped-call]
        del loss  # else its graph would keep these activations alive during the next pass
    return torch.as_tensor(total)


def refuse_batch_normalisation(model: nn.Module, name: str) -> None:
    """Refuse a model whose samples see the others of their batch, hence not in micro-batches.

    Raises
    ------
    BadInputError
        When a layer normalises over the batch.
    """
    for layer, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            raise BadInputError(
                name,
                "micro_batch_size",
                found=f"a model with {type(module).__name__} (layer {layer}), which normalises "
                "over all samples that go through at once",
                expected="layers that treat each sample by itself",
                remedy="Leave micro_batch_size out, or use another normalisation.",
            )


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
