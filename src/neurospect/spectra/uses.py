"""What hooks show of a weight in the passes of one step, and the spectra that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.layers.layer import Form
from neurospect.spectra.singular_values import product_singular_values
from neurospect.spectra.spectrum_of_rows import row_spectra

# Entries of the matrices that are in memory at once, where there is one for each time step.
ENTRIES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Use:
    """Activation A and adjoint Δ of some samples at one use of a weight, samples first."""

    activation: Tensor
    adjoint: Tensor
    form: Form

    def rows(self, samples: slice) -> Use:
        """Keep some of the samples."""
        return Use(self.activation[samples], self.adjoint[samples], self.form)


class WeightUses:
    """All uses of one weight in one step: pass by pass, group by group, last use first.

    A pass adds its uses in the order of the backward pass, which runs against that of the forward
    pass.
    """

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._passes: dict[int, list[list[Use]]] = {}

    def add(self, number: int, group: int, use: Use) -> None:
        """Add a use by a group's samples in the backward pass of that number."""
        empty: list[list[Use]] = [[] for _ in range(self._groups)]
        self._passes.setdefault(number, empty)[group].append(use)

    def by_group(self) -> list[list[Use]]:
        """All uses of each group."""
        return [
            [use for uses in self._passes.values() for use in uses[group]]
            for group in range(self._groups)
        ]

    def by_group_and_pass(self) -> list[list[list[Use]]]:
        """Sort the uses of each group in each pass, in the order of the forward pass."""
        return [
            [uses[group][::-1] for uses in self._passes.values()] for group in range(self._groups)
        ]


def activation_spectra(uses: WeightUses, *, whole: bool) -> Tensor:
    """Singular values of A: shape ([1 +] groups, inputs)."""
    return row_spectra(
        [[use.form.activation_rows(use.activation) for use in group] for group in uses.by_group()],
        whole=whole,
    )


def adjoint_spectra(uses: WeightUses, *, whole: bool) -> Tensor:
    """Singular values of Δ: shape ([1 +] groups, outputs)."""
    return row_spectra(
        [[use.form.adjoint_rows(use.adjoint) for use in group] for group in uses.by_group()],
        whole=whole,
    )


def gradient_spectra(uses: WeightUses, *, whole: bool) -> Tensor:
    """Singular values of ∇ = Δᵀ A from few rows, without forming ∇: shape ([1 +] groups, rank)."""
    groups = uses.by_group()
    if whole:
        groups.insert(0, [use for group in groups for use in group])
    blank = next(use for group in groups for use in group).rows(slice(0))
    return torch.stack(
        [
            product_singular_values(
                torch.cat([use.form.activation_rows(use.activation) for use in [blank, *group]]),
                torch.cat([use.form.adjoint_rows(use.adjoint) for use in [blank, *group]]),
            )
            for group in groups
        ]
    )


def gradient_spectra_over_ties(uses: WeightUses, name: str, *, whole: bool) -> Tensor | None:
    """Singular values of ∇_t = Δ_tᵀ A_t, for each place t at which the weight was used.

    A place is a token or time step of a layer's input, and each further use of the weight has
    places of its own, in the order of the forward pass.

    Parameters
    ----------
    uses, name
        Of a weight whose activations and adjoints have shape (samples, [...], features).
    whole
        Put the whole batch before the groups.

    Returns
    -------
    torch.Tensor or None
        Shape ([1 +] groups, places, rank); None where there is but one place.

    Raises
    ------
    BadInputError
        When the passes of a step have different numbers of places.
    """
    by_group = [
        [_by_place(one_pass) for one_pass in passes if one_pass]
        for passes in uses.by_group_and_pass()
    ]
    places = {len(a) for group in by_group for a, _ in group}
    if len(places) > 1:
        raise BadInputError(
            "GradientSpectra",
            f"over_ties, {name}",
            found=f"{', '.join(map(str, sorted(places)))} places in the passes of one step",
            expected="equally many in each",
            remedy="Pad the sequences to one length, or record without over_ties.",
        )
    if places == {1}:
        return None
    if whole:
        by_group.insert(0, [part for group in by_group for part in group])
    blank = next((a[:, :0], d[:, :0]) for group in by_group for a, d in group)
    rows = []
    for group in by_group:
        a, d = (torch.cat(parts, dim=1) for parts in zip(blank, *group, strict=True))
        at_once = max(1, ENTRIES_AT_ONCE // (a.shape[-1] * d.shape[-1]))
        pieces = zip(torch.split(a, at_once), torch.split(d, at_once), strict=True)
        rows.append(torch.cat([product_singular_values(*piece) for piece in pieces]))
    return torch.stack(rows)


def _by_place(uses: Sequence[Use]) -> tuple[Tensor, Tensor]:
    """Lay out A and Δ of one pass, shapes (places, samples, features)."""
    return _places([use.activation for use in uses]), _places([use.adjoint for use in uses])


def _places(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(len(part), -1, part.shape[-1]) for part in parts], 1).transpose(
        0, 1
    )
