"""Recurrent layers and cells: each gate is a weight of its own.

PyTorch's kernels show neither the states inside nor their adjoints. Once the backward pass is over,
a watched layer runs again, beside the training: its inputs are projected outside, z = x W_ihᵀ + b,
and go into the kernel through input weights that pick them out unchanged, so that the derivative
by z is the adjoint of every gate at every time step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from neurospect.spectra.layers.layer import Call, Layer, Receiver, watch_outputs

# In the order in which PyTorch stacks them.
LSTM_GATES = ("input", "forget", "cell", "output")
GRU_GATES = ("reset", "update", "new")


def gates(module: Any, name: str) -> tuple[str, ...]:
    """Name the gates of an LSTM's or GRU's weight; an LSTM's projection and an RNN have none."""
    if not name.startswith(("weight_ih", "weight_hh")):
        return ()
    if isinstance(module, (nn.LSTM, nn.LSTMCell)):
        return LSTM_GATES
    return GRU_GATES if isinstance(module, (nn.GRU, nn.GRUCell)) else ()


def watch_recurrent(call: Call, receiver: Receiver) -> None:
    """Hand over, gate by gate, inputs and previous states with their adjoints, (samples, time, ·).

    Sequences of unequal length, packed, end in zeros, which add nothing to any product.
    """
    outputs, states = call.output
    shown = outputs.data if isinstance(outputs, PackedSequence) else outputs
    last = states if isinstance(states, tuple) else (states,)
    sequences = _Sequences.of(call)

    def show(gradients: Sequence[Tensor | None]) -> None:
        # Without cuDNN, which would ask for the weights in one piece of memory.
        with torch.backends.cudnn.flags(enabled=False):
            _show(call.module, sequences, gradients, receiver)

    watch_outputs((shown, *last), receiver, show)


@dataclass(frozen=True)
class _Sequences:
    """Inputs as the kernels take them, time first (or packed), and initial states or none."""

    inputs: Tensor
    initial: tuple[Tensor, ...] | None
    packed: PackedSequence | None
    has_batch: bool
    is_batch_first: bool
    is_data: bool

    @classmethod
    def of(cls, call: Call) -> _Sequences:
        given, initial = call.argument(0, "input"), call.argument(1, "hx")
        packed = given if isinstance(given, PackedSequence) else None
        inputs: Tensor = given if packed is None else packed.data
        has_batch = packed is not None or inputs.ndim > 2
        is_batch_first = call.module.batch_first and packed is None and has_batch
        states = None
        if initial is not None:
            states = tuple(s.detach() for s in (initial if type(initial) is tuple else (initial,)))
            states = states if has_batch else tuple(state[:, None] for state in states)
        is_data = packed is None and has_batch and not inputs.requires_grad
        return cls(inputs.detach(), states, packed, has_batch, is_batch_first, is_data)

    def time_first(self, values: Tensor) -> Tensor:
        """Order inputs or outputs of the layer as the kernels take them."""
        if not self.has_batch:
            return values[:, None]
        return values.transpose(0, 1) if self.is_batch_first else values

    def samples_first(self, values: Tensor) -> Tensor:
        """Order what the kernels give as (samples, time, ·), padded with zeros."""
        if self.packed is None:
            return values.transpose(0, 1)
        padded, _ = pad_packed_sequence(self.packed._replace(data=values), batch_first=True)
        return padded

    def in_kernel_order(self, states: Tensor) -> Tensor:
        """Order states, (layers, samples, ·), as packed sequences are: longest first."""
        if not self.has_batch and states.ndim == 2:
            states = states[:, None]
        order = None if self.packed is None else self.packed.sorted_indices
        return states if order is None else states.index_select(1, order)

    def lengths(self) -> Tensor:
        """Time steps of each sample."""
        if self.packed is None:
            inputs = self.time_first(self.inputs)
            return torch.full((inputs.shape[1],), inputs.shape[0], device=inputs.device)
        return self.samples_first(torch.ones_like(self.packed.data[:, :1])).sum((1, 2)).long()


@dataclass(frozen=True)
class _LayerRun:
    """One layer, run again: inputs, what they drive the gates with, and the states given out."""

    inputs: Tensor
    driven: Tensor
    outputs: Tensor
    last: tuple[Tensor, ...]


def _show(
    module: Any, sequences: _Sequences, gradients: Sequence[Tensor | None], receiver: Receiver
) -> None:
    dtype = module.weight_ih_l0.dtype
    initial = _initial_states(module, sequences, dtype)
    runs: list[_LayerRun] = []
    inputs = sequences.time_first(sequences.inputs).to(dtype)
    for layer in range(module.num_layers):
        runs.append(_run_layer(module, layer, inputs, sequences, initial))
        inputs = runs[-1].outputs
    of_outputs, of_states = gradients[0], gradients[1:]
    directions = 2 if module.bidirectional else 1
    pairs = [] if of_outputs is None else [(inputs, sequences.time_first(of_outputs))]
    for place, of_state in enumerate(of_states):
        if of_state is not None:
            by_layer = torch.split(sequences.in_kernel_order(of_state), directions)
            pairs += [(run.last[place], part) for run, part in zip(runs, by_layer, strict=True)]
    adjoints = torch.autograd.grad(
        [value for value, _ in pairs],
        [run.driven for run in runs],
        [gradient.to(dtype) for _, gradient in pairs],
        allow_unused=True,
    )
    for layer, (run, adjoint) in enumerate(zip(runs, adjoints, strict=True)):
        if adjoint is not None:  # else the loss does not depend on this layer
            _show_layer(module, layer, run, adjoint, sequences, initial, receiver)


