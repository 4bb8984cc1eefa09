"""Recurrent networks over time courses: Elman, LSTM and GRU.

Lengths of padded sequences are not known to the model, so no step is read as the last one: a
classifier reads the mean of the states over time, and an auto-encoder rebuilds each step from the
state at that step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from neurospect.models.activations import activation_layer
from neurospect.models.checks import Shape, Task, check_truth, check_widths
from neurospect.models.time_courses import features_of, outputs_of_steps

Cell = Literal["elman", "lstm", "gru"]


class ElmanLayer(nn.Module):
    """States h(t) = f(W x(t) + b + U h(t−1)), from h = 0 before the first step.

    W and U are linear layers of their own, so that any activation f serves, the logistic one of
    Elman (1990) included, and each matrix has a name.

    Parameters
    ----------
    inputs, width
        Sizes of x and of h.
    activation
        f, by name.
    """

    def __init__(self, inputs: int, width: int, activation: str) -> None:
        super().__init__()
        self.input_to_hidden = nn.Linear(inputs, width)
        self.hidden_to_hidden = nn.Linear(width, width, bias=False)
        self.activation = activation_layer(activation)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map (samples, time, inputs) to states, (samples, time, width)."""
        driven = self.input_to_hidden(sequences)
        state = torch.zeros_like(driven[:, 0])
        states = []
        for step in driven.unbind(1):
            state = self.activation(step + self.hidden_to_hidden(state))
            states.append(state)
        return torch.stack(states, 1)


class ElmanLayerBothWays(nn.Module):
    """One Elman layer along time and one against it, their states side by side."""

    def __init__(self, inputs: int, width: int, activation: str) -> None:
        super().__init__()
        self.along = ElmanLayer(inputs, width, activation)
        self.against = ElmanLayer(inputs, width, activation)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map (samples, time, inputs) to states, (samples, time, 2 × width)."""
        return torch.cat([self.along(sequences), self.against(sequences.flip(1)).flip(1)], -1)


class GatedLayer(nn.Module):
    """PyTorch's LSTM or GRU, and an activation of what its states hand on."""

    def __init__(self, cell: nn.LSTM | nn.GRU, activation: str) -> None:
        super().__init__()
        self.cell = cell
        self.activation = activation_layer(activation)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map (samples, time, inputs) to states, (samples, time, width of all directions)."""
        states: Tensor = self.activation(self.cell(sequences)[0])
        return states


class RecurrentNetwork(nn.Module):
    """Layers over time and a linear readout.

    Parameters
    ----------
    task
        "autoencoding" or "classification".
    layers
        In order; each maps (samples, time, inputs) to (samples, time, states).
    features, states, outputs
        Sizes of a step, of the last layer's states, and of what is read from them.
    """

    def __init__(
        self, task: Task, layers: Sequence[nn.Module], *, features: int, states: int, outputs: int
    ) -> None:
        super().__init__()
        self.task, self.features = task, features
        self.layers = nn.Sequential(*layers)
        self.readout = nn.Linear(states, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (samples, time[, features]) to logits, or to inputs rebuilt."""
        states = self.layers(inputs.reshape(*inputs.shape[:2], self.features))
        return outputs_of_steps(self.task, self.readout, states, inputs.shape)


def recurrent(
    cell: Cell,
    task: Task,
    input_shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (32,),
    activation: str = "identity",
    bidirectional: bool = False,
) -> RecurrentNetwork:
    """Recurrent layer upon recurrent layer, with a linear readout.

    Parameters
    ----------
    cell
        "elman", "lstm" or "gru".
    task
        Auto-encoding rebuilds every step of the input from the states at that step;
        classification reads the mean of the states over time.
    input_shape
        (time, features), or (time,) for one signal.
    classes
        Classes to tell apart.
    widths
        Size of the state of each layer.
    activation
        Of the states themselves in Elman's network; LSTM and GRU have their own inside, and this
        one stands behind each layer. A key of `neurospect.models.activations.ACTIVATIONS`.
    bidirectional
        Run each layer in both directions of time, with states of their own.

    Returns
    -------
    RecurrentNetwork
        Maps (samples, *input_shape) to (samples, classes) or back to (samples, *input_shape).

    Raises
    ------
    BadInputError
        When a setting does not hold what it should.
    """
    check_widths(widths)
    check_truth(bidirectional=bidirectional)
    features = features_of(input_shape)
    sizes = [features, *((1 + bidirectional) * width for width in widths)]
    layers = [
        _layer(cell, inputs, width, activation, bidirectional)
        for inputs, width in zip(sizes[:-1], widths, strict=True)
    ]
    outputs = features if task == "autoencoding" else classes
    return RecurrentNetwork(task, layers, features=features, states=sizes[-1], outputs=outputs)


def _layer(cell: Cell, inputs: int, width: int, activation: str, bidirectional: bool) -> nn.Module:
    if cell == "elman":
        return (ElmanLayerBothWays if bidirectional else ElmanLayer)(inputs, width, activation)
    kind = nn.LSTM if cell == "lstm" else nn.GRU
    return GatedLayer(
        kind(inputs, width, batch_first=True, bidirectional=bidirectional), activation
    )
