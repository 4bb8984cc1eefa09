"""Training mode and rest, for a while: each layer is then in the mode in which it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Put all layers at rest (`eval`), while the context lasts."""
    with _modes_kept(model):
        model.eval()
        yield


@contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """Put a model that is at rest into training mode with all its layers, while the context lasts.

    Of a model that is in training mode already, layers at rest stay so: somebody froze them.
    """
    with _modes_kept(model):
        if not model.training:
            model.train()
        yield


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
