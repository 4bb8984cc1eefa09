"""Layer types whose gradients are taken apart by groups: one small file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from neurospect.spectra.layers.linear import watch_linear

# watch(module, inputs, output, receive): arranges that receive(weight, activation, adjoint,
# is_data=...) is called in the backward pass; its rows are samples, (samples, [...], features).
Watch = Callable[[Any, tuple[Any, ...], Any, Callable[..., None]], None]

WATCHED: dict[type[nn.Module], Watch] = {nn.Linear: watch_linear}
