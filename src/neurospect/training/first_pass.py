"""The first pass of examples through a model: refuse what would go wrong in all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neurospect.errors import BadInputError


class FirstPass:
    """Looks at the first pass through a model, and at no other.

    Parameters
    ----------
    model
        What examples go through.
    where
        For the errors.
    outputs
        "classification" where logits of shape (examples, classes) are expected, "autoencoding"
        where outputs of the inputs' shape are, None where anything is.
    classes
        So many the logits must have at least.
    """

    def __init__(self, model: nn.Module, where: str, outputs: str | None, classes: int = 0) -> None:
        self._model, self._where = model, where
        self._outputs, self._classes = outputs, classes
        # Scripted models take no hooks.
        self._is_over = isinstance(model, torch.jit.ScriptModule)
        self._before: tuple[int, Tensor] | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the first pass in this context, unless there has been one.

        Raises
        ------
        BadInputError
            When the model overwrites its inputs, which are then as they were before, or does not
            return what is expected.
        """
        if self._is_over:
            yield
            return
        handles = (
            self._model.register_forward_pre_hook(self._take),
            self._model.register_forward_hook(self._compare),
        )
        try:
            yield
        finally:
            self._before = None
            for handle in handles:
                handle.remove()

    def _take(self, _: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs = arguments[0] if arguments else None
        if not self._is_over and isinstance(inputs, Tensor) and not inputs.is_inference():
            self._before = inputs._version, inputs.detach().clone()

    def _compare(self, _: nn.Module, arguments: tuple[Any, ...], outputs: object) -> None:
        inputs = arguments[0] if arguments else None
        if self._is_over or not isinstance(inputs, Tensor):
            return
        self._is_over = True
        before, self._before = self._before, None
        if before is not None and inputs._version != before[0]:
            with torch.no_grad():
                inputs.copy_(before[1])
            raise BadInputError(
                self._where,
                "model",
                found="a first operation that overwrites the inputs",
                expected="inputs that are left as they are",
                remedy="Give that layer inplace=False, or write x = x - y for x -= y.",
            )
        self._check_outputs(outputs, inputs)

    def _check_outputs(self, outputs: object, inputs: Tensor) -> None:
        is_tensor = isinstance(outputs, Tensor)
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else ()
        if self._outputs == "autoencoding" and not (is_tensor and shape == tuple(inputs.shape)):
            expected = f"a tensor of the inputs' shape, {tuple(inputs.shape)}"
        elif self._outputs == "classification" and not (
            is_tensor and len(shape) == 2 and shape[0] == len(inputs) and shape[1] >= self._classes
        ):
            least = f", {self._classes} or more" if self._classes else ""
            expected = f"logits, a tensor of shape (examples, classes){least}: ({len(inputs)}, ...)"
        else:
            return
        found = f"of shape {shape}" if is_tensor else f"that are a {type(outputs).__name__}"
        raise BadInputError(
            self._where,
            "model",
            found=f"outputs {found}",
            expected=expected,
            remedy="Wrap the model in one that returns these alone, or mend the classes.",
        )
