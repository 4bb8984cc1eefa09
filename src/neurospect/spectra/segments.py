"""Group gradients as products over contiguous segments of the batch."""

from __future__ import annotations

import torch

from neurospect.spectra.groups import SampleGroups

Tensor = torch.Tensor


def segment_gradients(activation: Tensor, adjoint: Tensor, groups: SampleGroups) -> Tensor:
    """Gradient of the loss with respect to a weight, one per group: ∇_g = Δ_gᵀ A_g.

    Each uses the adjoint of the one loss of the training step, so the group gradients sum to the
    gradient of the batch ("contribution" scale; Baker et al., eq. 5).

    Parameters
    ----------
    activation
        A in group order, shape (samples, [...], inputs). Dimensions between the first and the
        last (tokens, time) are folded into the samples.
    adjoint
        Δ in group order, shape (samples, [...], outputs).
    groups
        The segments.

    Returns
    -------
    torch.Tensor
        Shape (groups, outputs, inputs): the layout of the weight in PyTorch.
    """
    gradients = adjoint.new_empty(len(groups.sizes), adjoint.shape[-1], activation.shape[-1])
    for g, (start, size) in enumerate(zip(groups.starts, groups.sizes, strict=True)):
        torch.mm(
            adjoint[start : start + size].flatten(0, -2).mT,
            activation[start : start + size].flatten(0, -2),
            out=gradients[g],
        )
    return gradients


def block_gradients(activation: Tensor, adjoint: Tensor, start: int, blocks: int, size: int) -> Tensor:
    """Gradients of consecutive blocks of samples, all of one size.

    Parameters
    ----------
    activation, adjoint
        As in `segment_gradients`.
    start
        First sample of the first block.
    blocks, size
        How many blocks, and samples in each.

    Returns
    -------
    torch.Tensor
        Shape (blocks, outputs, inputs).
    """
    stop = start + blocks * size
    a = activation[start:stop].reshape(blocks, -1, activation.shape[-1])
    d = adjoint[start:stop].reshape(blocks, -1, adjoint.shape[-1])
    return d.mT @ a
