"""Linear layers: z = A Wᵀ + b, applied to the last dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def watch_linear(
    module: nn.Linear,
    inputs: tuple[Any, ...],
    output: Tensor,
    receive: Callable[..., None],
) -> None:
    """Hand the layer's input and its adjoint ∂L/∂z over when the backward pass reaches them."""
    activation, is_data = inputs[0].detach(), not inputs[0].requires_grad

    def reached(adjoint: Tensor) -> None:
        receive(module.weight, activation, adjoint.detach(), is_data=is_data)

    output.register_hook(reached)  # type: ignore[no-untyped-call]
