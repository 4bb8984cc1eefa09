"""Record the spectra of gradients, by groups of samples, while a model trains."""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from typing import Any, Self

import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from neurospect.errors import BadInputError
from neurospect.spectra.blocks import BlockPlan, block_gradients
from neurospect.spectra.coverage import covered_modules, refuse_dependent_samples
from neurospect.spectra.group_gradients import group_gradients, stacked_gradients
from neurospect.spectra.groups import SampleGroups, sample_groups, whole_batch
from neurospect.spectra.spectrum_of_rows import (
    DataInput,
    joined_parts,
    row_spectra,
    stacked_uses,
)
from neurospect.spectra.trajectories import QUANTITIES, Trajectory, block_tree, spectra_tree
from neurospect.training.backward import LossOf, backward_by_parts

# Gram matrices wait in memory until this many steps are there, to be decomposed side by side.
STEPS_AT_ONCE = 16

IN_PASS = "products over the groups' samples, beside the training pass"
BY_GROUP = "the training pass itself, group by group"


class GradientSpectra:
    """Singular values of every covered weight's gradient, per step and per group of samples.

    Used around any training loop; every backward pass inside the block is one step:

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> with GradientSpectra(model, groups=[0, 0, 1, 1]) as spectra:
    ...     model(torch.ones(4, 4)).square().mean().backward()
    >>> spectra.to_datatree()["0.weight"]["gradient"].sizes["group"]
    3

    Nothing in the loop changes, and neither do its results: activations and adjoints are read by
    hooks, and the group gradients ∇_g = Δ_gᵀ A_g are computed beside the pass.

    Parameters
    ----------
    model
        Any module. Weights that are not covered are listed, with the reason, in `unrecorded`.
    groups
        One label per sample of the batch, or None for the whole batch only. Where batches change,
        assign the labels of the next one to `spectra.groups` before its forward pass.
    levels
        Labels in the order wanted; by default those that occur, sorted.
    every
        Record one step in so many.
    quantities
        Any of "gradient", "activation" and "adjoint".
    factors_every
        Record activations and adjoints one step in so many (a multiple of `every`, which is the
        default); their values are NaN at the steps between.
    blocks
        Keep the gradients of blocks of samples at chosen steps, for a permutation test.
    smallest_group
        Fewest samples that a group may have.

    Attributes
    ----------
    step
        Backward passes seen so far.
    unrecorded
        Parameter names without a spectrum, each with the reason.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: ArrayLike | None = None,
        *,
        levels: Sequence[Any] | None = None,
        every: int = 1,
        quantities: Sequence[str] = QUANTITIES,
        factors_every: int | None = None,
        blocks: BlockPlan | None = None,
        smallest_group: int = 2,
    ) -> None:
        self._every = _positive("every", every)
        self._factors_every = _positive("factors_every", factors_every or every)
        if self._factors_every % self._every:
            raise _bad("factors_every", factors_every, f"a multiple of every ({every})")
        unknown = sorted(set(quantities) - set(QUANTITIES))
        if unknown or not quantities:
            raise _bad("quantities", unknown or "none", f"some of {', '.join(QUANTITIES)}")
        self._quantities = tuple(q for q in QUANTITIES if q in quantities)
        self._levels, self._smallest_group = levels, smallest_group
        self._model = model
        self._watched, self.unrecorded = covered_modules(model)
        self._names = {id(weight): name for name, weight in self._watched.weights.items()}
        self._dtype = next(iter(self._watched.weights.values())).dtype
        self._groups: SampleGroups | None = None
        self._whole: SampleGroups | None = None
        if groups is not None:
            self.groups = groups
        self._blocks = blocks
        if blocks is not None and self._groups is not None:
            blocks.cut(self._groups)
        self._handles: list[RemovableHandle] = []
        self.step = 0
        self._in_pass = False
        self._gradients: dict[str, Tensor] = {}
        self._uses: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._part: int | None = None
        self._part_uses: dict[str, list[list[tuple[Tensor, Tensor]]]] = {}
        self._engines: set[str] = set()
        self._data: dict[str, DataInput] = {}
        self._trajectory = Trajectory(self._watched.weights, self._quantities, STEPS_AT_ONCE)
        self._kept_blocks: dict[str, list[Tensor]] = {}
        self._kept_steps: list[int] = []

    @property
    def groups(self) -> SampleGroups | None:
        """Groups of the batch at hand; assign labels, shape (samples,), to change them."""
        return self._groups

    @groups.setter
    def groups(self, labels: ArrayLike) -> None:
        new = sample_groups(labels, levels=self._levels, smallest=self._smallest_group)
        if self._groups is not None and new.names != self._groups.names:
            raise _bad("groups", new.names, f"the groups of the first batch, {self._groups.names}")
        self._groups = new

    def __enter__(self) -> Self:
        for module, watch in self._watched.modules:
            hook = _forward_hook(watch, self)
            self._handles.append(module.register_forward_hook(hook))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._in_pass = False
        self._gradients, self._uses, self._part_uses, self._data = {}, {}, {}, {}

    def backward(self, loss_of: LossOf) -> Tensor:
        """Run the backward pass of one step group by group; in place of ``loss.backward()``.

        Each group goes forward and backward by itself, so its gradient costs nothing more, and its
        activations stay in the processor's cache: on large batches this is faster than an
        unmonitored step. It suits any model whose samples do not depend on one another, and sums
        in another order than one pass over the whole batch does.

        Parameters
        ----------
        loss_of
            Mean loss over the given rows (a slice, or indices) of the batch, as in
            ``lambda rows: criterion(model(inputs[rows]), targets[rows])``.

        Returns
        -------
        torch.Tensor
            Mean loss over the batch, detached; the gradients are in ``.grad``.

        Raises
        ------
        BadInputError
            When there are no groups, or a layer makes samples depend on one another.
        """
        groups = self._groups
        if groups is None:
            raise _bad("groups", "none", "one label per sample, to go group by group")
        refuse_dependent_samples(self._model)
        parameters = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        self._in_pass = True
        try:
            loss, by_group = backward_by_parts(
                list(parameters.values()), groups.rows, groups.sizes, loss_of,
                before_part=self._begin_part,
            )  # fmt: skip
        finally:
            self._in_pass, self._part = False, None
        if self.step % self._every == 0:
            if "gradient" in self._quantities:
                places = {name: place for place, name in enumerate(parameters)}
                for name, weight in self._watched.weights.items():
                    self._gradients[name] = stacked_gradients(
                        [gradients[places[name]] for gradients in by_group], weight
                    )
            self._uses = joined_parts(self._part_uses)
        self._part_uses = {}
        self._end_step(BY_GROUP)
        return loss

    def _begin_part(self, place: int) -> None:
        self._part = place
        for parts in self._part_uses.values():
            parts.append([])

    def check_batch(self, samples: int) -> None:
        """Refuse a batch whose length differs from the group labels'."""
        groups = self._groups
        if groups is None:
            return
        expected = groups.samples if self._part is None else groups.sizes[self._part]
        if expected != samples:
            raise _bad("groups", f"{expected} labels", f"{samples}, one per sample")

    def is_watching(self) -> bool:
        """Whether activations and adjoints of the coming backward pass are wanted."""
        return self._part is None or (self.step % self._every == 0 and self._needs_rows())

    def receive(
        self, weight: nn.Parameter, activation: Tensor, adjoint: Tensor, *, is_data: bool
    ) -> None:
        """Take the activation A and the adjoint Δ of one use of a weight in the backward pass.

        Parameters
        ----------
        weight
            The parameter used.
        activation, adjoint
            Shapes (samples, [...], inputs) and (samples, [...], outputs).
        is_data
            The activation is data that entered the model, rather than computed by it.
        """
        if not self._in_pass:
            self._in_pass = True
            # Runs when this backward pass has ended, whatever started it.
            torch.autograd.Variable._execution_engine.queue_callback(self._end_step)
        if self.step % self._every:
            return
        name = self._names[id(weight)]
        if self._part is not None:
            self._part_uses.setdefault(name, [[]])[-1].append((activation, adjoint))
            return
        groups = self._batch_groups(len(activation))
        d = groups.sort(adjoint)
        a = self._sorted_data(name, activation, groups) if is_data else groups.sort(activation)
        if "gradient" in self._quantities:
            gradients = group_gradients(a, d, groups)
            earlier = self._gradients.get(name)
            self._gradients[name] = gradients if earlier is None else earlier + gradients
        if self._needs_rows():
            self._uses.setdefault(name, []).append((a, d))

    def to_datatree(self) -> xr.DataTree:
        """Return the spectra so far: one node per weight, named as in `model.named_parameters()`.

        Variables `gradient`, `activation` and `adjoint` have dims (step, group, rank) and hold the
        singular values, largest first, in the units of the loss per unit of weight (gradient), of
        the activation, and of the loss per unit of pre-activation (adjoint). Group `all` is the
        whole batch. `rank` counts to min(inputs, outputs) of the weight; of activations and
        adjoints the leading values are kept. Gradients are at "contribution" scale.
        """
        return spectra_tree(
            self._trajectory,
            self._groups,
            dtype=str(self._dtype).removeprefix("torch."),
            engine=" and ".join(sorted(self._engines)),
            unrecorded=json.dumps(self.unrecorded, ensure_ascii=False, sort_keys=True),
        )

    def to_block_datatree(self) -> xr.DataTree:
        """Return the kept block gradients: per weight, dims (step, block, row, column).

        A tree without weights where no block plan was given.
        """
        if self._blocks is None or self._groups is None:
            return block_tree({}, (), (), 0)
        kept = {
            name: self._kept_blocks[name]
            for name in self._names.values()
            if name in self._kept_blocks
        }
        size = self._blocks.cut(self._groups)[1]
        return block_tree(kept, self._kept_steps, self._blocks.groups, size)

    def state_dict(self) -> dict[str, Any]:
        """Everything recorded so far, to go on from after an interruption."""
        return {
            "step": self.step,
            "engines": sorted(self._engines),
            "trajectory": self._trajectory.state_dict(),
            "kept_blocks": {name: list(kept) for name, kept in self._kept_blocks.items()},
            "kept_steps": list(self._kept_steps),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.step = state["step"]
        self._engines = set(state["engines"])
        self._trajectory.load_state_dict(state["trajectory"])
        self._kept_blocks = {name: list(kept) for name, kept in state["kept_blocks"].items()}
        self._kept_steps = list(state["kept_steps"])

    def _needs_rows(self) -> bool:
        return self._keeps_factors() or self._keeps_blocks()

    def _keeps_factors(self) -> bool:
        return self.step % self._factors_every == 0 and self._quantities != ("gradient",)

    def _keeps_blocks(self) -> bool:
        return self._blocks is not None and self.step in self._blocks.steps

    def _keep_blocks(self, plan: BlockPlan, groups: SampleGroups) -> None:
        blocks, size = plan.cut(groups)
        starts = dict(zip(groups.names, groups.starts, strict=True))
        self._kept_steps.append(self.step)
        for name, uses in self._uses.items():
            by_use = [
                torch.cat([block_gradients(a, d, starts[g], blocks, size) for g in plan.groups])
                for a, d in uses
            ]
            self._kept_blocks.setdefault(name, []).append(torch.stack(by_use).sum(0).cpu())

    def _batch_groups(self, samples: int) -> SampleGroups:
        if self._groups is not None:
            return self._groups
        if self._whole is None or self._whole.samples != samples:
            self._whole = whole_batch(samples)
        return self._whole

    def _sorted_data(self, name: str, data: Tensor, groups: SampleGroups) -> Tensor:
        known = self._data.get(name)
        if known is None or not known.is_still(data, groups):
            known = self._data[name] = DataInput(data, groups)
        return known.rows

    def _factor_spectra(self) -> dict[tuple[str, str], Tensor]:
        found: dict[tuple[str, str], Tensor] = {}
        for name, uses in self._uses.items():
            groups = self._batch_groups(len(uses[0][0]))
            activations, adjoints = zip(*uses, strict=True)
            if "activation" in self._quantities:
                known = self._data.get(name)
                is_known = known is not None and len(uses) == 1 and uses[0][0] is known.rows
                found["activation", name] = (
                    known.spectrum()
                    if known is not None and is_known
                    else row_spectra(stacked_uses(activations), groups)
                )
            if "adjoint" in self._quantities:
                found["adjoint", name] = row_spectra(stacked_uses(adjoints), groups)
        return found

    def _end_step(self, engine: str = IN_PASS) -> None:
        if self.step % self._every == 0:
            self._engines.add(engine)
            groups = self._groups or self._whole
            assert groups is not None
            gradients, sizes = self._gradients, groups.sizes
            if self._groups is not None:
                sizes = (groups.samples, *sizes)
            else:  # the one group is the whole batch
                gradients = {name: rows[:1] for name, rows in gradients.items()}
            factors = self._factor_spectra() if self._keeps_factors() else {}
            self._trajectory.append(self.step, sizes, gradients, factors)
            if self._blocks is not None and self._keeps_blocks():
                self._keep_blocks(self._blocks, groups)
        self._gradients, self._uses = {}, {}
        self._in_pass = False
        self.step += 1


def _forward_hook(watch: Any, spectra: GradientSpectra) -> Any:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if output.requires_grad:
            spectra.check_batch(len(inputs[0]))
            if spectra.is_watching():
                watch(module, inputs, output, spectra.receive)

    return hook


def _positive(field: str, value: int) -> int:
    if value < 1:
        raise _bad(field, value, "1 or more")
    return value


def _bad(field: str, found: object, expected: str) -> BadInputError:
    return BadInputError(
        "GradientSpectra", field, found=found, expected=expected, remedy="Mend the argument."
    )
