"""Group gradients as products over contiguous segments of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neurospect.spectra.groups import SampleGroups
from neurospect.spectra.uses import Use
from neurospect.spectra.weight_matrices import WeightMatrix


def group_gradients(activation: Tensor, adjoint: Tensor, groups: SampleGroups) -> Tensor:
    """Gradients of the loss by a weight: whole batch first, then ∇_g = Δ_gᵀ A_g.

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
        Shape (1 + groups, longer side, shorter side). The longer of inputs and outputs comes
        first, whatever the layout of the weight: the product is faster so, and singular values do
        not care.
    """
    tall, short = activation, adjoint
    if tall.shape[-1] < short.shape[-1]:
        tall, short = short, tall
    gradients = short.new_empty(1 + len(groups.sizes), tall.shape[-1], short.shape[-1])
    for gradient, start, size in zip(gradients[1:], groups.starts, groups.sizes, strict=True):
        rows = slice(start, start + size)
        torch.mm(tall[rows].flatten(0, -2).mT, short[rows].flatten(0, -2), out=gradient)
    torch.sum(gradients[1:], dim=0, out=gradients[0])
    return gradients


def segment_gradients(use: Use, groups: SampleGroups, matrix: WeightMatrix) -> Tensor:
    """Gradients as `group_gradients` gives them, of a layer that is no plain product.

    Parameters
    ----------
    use
        Activation and adjoint of the batch, in group order.
    groups
        The segments.
    matrix
        The weight.

    Returns
    -------
    torch.Tensor
        Shape (1 + groups, outputs, inputs).
    """
    gradients = use.activation.new_zeros(1 + len(groups.sizes), *matrix.shape)
    for gradient, start, size in zip(gradients[1:], groups.starts, groups.sizes, strict=True):
        if size:
            part = use.rows(slice(start, start + size))
            gradient.copy_(matrix.of_part(part.form.gradient(part.activation, part.adjoint)))
    torch.sum(gradients[1:], dim=0, out=gradients[0])
    return gradients


def stacked_gradients(by_group: Sequence[Tensor | None], matrix: WeightMatrix) -> Tensor:
    """Stack the gradients of a weight that were computed group by group, the whole batch first.

    Parameters
    ----------
    by_group
        Per group, in the shape of the parameter; None for a group without samples.
    matrix
        Which part of the parameter, as what matrix.

    Returns
    -------
    torch.Tensor
        Shape (1 + groups, outputs, inputs).
    """
    stacked = matrix.parameter.new_zeros(1 + len(by_group), *matrix.shape)
    for row, gradient in zip(stacked[1:], by_group, strict=True):
        if gradient is not None:
            row.copy_(matrix.of_weight(gradient))
    torch.sum(stacked[1:], dim=0, out=stacked[0])
    return stacked
