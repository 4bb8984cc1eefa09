"""What the backward passes of one training step show, weight by weight, and its spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neurospect.spectra.data_inputs import DataInput, KnownData
from neurospect.spectra.group_gradients import group_gradients, segment_gradients
from neurospect.spectra.groups import SampleGroups
from neurospect.spectra.layers.layer import ROWS
from neurospect.spectra.singular_values import singular_values
from neurospect.spectra.uses import (
    Use,
    WeightUses,
    activation_spectra,
    adjoint_spectra,
    gradient_spectra,
    gradient_spectra_over_ties,
)
from neurospect.spectra.weight_matrices import WeightMatrix


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded at one step."""

    gradient: bool = False
    activation: bool = False
    adjoint: bool = False
    ties: bool = False
    blocks: bool = False

    @property
    def rows(self) -> bool:
        """Whether the rows of activations and adjoints themselves are needed."""
        return self.activation or self.adjoint or self.ties or self.blocks

    @property
    def anything(self) -> bool:
        """Whether the step is recorded at all."""
        return self.gradient or self.rows


class StepRecord:
    """Gradients and uses of every weight, over the backward passes of one step.

    Parameters
    ----------
    matrices
        The weights, by name.
    wanted
        What is to be recorded.
    known
        What is known of the data from earlier steps.
    """

    def __init__(
        self, matrices: Mapping[str, WeightMatrix], wanted: Wanted, known: KnownData
    ) -> None:
        self.wanted = wanted
        self.passes = 0
        self.sizes: tuple[int, ...] = ()
        self.gradients: dict[str, Tensor] = {}
        self.uses: dict[str, WeightUses] = {}
        self._matrices = matrices
        self._known = known
        self._data: dict[str, list[DataInput | None]] = {}
        self._has_few_rows: dict[str, bool] = {}

    def end_pass(self, groups: SampleGroups) -> None:
        """Count a backward pass over samples of these groups."""
        self.passes += 1
        before = self.sizes or (0,) * len(groups.sizes)
        self.sizes = tuple(a + b for a, b in zip(before, groups.sizes, strict=True))

    def take(self, name: str, use: Use, groups: SampleGroups, data: DataInput | None) -> None:
        """Take one use by the whole batch, in group order.

        Parameters
        ----------
        name
            Of the weight.
        use
            Activation and adjoint of all samples.
        groups
            The segments.
        data
            The activation, where it is data that entered the model.
        """
        matrix = self._matrices[name]
        if name not in self._has_few_rows:
            rows = use.activation.shape[:-1].numel()
            self._has_few_rows[name] = use.form is ROWS and rows < min(matrix.shape)
        self._data.setdefault(name, []).append(data)
        has_few_rows = self._has_few_rows[name]
        if self.wanted.rows or has_few_rows:
            for place, (start, size) in enumerate(zip(groups.starts, groups.sizes, strict=True)):
                self._add(name, use.rows(slice(start, start + size)), place, groups)
        if self.wanted.gradient and not has_few_rows:
            gradients = (
                group_gradients(use.activation, use.adjoint, groups)
                if use.form is ROWS
                else segment_gradients(use, groups, matrix)
            )
            self.take_gradients(name, gradients)

    def take_part(
        self, name: str, use: Use, group: int, groups: SampleGroups, data: DataInput | None
    ) -> None:
        """Take one use by the samples of one group; `data` as in `take`."""
        self._data.setdefault(name, []).append(data)
        self._add(name, use, group, groups)

    def take_gradients(self, name: str, gradients: Tensor) -> None:
        """Add gradients of the whole batch and of the groups to those of earlier uses."""
        earlier = self.gradients.get(name)
        self.gradients[name] = gradients if earlier is None else earlier + gradients

    def gradient_norm(self, name: str) -> float:
        """Frobenius norm of the whole batch's gradient, as far as it was seen; else zero."""
        if name in self.gradients:
            return float(self.gradients[name][0].norm())
        uses = (
            [use for group in self.uses[name].by_group() for use in group]
            if name in self.uses
            else []
        )
        parts = [use.form.gradient(use.activation, use.adjoint) for use in uses]
        return float(torch.stack(parts).sum(0).norm()) if parts else 0.0

    def spectra(self, *, whole: bool) -> dict[tuple[str, str], Tensor]:
        """Singular values by quantity and weight, but for gradients that lie in `gradients`.

        Parameters
        ----------
        whole
            Put the whole batch before the groups.
        """
        found: dict[tuple[str, str], Tensor] = {}
        for name, uses in self.uses.items():
            if self.wanted.gradient and name not in self.gradients:
                found["gradient", name] = gradient_spectra(uses, whole=whole)
            if self.wanted.activation:
                found["activation", name] = self._activation_spectra(name, uses, whole=whole)
            if self.wanted.adjoint:
                found["adjoint", name] = adjoint_spectra(uses, whole=whole)
        return found

    def spectra_over_ties(self, *, whole: bool) -> dict[str, Tensor]:
        """Singular values by time step, token or kernel position: (rows, places, rank)."""
        found: dict[str, Tensor] = {}
        for name, gradients in self.gradients.items():
            matrix = self._matrices[name]
            if matrix.positions > 1:
                rows = gradients if whole else gradients[:1]
                found[name] = singular_values(matrix.by_position(rows))
        for name, uses in self.uses.items():
            if not self._matrices[name].is_kernel:
                over_ties = gradient_spectra_over_ties(uses, name, whole=whole)
                if over_ties is not None:
                    found[name] = over_ties
        return found

    def _activation_spectra(self, name: str, uses: WeightUses, *, whole: bool) -> Tensor:
        inputs = tuple(data for data in self._data[name] if data is not None)
        if len(inputs) < len(self._data[name]):
            return activation_spectra(uses, whole=whole)
        return self._known.spectrum(name, inputs, lambda: activation_spectra(uses, whole=whole))

    def _add(self, name: str, use: Use, group: int, groups: SampleGroups) -> None:
        uses = self.uses.setdefault(name, WeightUses(len(groups.sizes)))
        uses.add(self.passes, group, use)
