"""Record the spectra of gradients, by groups of samples, while a model trains."""

from __future__ import annotations

import json
import logging
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor, nn

from neurospect.errors import BadInputError
from neurospect.spectra.blocks import (
    BlockPlan,
    KeptBlocks,
    block_gradients_by_block,
    block_gradients_in_pass,
)
from neurospect.spectra.coverage import coverage_of, has_batch_first, refuse_dependent_samples
from neurospect.spectra.engines import EngineChoice, chosen_engine, refuse_unknown_engine
from neurospect.spectra.group_gradients import stacked_gradients
from neurospect.spectra.groups import SampleGroups, sample_groups
from neurospect.spectra.pass_listener import PassListener
from neurospect.spectra.step_record import Wanted
from neurospect.spectra.trajectories import QUANTITIES, Trajectory, spectra_tree
from neurospect.training.backward import LossOf, backward_by_parts, whole_batch_backward

log = logging.getLogger(__name__)

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
    over_ties
        Record, at the steps of `factors_every`, also the gradient at each place where a weight is
        tied: time step, token or kernel position.
    leading
        Record so many singular values, the largest, of weights with 512 inputs and outputs or more;
        `gradient_error` tells how far off they may be. By default all, exactly.
    blocks
        Keep the gradients of blocks of samples at chosen steps, for a permutation test.
    smallest_group
        Fewest samples that a group may have.
    batch_first
        Whether samples are the first dimension of linear layers' inputs of three or more, or the
        second, after time or tokens. By default as the model's recurrent and attention layers say;
        first where there are none, or where they disagree.
    engine
        How `backward` runs a pass: "by_group", "in_pass", or "auto", whichever costs less, as
        `chosen_engine` says.

    Attributes
    ----------
    step
        Steps seen so far: backward passes, or more of them inside `one_step`.
    unrecorded
        Parameter names without a spectrum, each with the reason.
    only_by_group
        Parameter names with a spectrum where `backward` runs the pass, but not in a loop's own
        ``loss.backward()``, each with the reason.
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
        over_ties: bool = False,
        leading: int | None = None,
        blocks: BlockPlan | None = None,
        smallest_group: int = 2,
        batch_first: bool | None = None,
        engine: EngineChoice = "by_group",
    ) -> None:
        refuse_unknown_engine(engine)
        self._every = _positive("every", every)
        self._factors_every = _positive("factors_every", factors_every or every)
        if self._factors_every % self._every:
            raise _bad("factors_every", factors_every, f"a multiple of every ({every})")
        unknown = sorted(set(quantities) - set(QUANTITIES))
        if unknown or not quantities:
            raise _bad("quantities", unknown or "none", f"some of {', '.join(QUANTITIES)}")
        self._quantities = tuple(q for q in QUANTITIES if q in quantities)
        self._over_ties = over_ties
        self._levels, self._smallest_group = levels, smallest_group
        self._model, self._engine = model, engine
        self._coverage = coverage_of(model)
        self._matrices = self._coverage.matrices
        self.unrecorded = self._coverage.unrecorded
        self.only_by_group = self._coverage.only_by_group
        is_first = has_batch_first(model) if batch_first is None else batch_first
        self._listener = PassListener(
            self._coverage, 0 if is_first else 1, lambda: self._end_pass(IN_PASS)
        )
        if groups is not None:
            self.groups = groups
        self._blocks = blocks
        if blocks is not None and self.groups is not None:
            blocks.cut(self.groups)
        self.step = 0
        self._is_accumulating = False
        self._begin_step()
        self._engines: set[str] = set()
        if leading is not None:
            _positive("leading", leading)
        self._trajectory = Trajectory(
            self._matrices, self._quantities_of_weights(), leading=leading
        )
        self._kept_blocks = KeptBlocks()

    @property
    def groups(self) -> SampleGroups | None:
        """Groups of the batch at hand; assign labels, shape (samples,), to change them."""
        return self._listener.groups

    @groups.setter
    def groups(self, labels: ArrayLike) -> None:
        new = sample_groups(labels, levels=self._levels, smallest=self._smallest_group)
        first = self._listener.groups
        if first is not None and new.names != first.names:
            raise _bad("groups", new.names, f"the groups of the first batch, {first.names}")
        self._listener.groups = new

    def __enter__(self) -> Self:
        self._listener.attach()
        self._first_step = self.step
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._listener.detach()
        self._begin_step()
        if kind is None and self.step == self._first_step:
            log.warning(
                "no backward pass was seen, so nothing is recorded; a model that torch.compile has "
                "run before skips hooks: run it first inside the block, or reset torch.compiler"
            )

    def backward(self, loss_of: LossOf) -> Tensor:
        """Run the backward pass of one step; in place of ``loss.backward()``.

        Group by group, unless `engine` says otherwise. Each group goes forward and backward by
        itself, so its gradient costs nothing more, and its activations stay in the processor's
        cache: on large batches this is faster than an unmonitored step. It suits any model whose
        samples do not depend on one another, and sums in another order than one pass over the
        whole batch does.

        At steps that keep block gradients each block goes forward and backward once more, beside
        the pass that trains.

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
            When there are no groups, or a layer ties samples together and the engine is
            "by_group".
        """
        groups = self.groups
        if groups is None:
            raise _bad("groups", "none", "one label per sample, to go group by group")
        if chosen_engine(self._engine, self._model, self._coverage, groups) == "in_pass":
            return whole_batch_backward(loss_of)
        refuse_dependent_samples(self._model)
        parameters = [p for p in self._model.parameters() if p.requires_grad]
        listener = self._listener
        listener.drop_failed_pass()
        if self._blocks is not None and listener.record.wanted.blocks:
            with listener.deaf():
                trained = {n: m for n, m in self._matrices.items() if m.parameter.requires_grad}
                gradients = block_gradients_by_block(self._blocks, groups, trained, loss_of)
            self._kept_blocks.append(self.step, gradients)
            listener.record.wanted = replace(listener.record.wanted, blocks=False)
        begin_part = partial(listener.begin_part, by_rows=not self._is_accumulating)
        try:
            loss, by_group = backward_by_parts(
                parameters, groups.rows, groups.sizes, loss_of, before_part=begin_part
            )
            listener.end_parts()
        except BaseException:
            self._begin_step()
            raise
        if listener.record.wanted.gradient:
            places = {id(parameter): place for place, parameter in enumerate(parameters)}
            for name, matrix in self._matrices.items():
                place = places.get(id(matrix.parameter))
                if place is not None:  # else it was frozen since recording began
                    self._take_by_group(name, [gradients[place] for gradients in by_group])
        self._end_pass(BY_GROUP)
        return loss

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Count all backward passes inside as one step, as where gradients are accumulated.

        The gradients of the passes add up, as they do in ``.grad``, and the rows of their
        activations and adjoints lie one upon another:

        >>> model = nn.Linear(4, 2)
        >>> with GradientSpectra(model) as spectra, spectra.one_step():
        ...     for batch in torch.ones(10, 4).split(5):
        ...         (model(batch).square().mean() / 2).backward()
        >>> spectra.to_datatree()["weight"].attrs["group_sizes"]
        [10]

        Raises
        ------
        BadInputError
            When block gradients are to be kept: the blocks of several batches are not alike.
        """
        if self._blocks is not None:
            raise _bad("one_step", "a block plan", "no blocks where batches are accumulated")
        self._is_accumulating = True
        try:
            yield
            if self._listener.record.passes:
                self._end_step()
        finally:
            self._is_accumulating = False
            self._begin_step()

    def to_datatree(self) -> xr.DataTree:
        """Return the spectra so far: one node per weight, named as in `model.named_parameters()`.

        The parts of a weight that have roles of their own have a node each, such as
        "lstm.weight_ih_l0[forget]". Variables `gradient`, `activation` and `adjoint` have dims
        (step, group, rank) and hold the singular values, largest first, in the units of the loss
        per unit of weight (gradient), of the activation, and of the loss per unit of
        pre-activation (adjoint). Group `all` is the whole batch. `rank` counts to
        min(inputs, outputs) of the weight; of activations and adjoints the leading values are
        kept, and weights whose inputs no hook shows have none. With `over_ties`,
        `gradient_over_ties` has dims (step, group, tie, rank). Gradients are at "contribution"
        scale.
        """
        in_pass_only = self._engines == {IN_PASS}
        unrecorded = {**self.unrecorded, **(self.only_by_group if IN_PASS in self._engines else {})}
        return spectra_tree(
            self._trajectory,
            self._coverage.shown if in_pass_only else tuple(self._matrices),
            self.groups,
            computed_in=self._listener.computed_in,
            engine=" and ".join(sorted(self._engines)),
            unrecorded=json.dumps(unrecorded, ensure_ascii=False, sort_keys=True),
        )

    def to_block_datatree(self) -> xr.DataTree:
        """Return the kept block gradients: per weight, dims (step, block, row, column).

        A tree without weights where no block plan was given.
        """
        return self._kept_blocks.to_datatree(self._matrices, self._blocks, self.groups)

    def state_dict(self) -> dict[str, Any]:
        """Everything recorded so far, to go on from after an interruption."""
        return {
            "step": self.step,
            "engines": sorted(self._engines),
            "computed_in": self._listener.computed_in,
            "trajectory": self._trajectory.state_dict(),
            "kept_blocks": self._kept_blocks.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.step = state["step"]
        self._engines = set(state["engines"])
        self._listener.computed_in = state["computed_in"]
        self._trajectory.load_state_dict(state["trajectory"])
        self._kept_blocks.load_state_dict(state["kept_blocks"])
        self._begin_step()

    def _take_by_group(self, name: str, by_group: Sequence[Tensor | None]) -> None:
        record, matrix = self._listener.record, self._matrices[name]
        if not self._is_accumulating and record.decompose_rows(name, by_group):
            return
        record.take_gradients(name, stacked_gradients(by_group, matrix))

    def _end_pass(self, engine: str) -> None:
        record = self._listener.record
        record.end_pass(self._listener.groups_heard())
        if record.wanted.anything:
            self._engines.add(engine)
        if not self._is_accumulating:
            self._end_step()

    def _end_step(self) -> None:
        record, groups = self._listener.record, self.groups
        if record.wanted.spectra:
            sizes, gradients = record.sizes, record.gradients
            if groups is not None:
                sizes = (sum(sizes), *sizes)
            else:  # the one group is the whole batch
                gradients = {name: rows[:1] for name, rows in gradients.items()}
            values = record.spectra(whole=groups is not None)
            ties = record.spectra_over_ties(whole=groups is not None) if record.wanted.ties else {}
            self._trajectory.append(self.step, sizes, gradients, values, ties)
        if self._blocks is not None and groups is not None and record.wanted.blocks:
            heard = self._listener.groups_heard()
            if len(heard) > 1:
                raise _bad("blocks", "batches of several labels in one pass", "one batch in each")
            uses = {name: seen.by_group() for name, seen in record.uses.items()}
            kept = block_gradients_in_pass(self._blocks, heard[0], self._matrices, uses)
            self._kept_blocks.append(self.step, kept)
        self.step += 1
        self._begin_step()

    def _begin_step(self) -> None:
        self._listener.begin_step(self._wanted())

    def _wanted(self) -> Wanted:
        blocks = self._blocks is not None and self.step in self._blocks.steps
        if self.step % self._every:
            return Wanted(blocks=blocks)
        has_factors = self.step % self._factors_every == 0
        has_gradient = "gradient" in self._quantities
        return Wanted(
            gradient=has_gradient,
            activation=has_factors and "activation" in self._quantities,
            adjoint=has_factors and "adjoint" in self._quantities,
            ties=has_factors and has_gradient and self._over_ties,
            blocks=blocks,
        )

    def _quantities_of_weights(self) -> dict[str, tuple[str, ...]]:
        shown = self._coverage.shown
        return {
            name: tuple(q for q in self._quantities if q == "gradient" or name in shown)
            for name in self._matrices
        }


def _positive(field: str, value: int) -> int:
    if value < 1:
        raise _bad(field, value, "1 or more")
    return value


def _bad(field: str, found: object, expected: str) -> BadInputError:
    return BadInputError(
        "GradientSpectra", field, found=found, expected=expected, remedy="Mend the argument."
    )
