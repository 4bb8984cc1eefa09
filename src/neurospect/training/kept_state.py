"""What a training keeps between calls: whose it is, where it began, and how far it came."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint
from neurospect.arrays.tensors import tensors_sha256
from neurospect.errors import BadInputError

log = logging.getLogger(__name__)

# Of models whose training ended or was interrupted: digests of what it began with, and came to.
_BEGAN: WeakKeyDictionary[nn.Module, tuple[str, str]] = WeakKeyDictionary()


class Resumable(Protocol):
    """Something that grows during training and must survive an interruption."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from them."""


class KeptState:
    """The state of a training in a file, from before its first epoch on.

    Parameters
    ----------
    checkpoint
        The file.
    whose
        Entries that tell whose it is; a checkpoint with others is not used.
    resumables
        What the state is of, by name.
    model
        Where the file has to be of a training that began with the weights of this model too.
    """

    def __init__(
        self,
        checkpoint: Path,
        whose: Mapping[str, Any],
        resumables: Mapping[str, Resumable],
        model: nn.Module | None,
    ) -> None:
        self._checkpoint, self._whose = checkpoint, whose
        self._resumables, self._model = resumables, model
        self._start = "" if model is None else _digest_of(model.state_dict())

    def resume(self, epochs: int) -> list[list[float]]:
        """Go on from the file, or write the state of now as that before the first epoch.

        Parameters
        ----------
        epochs
            All of the training, for the log.

        Returns
        -------
        list
            One row per epoch that is done.

        Raises
        ------
        BadInputError
            When the file cannot be read, does not fit, or is of the same training of a model with
            other initial weights.
        """
        content = own_checkpoint(self._checkpoint, self._whose)
        if content is None or not self._shares_start(content):
            self.write([])
            return []
        try:
            for key, resumable in self._resumables.items():
                resumable.load_state_dict(content["states"][key])
            history: list[list[float]] = content["history"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BadInputError(
                self._checkpoint,
                "checkpoint",
                found=f"a state that does not fit ({type(error).__name__}: {error})",
                expected="the state of this training",
                remedy="Delete it: the training then starts anew.",
            ) from error
        log.info("going on from %s, after epoch %d of %d", self._checkpoint, len(history), epochs)
        return history

    def write(self, history: list[list[float]]) -> None:
        """Write the state after as many epochs as the history has rows."""
        states = {key: value.state_dict() for key, value in self._resumables.items()}
        content = {"start": self._start, "history": history, "states": states}
        write_checkpoint(self._checkpoint, {**self._whose, **content})

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Remember behind the context, where the model holds other weights, what it began with."""
        try:
            yield
        finally:
            if self._model is not None:
                _BEGAN[self._model] = (self._start, _digest_of(self._model.state_dict()))

    def _shares_start(self, content: Mapping[str, Any]) -> bool:
        """Take over where a file's training began, if the model began there or came to its state.

        If not, and the file holds no epoch, nothing is lost by starting anew.
        """
        if self._model is None:
            return True
        kept, now = str(content.get("start")), self._start
        came_here = (kept, now) == _BEGAN.get(self._model)
        state = content.get("states", {}).get("model", {})
        if kept == now or came_here or _digest_of(state) == now:
            self._start = kept
            return True
        if content.get("history") == []:
            log.warning("%s began with other initial weights: starting anew", self._checkpoint)
            return False
        raise BadInputError(
            self._checkpoint,
            "start",
            found="the same training of a model with other initial weights",
            expected="a checkpoint of the training of this model",
            remedy="Name another file for the training of each model, or delete it to train this "
            'model anew. To go on from it instead, load its ["states"]["model"] into the model '
            "first.",
        )


def _digest_of(state: Mapping[str, object]) -> str:
    return tensors_sha256(*(value for value in state.values() if isinstance(value, Tensor)))
