"""The training loop: Adam, progress, checkpoint, resume to the same bits."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, get_args

import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint
from neurospect.errors import BadInputError
from neurospect.models.checks import Task
from neurospect.training.backward import (
    Backward,
    BatchLoss,
    LossOf,
    Rows,
    backward_by_micro_batches,
    refuse_batch_normalisation,
)
from neurospect.training.checks import check_choice, check_counts, check_positive
from neurospect.training.modes import at_rest, in_training
from neurospect.training.precision import Precision, computing_in
from neurospect.training.progress import Progress
from neurospect.training.randomness import own_randomness

log = logging.getLogger(__name__)

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


class TrainingStoppedError(BadInputError):
    """The loss is no longer a finite number; what was done before is not lost.

    Attributes
    ----------
    history
        The epochs before, with `HISTORY_COLUMNS`.
    kept
        What else was recorded up to the end, if somebody put it there.
    """

    def __init__(self, name: str, epoch: int, loss: float, history: pd.DataFrame) -> None:
        self.history = history
        self.kept: Any = None
        super().__init__(
            name,
            f"loss at epoch {epoch}",
            found=loss,
            expected="a finite number",
            remedy="Look at the scale of the data, or lower the learning rate.",
        )


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes
    ----------
    task
        "autoencoding" (mean squared error) or "classification" (cross-entropy).
    epochs, learning_rate, batch_size
        Of Adam; batch_size None is the full batch.
    micro_batch_size
        So many samples of a mini-batch go through the model at once, and their gradients are
        accumulated until all have; None for all at once. Takes less memory.
    seed
        Of the order of mini-batches, and of what the model draws itself (dropout).
    evaluate_every, checkpoint_every
        In epochs.
    precision
        Of the forward passes, as in `neurospect.training.precision.computing_in`.
    """

    task: Task
    epochs: int
    learning_rate: float
    batch_size: int | None = None
    seed: int = 0
    evaluate_every: int = 10
    checkpoint_every: int = 100
    precision: Precision = "float32"
    micro_batch_size: int | None = None


@dataclass(frozen=True)
class Examples:
    """Inputs, shape (samples, features), and class indices, shape (samples,)."""

    inputs: Tensor
    classes: Tensor

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.inputs)

    def to(self, device: torch.device) -> Examples:
        """Move both to a device."""
        return Examples(self.inputs.to(device), self.classes.to(device))

    def rows(self, rows: Rows) -> Examples:
        """Choose some of the samples; a slice is not copied."""
        return Examples(self.inputs[rows], self.classes[rows])


class ExampleSource(Protocol):
    """What a training learns from: `Examples`, or what reads them batch by batch."""

    @property
    def classes(self) -> Tensor:
        """Class indices, shape (samples,), on the device that inputs come to."""

    def __len__(self) -> int:
        """Count the samples."""

    def rows(self, rows: Rows) -> Examples:
        """Give some of the samples."""


# From a mini-batch, before its first update, to the mean loss of rows of it.
LossOfBatch = Callable[[Examples], LossOf]


def of_examples(loss: Callable[[Examples], Tensor]) -> LossOfBatch:
    """Loss of a mini-batch, where the mean loss of examples depends on these alone."""
    return lambda batch: lambda rows: loss(batch.rows(rows))