def _initial_states(module: Any, sequences: _Sequences, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the initial states, (layers · directions, samples, width), zeros by default."""
    if sequences.initial is not None:
        return tuple(state.to(dtype) for state in sequences.initial)
    layers = module.num_layers * (2 if module.bidirectional else 1)
    weight = module.weight_hh_l0
    zeros = weight.new_zeros(layers, len(sequences.lengths()), weight.shape[1])
    return (zeros, zeros) if module.mode == "LSTM" else (zeros,)


def _run_layer(
    module: Any, layer: int, inputs: Tensor, sequences: _Sequences, initial: Sequence[Tensor]
) -> _LayerRun:
    parts = [_weights(module, layer, suffix) for suffix in _suffixes(module)]
    driven = torch.cat([linear(inputs, part[0], part[2]) for part in parts], -1)
    if not layer:
        driven = driven.detach().requires_grad_()
    height = driven.shape[-1] // len(parts)
    same = torch.eye(driven.shape[-1], dtype=driven.dtype, device=driven.device)
    weights = []
    for (_, to_hidden, _, hidden_bias), pick in zip(parts, torch.split(same, height), strict=True):
        weights += [pick, to_hidden]
        if hidden_bias is not None:
            weights += [torch.zeros_like(hidden_bias), hidden_bias]
    span = slice(layer * len(parts), (layer + 1) * len(parts))
    states = [sequences.in_kernel_order(state)[span].contiguous() for state in initial]
    kernel = getattr(torch, module.mode.lower())
    rows = (driven,) if sequences.packed is None else (driven, sequences.packed.batch_sizes)
    options = (weights, module.bias, 1, 0.0, True, module.bidirectional)
    layout = () if sequences.packed is not None else (False,)
    outputs, *last = kernel(*rows, states if len(states) > 1 else states[0], *options, *layout)
    return _LayerRun(inputs.detach(), driven, outputs, tuple(last))


def _show_layer(
    module: Any, layer: int, run: _LayerRun, adjoint: Tensor,
    sequences: _Sequences, initial: Sequence[Tensor], receiver: Receiver,
) -> None:  # fmt: skip
    suffixes = _suffixes(module)
    is_data = sequences.is_data and not layer
    inputs = sequences.samples_first(run.inputs)
    parts = [
        sequences.samples_first(values).chunk(len(suffixes), -1)
        for values in (adjoint, run.driven.detach(), run.outputs.detach())
    ]
    for place, (suffix, d, driven, states) in enumerate(zip(suffixes, *parts, strict=True)):
        start = initial[0][layer * len(suffixes) + place]
        before = _previous_states(states, start, sequences.lengths(), is_reverse=bool(place))
        to_gates, to_hidden, _, hidden_bias = _weights(module, layer, suffix)
        receiver.receive(to_gates, inputs, d, is_data=is_data)
        if module.mode == "GRU":
            d = _hidden_adjoint_of_gru(d, driven, linear(before, to_hidden, hidden_bias))
        receiver.receive(to_hidden, before, d)


def _hidden_adjoint_of_gru(adjoint: Tensor, driven: Tensor, hidden: Tensor) -> Tensor:
    """Scale the new gate's adjoint by the reset gate, which the hidden side passes through."""
    width = adjoint.shape[-1] // len(GRU_GATES)
    reset = torch.sigmoid(driven[..., :width] + hidden[..., :width])
    return torch.cat([adjoint[..., : 2 * width], reset * adjoint[..., 2 * width :]], -1).detach()


def _previous_states(states: Tensor, start: Tensor, lengths: Tensor, *, is_reverse: bool) -> Tensor:
    """States one step earlier (in the layer's own direction), (samples, time, width)."""
    before = torch.zeros_like(states)
    if is_reverse:
        before[:, :-1] = states[:, 1:]
        before[torch.arange(len(lengths), device=lengths.device), lengths - 1] = start
    else:
        before[:, 1:] = states[:, :-1]
        before[:, 0] = start
    steps = torch.arange(states.shape[1], device=lengths.device)
    return before * (steps < lengths[:, None])[..., None]


def _suffixes(module: Any) -> tuple[str, ...]:
    return ("", "_reverse") if module.bidirectional else ("",)


def _weights(module: Any, layer: int, suffix: str) -> tuple[Any, Any, Any, Any]:
    """Input weight, hidden weight and their biases (None without) of one layer and direction."""
    end = f"_l{layer}{suffix}"
    return (
        getattr(module, f"weight_ih{end}"),
        getattr(module, f"weight_hh{end}"),
        getattr(module, f"bias_ih{end}", None),
        getattr(module, f"bias_hh{end}", None),
    )


def _matrices(module: Any) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if name.startswith("weight")}


def _why_unwatched(module: Any) -> str:
    if module.proj_size:
        return "the states behind a projection are not shown by the kernel"
    if module.dropout and module.num_layers > 1:
        return "its dropout would be drawn anew where it runs again"
    return ""


def _samples(call: Call, dim: int) -> int:
    given = call.argument(0, "input")
    if isinstance(given, PackedSequence):
        return int(given.batch_sizes[0])
    return 1 if given.ndim < 3 else given.shape[0 if call.module.batch_first else 1]


RECURRENT = Layer(
    roles=gates,
    watch=watch_recurrent,
    weights=_matrices,
    why_unwatched=_why_unwatched,
    samples=_samples,
)
RECURRENT_CELL = Layer(roles=gates)
