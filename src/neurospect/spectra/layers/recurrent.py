"""Recurrent layers and cells: each gate is a weight of its own."""

from __future__ import annotations

from typing import Any

from torch import nn

from neurospect.spectra.layers.layer import Layer

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


RECURRENT = Layer(roles=gates)
RECURRENT_CELL = Layer(roles=gates)