def train(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    *,
    validation: ExampleSource | None = None,
    checkpoint: str | Path | None = None,
    identity: str = "",
    alongside: Mapping[str, Resumable] | None = None,
    before_batch: Callable[[Tensor], None] | None = None,
    backward: Backward | None = None,
    updates_per_batch: int = 1,
    loss_of: LossOfBatch | None = None,
    name: str = "training",
) -> pd.DataFrame:
    """Train `model` in place with Adam.

    Interrupted at any moment and called again with the same arguments, it goes on from the last
    checkpoint and ends with the same bits as an undisturbed run. The global random state is left as
    it was, and so is the mode of each layer, training or at rest.

    Parameters
    ----------
    model
        On the device of `examples`. If it is in training mode, those of its layers that are at rest
        (`eval`) stay so; if it is at rest itself, all its layers are trained in training mode.
    examples, validation
        What to learn from, and what to look at now and then.
    plan
        How.
    checkpoint
        Where to keep the state between calls; removed at the end by the caller.
    identity
        What the training is (a recipe id); a checkpoint of another identity or plan is not used.
    alongside
        States to keep in the checkpoint together with the model, by name.
    before_batch
        Called with the indices of each mini-batch before its forward pass.
    backward
        Given the mean loss as a function of rows of the batch, sets the gradients and returns the
        loss. By default, by the micro-batches of the plan; one of your own chooses its rows itself.
    updates_per_batch
        Updates of the parameters with each mini-batch before the next, each after a call of
        `backward`.
    loss_of
        From a mini-batch to the mean loss of rows of it, in place of the task's own; called once
        for each mini-batch.
    name
        For the progress lines.

    Returns
    -------
    pandas.DataFrame
        One row per epoch, with `HISTORY_COLUMNS`.

    Raises
    ------
    BadInputError
        When there are no examples, a value of the plan makes no sense, the checkpoint cannot be
        read or does not fit the model, or a model that normalises over the batch is to be trained
        in micro-batches.
    TrainingStoppedError
        When the loss stops being finite; it carries the history up to there.
    """
    _check_examples(examples, name)
    _check_plan(plan, name)
    check_counts(name, updates_per_batch=updates_per_batch)
    if plan.micro_batch_size is not None:
        refuse_batch_normalisation(model, name)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    whose = {"identity": identity, "plan": asdict(plan)}
    resumables: dict[str, Any] = {"model": model, "optimizer": optimizer, **(alongside or {})}
    history: list[list[float]] = []
    if checkpoint is not None:
        history = _resume(Path(checkpoint), whose, resumables)
    first = len(history)
    backward = backward or partial(backward_by_micro_batches, size=plan.micro_batch_size)
    loss_of = loss_of or of_examples(lambda part: _loss(model(part.inputs), part, plan.task))
    within = partial(computing_in, plan.precision, model, examples.classes.device)
    progress = Progress(plan.epochs, name)
    with in_training(model):
        for epoch in range(first + 1, plan.epochs + 1):
            with own_randomness(examples.classes.device, _seed_of(plan, epoch)):
                loss = _one_epoch(
                    partial(_loss_of_batch, loss_of, within),
                    optimizer,
                    examples,
                    _batches(len(examples), plan, epoch),
                    before_batch,
                    backward,
                    updates_per_batch,
                )
            if not math.isfinite(loss):
                raise TrainingStoppedError(name, epoch, loss, _history(history))
            evaluation = (math.nan, math.nan)
            due = epoch % plan.evaluate_every == 0 or epoch == plan.epochs
            if validation is not None and due:
                with within():
                    at_once = plan.micro_batch_size or plan.batch_size
                    evaluation = evaluate(model, validation, plan.task, at_once)
            history.append([loss, *evaluation])
            if checkpoint is not None and epoch % plan.checkpoint_every == 0:
                states = {key: value.state_dict() for key, value in resumables.items()}
                write_checkpoint(checkpoint, {**whose, "history": history, "states": states})
            progress.show(epoch, loss, first)
    return _history(history)


