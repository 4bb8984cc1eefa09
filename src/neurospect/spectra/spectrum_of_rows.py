"""Spectra of activations and adjoints: tall matrices, one row per sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurospect.spectra.groups import WHOLE_BATCH, SampleGroups
from neurospect.spectra.singular_values import gram, singular_values, singular_values_of_gram


def row_spectra(rows: Tensor, groups: SampleGroups) -> Tensor:
    """Singular values of the rows of the whole batch and of each group.

    Parameters
    ----------
    rows
        In group order, shape (samples, [...], features).
    groups
        The segments.

    Returns
    -------
    torch.Tensor
        Shape (whole batch + groups, features), float64; the whole batch alone where it is the only
        group. NaN beyond the number of rows.
    """
    parts = [
        rows[start : start + size].flatten(0, -2)
        for start, size in zip(groups.starts, groups.sizes, strict=True)
    ]
    if groups.names != (WHOLE_BATCH,):
        parts.insert(0, rows.flatten(0, -2))
    if rows.dtype == torch.float64:
        values = rows.new_full((len(parts), rows.shape[-1]), torch.nan)
        for row, part in zip(values, parts, strict=True):
            found = singular_values(part)
            row[: found.numel()] = found
        return values
    # The Gram matrix of the batch is the sum of its groups'.
    grams = [gram(part) for part in parts[-len(groups.sizes) :]]
    if len(parts) > len(grams):
        grams.insert(0, torch.stack(grams).sum(0))
    values = singular_values_of_gram(torch.stack(grams))
    for row, part in zip(values, parts, strict=True):
        row[len(part) :] = torch.nan
    return values


class DataInput:
    """The last data that entered a layer, in group order, with its spectrum once asked for.

    The input of a full-batch loop is the same tensor at every step, so it is sorted and decomposed
    once. Holding the tensor keeps its memory from being given to another, which makes the address
    a sound sign of identity; its version counter tells of changes in place.
    """

    def __init__(self, data: Tensor, groups: SampleGroups) -> None:
        self._data, self._version, self._groups = data, data._version, groups
        self.rows = groups.sort(data)
        self._spectrum: Tensor | None = None

    def is_still(self, data: Tensor, groups: SampleGroups) -> bool:
        """Whether `data` and `groups` are those given."""
        return (
            groups is self._groups
            and data.data_ptr() == self._data.data_ptr()
            and data._version == self._version
            and data.shape == self._data.shape
            and data.stride() == self._data.stride()
        )

    def spectrum(self) -> Tensor:
        """Singular values by group, as `row_spectra` gives them."""
        if self._spectrum is None:
            self._spectrum = row_spectra(self.rows, self._groups)
        return self._spectrum


def stacked_uses(uses: Sequence[Tensor]) -> Tensor:
    """Rows of a weight that is used several times: its uses count as further tokens of a sample."""
    if len(uses) == 1:
        return uses[0]
    return torch.cat([use.reshape(len(use), -1, use.shape[-1]) for use in uses], dim=1)


def joined_parts(
    parts: Mapping[str, Sequence[Sequence[tuple[Tensor, Tensor]]]],
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Join what was captured part by part of the batch: per weight and use, all samples."""
    return {
        name: [
            (torch.cat([a for a, _ in use]), torch.cat([d for _, d in use]))
            for use in zip(*captured, strict=True)
        ]
        for name, captured in parts.items()
    }
