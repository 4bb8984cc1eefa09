"""The training loop: Adam, progress, checkpoint, resume to the same bits."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.arrays.checkpoints import read_checkpoint, write_checkpoint
from neurospect.errors import BadInputError

log = logging.getLogger(__name__)

SECONDS_BETWEEN_PROGRESS = 5.0
HISTORY_COLUMNS = {
    "epoch": "passes over the training split, counted from 1",
    "train_loss": "mean loss of the epoch: squared error (auto-encoding) or cross-entropy in nats",
    "validation_loss": "the same on the validation split, after the epoch",
    "validation_accuracy": "share of the validation split classified right, after the epoch",
}


class Resumable(Protocol):
    """Something beside the model that grows during training and must survive an interruption."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from them."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes
    ----------
    task
        "autoencoding" (mean squared error) or "classification" (cross-entropy).
    epochs, learning_rate, batch_size
        Of Adam; batch_size None is the full batch.
    seed
        Of the order of mini-batches.
    evaluate_every, checkpoint_every
        In epochs.
    """

    task: Literal["autoencoding", "classification"]
    epochs: int
    learning_rate: float
    batch_size: int | None = None
    seed: int = 0
    evaluate_every: int = 10
    checkpoint_every: int = 100


@dataclass(frozen=True)
class Examples:
    """Inputs, shape (samples, features), and class indices, shape (samples,)."""

    inputs: Tensor
    classes: Tensor

    def to(self, device: torch.device) -> Examples:
        """Move both to a device."""
        return Examples(self.inputs.to(device), self.classes.to(device))


@dataclass
class _Progress:
    epochs: int
    name: str
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def show(self, epoch: int, loss: float, first: int) -> None:
        now = time.monotonic()
        if now - self.shown < SECONDS_BETWEEN_PROGRESS and epoch < self.epochs:
            return
        self.shown = now
        left = (now - self.started) / (epoch - first) * (self.epochs - epoch)
        log.info(
            "%s: epoch %d of %d, loss %.6g, about %.0f s left",
            self.name, epoch, self.epochs, loss, left,
        )  # fmt: skip


def train(
    model: nn.Module,
    examples: Examples,
    plan: TrainingPlan,
    *,
    validation: Examples | None = None,
    checkpoint: str | Path | None = None,
    identity: str = "",
    alongside: Mapping[str, Resumable] | None = None,
    before_batch: Callable[[Tensor], None] | None = None,
    name: str = "training",
) -> pd.DataFrame:
    """Train `model` in place with Adam.

    Interrupted at any moment and called again with the same arguments, it goes on from the last
    checkpoint and ends with the same bits as an undisturbed run.

    Parameters
    ----------
    model
        On the device of `examples`.
    examples, validation
        What to learn from, and what to look at now and then.
    plan
        How.
    checkpoint
        Where to keep the state between calls; removed at the end by the caller.
    identity
        What the training is (a recipe id); a checkpoint of another identity is not used.
    alongside
        States to keep in the checkpoint together with the model, by name.
    before_batch
        Called with the indices of each mini-batch before its forward pass.
    name
        For the progress lines.

    Returns
    -------
    pandas.DataFrame
        One row per epoch, with `HISTORY_COLUMNS`.

    Raises
    ------
    BadInputError
        When the loss stops being finite, or the checkpoint cannot be read.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    resumables: dict[str, Any] = {"model": model, "optimizer": optimizer, **(alongside or {})}
    history: list[list[float]] = []
    if checkpoint is not None:
        history = _resume(Path(checkpoint), identity, resumables)
    first = len(history)
    progress = _Progress(plan.epochs, name)
    for epoch in range(first + 1, plan.epochs + 1):
        loss = _one_epoch(model, optimizer, examples, plan, epoch, before_batch)
        if not math.isfinite(loss):
            raise BadInputError(
                name,
                f"loss at epoch {epoch}",
                found=loss,
                expected="a finite number",
                remedy="Look at the scale of the data, or lower the learning rate.",
            )
        evaluation = (math.nan, math.nan)
        if validation is not None and (epoch % plan.evaluate_every == 0 or epoch == plan.epochs):
            evaluation = evaluate(model, validation, plan.task)
        history.append([loss, *evaluation])
        if checkpoint is not None and epoch % plan.checkpoint_every == 0:
            states = {key: value.state_dict() for key, value in resumables.items()}
            write_checkpoint(
                checkpoint, {"identity": identity, "history": history, "states": states}
            )
        progress.show(epoch, loss, first)
    columns = list(HISTORY_COLUMNS)[1:]
    frame = pd.DataFrame(history, columns=columns)
    frame.insert(0, "epoch", range(1, len(frame) + 1))
    return frame


@torch.no_grad()
def evaluate(model: nn.Module, examples: Examples, task: str) -> tuple[float, float]:
    """Loss and accuracy (NaN for auto-encoding) of `model` on `examples`."""
    was_training = model.training
    model.eval()
    outputs = model(examples.inputs)
    model.train(was_training)
    loss = float(_loss(outputs, examples, task))
    if task == "autoencoding":
        return loss, math.nan
    return loss, float((outputs.argmax(1) == examples.classes).double().mean())


def _one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    examples: Examples,
    plan: TrainingPlan,
    epoch: int,
    before_batch: Callable[[Tensor], None] | None,
) -> float:
    total, samples = 0.0, len(examples.inputs)
    for batch in _batches(samples, plan, epoch):
        part = examples
        if batch is not None:
            if before_batch is not None:
                before_batch(batch)
            index = batch.to(examples.inputs.device)
            part = Examples(examples.inputs[index], examples.classes[index])
        optimizer.zero_grad()
        loss = _loss(model(part.inputs), part, plan.task)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(part.inputs)
    return total / samples


def _batches(samples: int, plan: TrainingPlan, epoch: int) -> list[Tensor | None]:
    """Indices of each mini-batch; None stands for all samples in their own order."""
    if plan.batch_size is None or plan.batch_size >= samples:
        return [None]
    # Seeded by epoch, so that a resumed training draws as an undisturbed one does.
    generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + epoch)
    return list(torch.randperm(samples, generator=generator).split(plan.batch_size))


def _loss(outputs: Tensor, examples: Examples, task: str) -> Tensor:
    if task == "autoencoding":
        return nn.functional.mse_loss(outputs, examples.inputs)
    return nn.functional.cross_entropy(outputs, examples.classes)


def _resume(
    checkpoint: Path, identity: str, resumables: Mapping[str, Any]
) -> list[list[float]]:
    if not checkpoint.exists():
        return []
    content = read_checkpoint(checkpoint)
    if content.get("identity") != identity:
        log.info("%s belongs to another recipe: starting anew", checkpoint)
        return []
    for key, resumable in resumables.items():
        resumable.load_state_dict(content["states"][key])
    history: list[list[float]] = content["history"]
    log.info("going on from %s, after epoch %d", checkpoint, len(history))
    return history