def _history(rows: list[list[float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(HISTORY_COLUMNS)[1:], dtype="float64")
    frame.insert(0, "epoch", range(1, len(frame) + 1))
    return frame


@torch.no_grad()
def evaluate(
    model: nn.Module, examples: ExampleSource, task: str, batch_size: int | None = None
) -> tuple[float, float]:
    """Loss and accuracy (NaN for auto-encoding) of `model` on `examples`, in batches or at once.

    The model is at rest meanwhile; then each of its layers is in the mode it was in.

    Raises
    ------
    BadInputError
        When the batch size is not a whole number from 1 on.
    """
    if batch_size is not None:
        check_counts("evaluation", batch_size=batch_size)
    loss, right = 0.0, 0
    with at_rest(model):
        for start in range(0, len(examples), batch_size or len(examples)):
            part = examples.rows(slice(start, start + (batch_size or len(examples))))
            outputs = model(part.inputs)
            loss += float(_loss(outputs, part, task)) * len(part) / len(examples)
            if task != "autoencoding":
                right += int((outputs.argmax(1) == part.classes).sum())
    return loss, math.nan if task == "autoencoding" else right / len(examples)


def _one_epoch(
    loss_of_batch: Callable[[Examples], BatchLoss],
    optimizer: torch.optim.Optimizer,
    examples: ExampleSource,
    batches: Sequence[Tensor | None],
    before_batch: Callable[[Tensor], None] | None,
    backward: Backward,
    updates_per_batch: int,
) -> float:
    total = 0.0
    for batch in batches:
        if batch is None:
            part = examples.rows(slice(None))
        else:
            if before_batch is not None:
                before_batch(batch)
            part = examples.rows(batch.to(examples.classes.device))
        loss_of_rows = loss_of_batch(part)
        for _ in range(updates_per_batch):
            optimizer.zero_grad()
            loss = backward(loss_of_rows)
            optimizer.step()
            total += float(loss) * len(part.inputs)
    return total / (len(examples) * updates_per_batch)


def _loss_of_batch(
    loss_of: LossOfBatch, within: Callable[[], AbstractContextManager[None]], batch: Examples
) -> BatchLoss:
    of_rows = loss_of(batch)

    def inside(rows: Rows) -> Tensor:
        with within():
            return of_rows(rows)

    return BatchLoss(inside, len(batch))


def _batches(samples: int, plan: TrainingPlan, epoch: int) -> list[Tensor | None]:
    """Draw the indices of each mini-batch; None stands for all samples in their own order."""
    if plan.batch_size is None or plan.batch_size >= samples:
        return [None]
    generator = torch.Generator().manual_seed(_seed_of(plan, epoch))
    order = torch.randperm(samples, generator=generator)
    return list(torch.split(order, int(plan.batch_size)))


def _seed_of(plan: TrainingPlan, epoch: int) -> int:
    """One seed per epoch, so that a resumed training draws as an undisturbed one does."""
    return plan.seed * 1_000_003 + epoch


def _loss(outputs: Tensor, examples: Examples, task: str) -> Tensor:
    if task == "autoencoding":
        return nn.functional.mse_loss(outputs, examples.inputs)
    return nn.functional.cross_entropy(outputs, examples.classes)


def _check_examples(examples: ExampleSource, name: str) -> None:
    if not len(examples) or len(examples) != len(examples.classes):
        raise BadInputError(
            name,
            "examples",
            found=f"{len(examples)} inputs and {len(examples.classes)} classes",
            expected="at least one example, each with its class",
            remedy="Enlarge the training split, or give one class per example.",
        )


def _check_plan(plan: TrainingPlan, name: str) -> None:
    check_choice(name, "task", plan.task, get_args(Task))
    check_choice(name, "precision", plan.precision, get_args(Precision))
    check_positive(name, learning_rate=plan.learning_rate)
    counts = ("epochs", "batch_size", "micro_batch_size", "evaluate_every", "checkpoint_every")
    for field in counts:
        value = getattr(plan, field)
        if value is not None or field not in ("batch_size", "micro_batch_size"):
            check_counts(name, **{field: value})


def _resume(
    checkpoint: Path, whose: Mapping[str, Any], resumables: Mapping[str, Any]
) -> list[list[float]]:
    content = own_checkpoint(checkpoint, whose)
    if content is None:
        return []
    try:
        for key, resumable in resumables.items():
            resumable.load_state_dict(content["states"][key])
        history: list[list[float]] = content["history"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            checkpoint,
            "checkpoint",
            found=f"a state that does not fit ({type(error).__name__}: {error})",
            expected="the state of this training",
            remedy="Delete it: the training then starts anew.",
        ) from error
    log.info("going on from %s, after epoch %d", checkpoint, len(history))
    return history
