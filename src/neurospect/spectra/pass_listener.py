"""Hooks on a model, and what they tell in the backward passes of one step."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from neurospect.errors import BadInputError
from neurospect.spectra.coverage import Coverage
from neurospect.spectra.data_inputs import KnownSpectra
from neurospect.spectra.groups import SampleGroups, whole_batch
from neurospect.spectra.layers.layer import ROWS, Call, Form, Layer, may_hold
from neurospect.spectra.step_record import StepRecord, Wanted
from neurospect.spectra.uses import Use

log = logging.getLogger(__name__)

# Autocast alone makes the two ways to sum a gradient differ by a share of this order.
WORTH_A_WARNING = 0.05
# The number that PyTorch gives outside of all backward passes.
NO_TASK = -1


class PassListener:
    """Receives activations and adjoints of watched layers, and puts them in group order.

    Parameters
    ----------
    coverage
        What to watch.
    samples_dim
        Dimension of the samples in linear layers' inputs of three or more dimensions.
    end_pass
        Called when a backward pass of the loop's own has ended.

    Attributes
    ----------
    groups
        Of the batch at hand; None for the whole batch only.
    record
        What the step at hand has shown so far.
    computed_in
        Floating-point type of autocast, where it was on.
    """

    def __init__(self, coverage: Coverage, samples_dim: int, end_pass: Callable[[], None]) -> None:
        self.samples_dim = samples_dim
        self.groups: SampleGroups | None = None
        self.computed_in = ""
        self._coverage = coverage
        self._end_pass = end_pass
        self._shown: dict[int, list[str]] = {}
        for name in coverage.shown:
            self._shown.setdefault(id(coverage.matrices[name].parameter), []).append(name)
        self._whole: SampleGroups | None = None
        self._known = KnownSpectra()
        self._handles: list[RemovableHandle] = []
        self._is_checked = self._has_warned = self._is_second_order = False
        self.begin_step(Wanted())

    def attach(self) -> None:
        """Put hooks on the layers.

        Raises
        ------
        BadInputError
            When they are there already, as in a `with` block inside another of the same recorder.
        """
        if self._handles:
            raise BadInputError(
                "GradientSpectra",
                "with",
                found="a block inside another block of the same recorder",
                expected="one open block at a time",
                remedy="Leave out the inner block, or make a recorder of its own for it.",
            )
        for module, layer in self._coverage.watched:
            hook = _ForwardHook(layer, self)
            self._handles.append(module.register_forward_hook(hook, with_kwargs=True))
        if not self._shown:
            weight = next(iter(self._coverage.matrices.values())).parameter
            refuse = self._refuse_to_record_in_pass
            handle = weight.register_post_accumulate_grad_hook(refuse)  # type: ignore[no-untyped-call]
            self._handles.append(handle)

    def detach(self) -> None:
        """Remove all hooks and let go of the data."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._known = KnownSpectra()

    def begin_step(self, wanted: Wanted) -> None:
        """Forget what was heard; record what is wanted from now on."""
        self.record = StepRecord(self._coverage.matrices, wanted, self._known)
        self._is_deaf = self._is_first_call = False
        self._task, self._runs_again, self._builds_graph = NO_TASK, False, False
        self._part: int | None = None
        self._heard: list[SampleGroups] = []
        self._by_rows = False
        self._jobs: list[Callable[[], None]] = []

    def begin_part(self, group: int, *, by_rows: bool = False) -> None:
        """From now on hear the passes of this group's samples alone.

        Parameters
        ----------
        group
            Its place.
        by_rows
            Whether to hear also, where gradients alone are wanted, the layers whose weights may
            have more inputs and outputs than the batch has rows.
        """
        self._run_jobs()
        self._part, self._is_first_call, self._by_rows = group, True, by_rows

    def end_parts(self) -> None:
        """From now on hear passes of the whole batch again."""
        self._run_jobs()
        self._part = None

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Hear nothing meanwhile."""
        self._is_deaf = True
        try:
            yield
        finally:
            self._is_deaf = False

    def groups_of(self, samples: int | None = None) -> SampleGroups:
        """Return the groups of the batch, or the whole batch as one; refuse another length."""
        if self.groups is None:
            return self._whole_of(samples)
        if samples is not None and self.groups.samples != samples:
            raise _bad_batch(samples, self.groups.samples)
        return self.groups

    def groups_heard(self) -> tuple[SampleGroups, ...]:
        """Return the groups of each batch that went into the backward pass at hand."""
        return tuple(self._heard) or (self.groups_of(),)

    def _whole_of(self, samples: int | None) -> SampleGroups:
        if samples is not None and (self._whole is None or self._whole.samples != samples):
            self._whole = whole_batch(samples)
        assert self._whole is not None
        return self._whole

    def hears(self, layer: Layer, call: Call) -> bool:
        """Refuse a batch whose length differs from the labels'; say whether to watch this call."""
        if self._is_deaf:
            return False
        self._note_running_pass()
        if not torch.is_grad_enabled():
            return False
        device = next(iter(self._coverage.matrices.values())).parameter.device.type
        if torch.is_autocast_enabled(device):
            self.computed_in = str(torch.get_autocast_dtype(device)).removeprefix("torch.")
        if self._part is None:
            self.groups_of(layer.samples(call, self.samples_dim))
            return True
        expected = self.groups_of().sizes[self._part]
        if self._is_first_call and not may_hold(call, expected):
            raise _bad_batch(len(call.argument(0, "input")), expected)
        self._is_first_call = False
        return self.record.wanted.rows or (self._by_rows and self._may_have_few_rows(layer, call))

    def _may_have_few_rows(self, layer: Layer, call: Call) -> bool:
        if layer.runs_again or not self.record.wanted.gradient:
            return False
        samples = self.groups_of().samples
        return any(min(weight.shape) > samples for weight in layer.weights(call.module).values())

    def begin(self) -> bool:
        """Note that a backward pass is under way; say whether its step is recorded."""
        if not self._handles:  # a graph may outlive the block in which it was built
            return False
        # Inside a backward pass: whether its gradients are to be differentiated again.
        builds_graph = torch.is_grad_enabled()
        if self._part is not None:
            return self.record.wanted.anything and not builds_graph
        if not self._runs_again:
            self._enter_pass(_current_task())
        self._builds_graph = builds_graph
        return self.record.wanted.anything

    def _note_running_pass(self) -> None:
        """Tell a forward pass outside of backward passes from one inside, as for a checkpoint."""
        task = _current_task()
        if task == NO_TASK:
            self.drop_failed_pass()
        elif self._part is None and not self._runs_again:
            self._enter_pass(task)
            # From now on a pass of another number may be one inside this one.
            self._runs_again = True

    def _enter_pass(self, task: int) -> None:
        if task != self._task:
            self.drop_failed_pass()
            self._task = task
            self._note_missing_gradients()
            # Runs when this backward pass has ended, whatever started it, unless it fails.
            torch.autograd.Variable._execution_engine.queue_callback(self._end_own_pass)

    def drop_failed_pass(self) -> None:
        """Forget a backward pass that has begun but never ended, as after an error in it."""
        if self._task != NO_TASK:
            self._drop_pass("failed")

    def _drop_pass(self, why: str) -> None:
        passes, wanted = self.record.passes, self.record.wanted
        if passes:
            log.warning("a backward pass inside one_step %s; its step is not recorded", why)
        self.begin_step(Wanted() if passes else wanted)
        self.record.passes = passes

    def _note_missing_gradients(self) -> None:
        if not self._is_checked:
            matrices = self._coverage.matrices
            self._had_no_gradient = [
                name for name in self._coverage.shown if matrices[name].parameter.grad is None
            ]

    def receive(
        self,
        weight: nn.Parameter,
        activation: Tensor,
        adjoint: Tensor,
        *,
        groups: SampleGroups | None,
        role: str = "",
        is_data: bool = False,
        form: Form = ROWS,
    ) -> None:
        """Take the activation A and the adjoint Δ of one use of a weight, as `Receiver` says.

        Those of a weight that was frozen since recording began are left out. `groups` are those at
        the time of the forward pass.
        """
        if not weight.requires_grad:
            return
        is_data = is_data and activation.dtype == weight.dtype
        a, d = activation.to(weight.dtype), adjoint.to(weight.dtype)
        device = weight.device.type
        # Leaving autocast costs as much as a small product, even where it is off.
        mixed = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if mixed else nullcontext():
            for name in self._shown.get(id(weight), ()):
                matrix = self._coverage.matrices[name]
                if role in ("", matrix.role):
                    takes_part = bool(matrix.role) and not role
                    of_role = d[..., matrix.rows] if takes_part else d
                    self._take(name, Use(a, of_role, form), groups, is_data=is_data)

    def when_pass_ends(self, job: Callable[[], None]) -> None:
        """Run `job` once the backward pass, or that of the group at hand, is over."""
        self._jobs.append(job)

    def _take(self, name: str, use: Use, groups: SampleGroups | None, *, is_data: bool) -> None:
        if self._part is not None:
            self.record.take_part(name, use, self._part, self.groups_of(), is_data=is_data)
            return
        samples = len(use.activation)
        if groups is None:
            groups = self._whole_of(samples)
        elif groups.samples != samples:
            raise _bad_batch(samples, groups.samples)
        elif all(groups is not heard for heard in self._heard):
            self._heard.append(groups)
        in_order = Use(groups.sort(use.activation), groups.sort(use.adjoint), use.form)
        self.record.take(name, in_order, groups, is_data=is_data)

    def _run_jobs(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()

    def _end_own_pass(self) -> None:
        if self._builds_graph and not self._gradients_have_graphs():
            self._drop_pass("gave gradients to differentiate")
            self._is_second_order = True
            return
        self._run_jobs()
        self._task, self._runs_again = NO_TASK, False
        if self._is_second_order:
            self._is_second_order = False
            self.record.forget()
            self._warn_of_second_order()
        elif self.record.wanted.gradient and not self._is_checked:
            self._check_gradients()
        self._end_pass()
        self._heard.clear()

    def _gradients_have_graphs(self) -> bool:
        """Whether a pass that builds a graph was one of training: whether it wrote to ``.grad``."""
        weights = [self._coverage.matrices[name].parameter for name in self._coverage.shown]
        return any(w.grad is not None and w.grad.requires_grad for w in weights)

    def _warn_of_second_order(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "the loss uses gradients (create_graph=True), as in a gradient penalty; hooks do "
                "not show how, so such steps are NaN, but not in spectra.backward by group"
            )

    def _check_gradients(self) -> None:
        """Warn, once, of weights whose gradient is more than what goes through their layer."""
        self._is_checked = True
        squares: dict[nn.Parameter, float] = {}
        for name in self._had_no_gradient:
            weight = self._coverage.matrices[name].parameter
            if weight.grad is not None and not weight._backward_hooks:
                squares[weight] = squares.get(weight, 0.0) + self.record.gradient_norm(name) ** 2
        for weight, square in squares.items():
            assert weight.grad is not None
            norm = float(weight.grad.detach().norm())
            if abs(math.sqrt(square) - norm) > WORTH_A_WARNING * norm:
                log.warning(
                    "%s: what goes through the layer is a gradient of norm %.3g, but .grad has "
                    "norm %.3g; the loss also uses the weight elsewhere (a penalty, a functional "
                    "call), which only spectra.backward records",
                    " and ".join(self._shown[id(weight)]), math.sqrt(square), norm,
                )  # fmt: skip

    def _refuse_to_record_in_pass(self, weight: Tensor) -> None:
        raise BadInputError(
            "GradientSpectra",
            "model",
            found=f"weights that hooks do not show ({self._coverage.only_by_group})",
            expected="at least one weight that can be recorded in the loop's own backward pass",
            remedy="Call spectra.backward(loss_of) in place of loss.backward().",
        )


class _WithGroups:
    """Receives for a listener what one call of a layer shows, under the labels at that time."""

    def __init__(self, listener: PassListener) -> None:
        self.samples_dim, self.begin = listener.samples_dim, listener.begin
        self.when_pass_ends = listener.when_pass_ends
        self.receive = partial(listener.receive, groups=listener.groups)


class _ForwardHook:
    """Has a layer watched; copies and pickles of it, as of its model, do nothing."""

    def __init__(self, layer: Layer | None = None, listener: PassListener | None = None) -> None:
        self._layer, self._listener = layer, listener

    def __call__(
        self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any
    ) -> None:
        if self._layer is None or self._listener is None:
            return
        call = Call(module, inputs, named, output)
        if self._listener.hears(self._layer, call):
            assert self._layer.watch is not None
            self._layer.watch(call, _WithGroups(self._listener))

    def __reduce__(self) -> tuple[type[_ForwardHook], tuple[()]]:
        return _ForwardHook, ()


def _current_task() -> int:
    """Return the number of the backward pass that is running; each has its own."""
    return torch._C._current_graph_task_id()


def _bad_batch(samples: int, labels: int) -> BadInputError:
    return BadInputError(
        "GradientSpectra",
        "groups",
        found=f"{labels} labels",
        expected=f"{samples}, one per sample",
        remedy="Assign this batch's labels to spectra.groups before its forward pass; where time "
        "or tokens come before the samples, say batch_first=False.",
    )
