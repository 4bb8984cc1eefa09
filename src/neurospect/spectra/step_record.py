"""What the backward passes of one training step show, weight by weight, and its spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurospect.spectra.data_inputs import KnownSpectra
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

# Norms of one gradient, summed in two orders in single precision, differ by less than this share.
SAME_NORM = 1e-4


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
    def spectra(self) -> bool:
        """Whether anything but blocks is recorded."""
        return self.gradient or self.activation or self.adjoint or self.ties

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
        self, matrices: Mapping[str, WeightMatrix], wanted: Wanted, known: KnownSpectra
    ) -> None:
        self.wanted = wanted
        self.passes = 0
        self.sizes: tuple[int, ...] = ()
        self.gradients: dict[str, Tensor] = {}
        self.uses: dict[str, WeightUses] = {}
        self._matrices = matrices
        self._known = known
        self._is_data: dict[str, bool] = {}
        self._has_few_rows: dict[str, bool] = {}
        self._of_rows: dict[str, Tensor] = {}

    def end_pass(self, batches: Sequence[SampleGroups]) -> None:
        """Count a backward pass over batches of these groups."""
        self.passes += 1
        earlier = [self.sizes] if self.sizes else []
        sizes = (groups.sizes for groups in batches)
        self.sizes = tuple(map(sum, zip(*earlier, *sizes, strict=True)))

    def forget(self) -> None:
        """Forget what was taken of all weights, so that the step is NaN."""
        self.gradients.clear()
        self.uses.clear()

    def take(self, name: str, use: Use, groups: SampleGroups, *, is_data: bool) -> None:
        """Take one use by the whole batch, in group order.

        Parameters
        ----------
        name
            Of the weight.
        use
            Activation and adjoint of all samples.
        groups
            The segments.
        is_data
            The activation is data that entered the model.
        """
        has_few_rows = self._has_few(name, use, groups)
        if self.wanted.rows or has_few_rows:
            use = self._kept(name, use, is_data=is_data)
            for place, (start, size) in enumerate(zip(groups.starts, groups.sizes, strict=True)):
                self._add(name, use.rows(slice(start, start + size)), place, groups)
        if self.wanted.gradient and not has_few_rows:
            gradients = (
                group_gradients(use.activation, use.adjoint, groups)
                if use.form is ROWS
                else segment_gradients(use, groups, self._matrices[name])
            )
            self.take_gradients(name, gradients)

    def take_part(
        self, name: str, use: Use, group: int, groups: SampleGroups, *, is_data: bool
    ) -> None:
        """Take one use by the samples of one group; `is_data` as in `take`."""
        if self.wanted.rows or self._has_few(name, use, groups):
            self._add(name, self._kept(name, use, is_data=is_data), group, groups)

    def take_gradients(self, name: str, gradients: Tensor) -> None:
        """Add gradients of the whole batch and of the groups to those of earlier uses."""
        earlier = self.gradients.get(name)
        self.gradients[name] = gradients if earlier is None else earlier + gradients

    def decompose_rows(self, name: str, by_group: Sequence[Tensor | None]) -> bool:
        """Decompose the few rows of a weight's groups, in place of their gradients.

        Parameters
        ----------
        name
            Of the weight.
        by_group
            The gradients of the groups; None for a group without samples.

        Returns
        -------
        bool
            Whether the gradients are those of the rows: false where there are none, where they are
            many, or where the loss uses the weight outside its layer, too.
        """
        if not self._has_few_rows.get(name) or name not in self.uses:
            return False
        found = gradient_spectra(self.uses[name], whole=True)
        of_rows = torch.linalg.vector_norm(found[1:], dim=-1)
        norms = [0.0 if gradient is None else float(gradient.norm()) for gradient in by_group]
        if not torch.allclose(of_rows, of_rows.new_tensor(norms), rtol=SAME_NORM, atol=0.0):
            return False
        self._of_rows[name] = found
        return True

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
                by_rows = self._of_rows.get(name)
                if by_rows is None:
                    by_rows = gradient_spectra(uses, whole=whole)
                found["gradient", name] = by_rows
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
        if not self._is_data[name]:
            return activation_spectra(uses, whole=whole)
        data = [[use.activation for use in of_group] for of_group in uses.by_group()]
        return self._known.of(name, data, lambda: activation_spectra(uses, whole=whole))

    def _kept(self, name: str, use: Use, *, is_data: bool) -> Use:
        """Note whether all of a weight's activations are data; copy data, which a loop may change.

        Uses are kept until the step ends, which may be after other parts or batches went through.
        """
        self._is_data[name] = is_data and self._is_data.get(name, True)
        return Use(use.activation.clone(), use.adjoint, use.form) if is_data else use

    def _has_few(self, name: str, use: Use, groups: SampleGroups) -> bool:
        """Whether the batch has fewer rows than the weight has inputs and outputs."""
        if name not in self._has_few_rows:
            rows = groups.samples * use.activation.shape[1:-1].numel()
            few = use.form is ROWS and rows < min(self._matrices[name].shape)
            self._has_few_rows[name] = few
        return self._has_few_rows[name]

    def _add(self, name: str, use: Use, group: int, groups: SampleGroups) -> None:
        uses = self.uses.setdefault(name, WeightUses(len(groups.sizes)))
        uses.add(self.passes, group, use)
