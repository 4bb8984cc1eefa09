"""Spectra of activations and adjoints: tall matrices, one row per sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neurospect.spectra.singular_values import gram, singular_values, singular_values_of_gram


def row_spectra(by_group: Sequence[Sequence[Tensor]], *, whole: bool) -> Tensor:
    """Singular values of the rows of the whole batch and of each group.

    Parameters
    ----------
    by_group
        Per group, its rows in pieces of shape (rows, features); at least one piece in all.
    whole
        Put the whole batch before the groups.

    Returns
    -------
    torch.Tensor
        Shape ([1 +] groups, features), float64. NaN beyond the number of rows.
    """
    pieces = [piece for group in by_group for piece in group]
    features = pieces[0].shape[-1]
    counts = [sum(len(piece) for piece in group) for group in by_group]
    if whole:
        counts.insert(0, sum(counts))
    is_wide = features > max(counts)
    if is_wide or pieces[0].dtype == torch.float64:
        parts = [torch.cat([pieces[0][:0], *group]) for group in by_group]
        if whole:
            parts.insert(0, torch.cat(parts))
        # Of rows that are fewer than their features, the smaller Gram matrix is that of the rows.
        values = pieces[0].new_full((len(parts), features), torch.nan, dtype=torch.float64)
        for row, part in zip(values, parts, strict=True):
            found = singular_values(part)
            row[: found.numel()] = found
        return values
    empty = torch.zeros(features, features, dtype=torch.float64, device=pieces[0].device)
    # The Gram matrix of a group is the sum of its pieces', that of the batch of its groups'.
    grams = [sum((gram(piece) for piece in group), start=empty) for group in by_group]
    if whole:
        grams.insert(0, torch.stack(grams).sum(0))
    values = singular_values_of_gram(torch.stack(grams))
    for row, count in zip(values, counts, strict=True):
        row[count:] = torch.nan
    return values
