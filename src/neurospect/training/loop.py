"""The training loop: Adam, progress, checkpoint, resume to the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from torch import Tensor, nn

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
from neurospect.training.checks import check_choice, check_counts, check_positive, plain
from neurospect.training.examples import (
    Examples,
    ExampleSource,
    checked_examples,
    count_classes,
    digest_of_examples,
)
from neurospect.training.first_pass import FirstPass
from neurospect.training.kept_state import KeptState, Resumable
from neurospect.training.modes import at_rest, in_training
from neurospect.training.precision import Precision, computing_in
from neurospect.training.progress import Progress
from neurospect.training.randomness import own_randomness

__all__ = [
    "HISTORY_COLUMNS",
    "ExampleSource",
    "Examples",
    "LossOfBatch",
    "TrainingPlan",
    "TrainingStoppedError",
    "evaluate",
    "of_examples",
    "train",
]

# Times `_SEEDS_APART` it is one that PyTorch's generators take.
LARGEST_SEED = 9 * 10**12
_SEEDS_APART = 1_000_003

HISTORY_COLUMNS = {
    "epoch": "passes over the training split, counted from 1",
    "train_loss": "mean loss of the epoch: squared error (auto-encoding) or cross-entropy in nats",
    "validation_loss": "the same on the validation split, after the epoch",
    "validation_accuracy": "share of the validation split classified right, after the epoch",
}


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
        In epochs; the last epoch counts too.
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

    def __post_init__(self) -> None:
        """Turn numbers of NumPy into Python's own: a checkpoint holds no others."""
        for name, value in list(vars(self).items()):
            object.__setattr__(self, name, plain(value))


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
    loss_name: str = "",
    name: str = "training",
) -> pd.DataFrame:
    """Train `model` in place with Adam.

    Interrupted at any moment and called again with the same arguments and a `checkpoint`, it goes
    on from there and ends with the same bits as an undisturbed run. The global random state is left
    as it was, and so is the mode of each layer, training or at rest.

    Parameters
    ----------
    model
        On the device of `examples`; leaves its inputs as they are, and returns logits, shape
        (samples, classes), or reconstructions. If it is in training mode, those of its layers that
        are at rest (`eval`) stay so; if it is at rest itself, all its layers are trained in
        training mode.
    examples, validation
        What to learn from, and what to look at now and then.
    plan
        How.
    checkpoint
        Where to keep the state between calls, from before the first epoch to the last; removed at
        the end by the caller. One of another identity, plan, loss or of other examples is not used,
        and the log says so.
    identity
        What the training is (a recipe id). Without one, a checkpoint has to be of a training that
        began with this model's weights; the model may hold those, or what an interrupted call
        left.
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
    loss_name
        What `loss_of` is, with its numbers; a checkpoint made with another is not used.
    name
        For the progress lines.

    Returns
    -------
    pandas.DataFrame
        One row per epoch, with `HISTORY_COLUMNS`.

    Raises
    ------
    BadInputError
        Before the first update: when there are no examples, classes are no whole numbers from 0
        on, a value of the plan makes no sense, the checkpoint cannot be read, does not fit the
        model or is of one with other initial weights, a model that normalises over the batch is to
        be trained in micro-batches, or the model overwrites its inputs or returns something else.
    TrainingStoppedError
        When the loss stops being finite; it carries the history up to there.
    """
    _check_plan(plan, name)
    check_counts(name, updates_per_batch=updates_per_batch)
    examples = checked_examples(examples, plan.task, name, "examples")
    if validation is not None:
        validation = checked_examples(validation, plan.task, name, "validation")
    if plan.micro_batch_size is not None:
        refuse_batch_normalisation(model, name)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    resumables: dict[str, Any] = {"model": model, "optimizer": optimizer, **(alongside or {})}
    kept: KeptState | None = None
    if checkpoint is not None:
        whose = {
            "identity": identity,
            "plan": asdict(plan),
            "loss": loss_name,
            "examples": digest_of_examples(examples),
            "validation": "" if validation is None else digest_of_examples(validation),
        }
        began_with = None if identity else model
        kept = KeptState(Path(checkpoint), whose, resumables, began_with)
    history = [] if kept is None else kept.resume(plan.epochs)
    first = len(history)
    backward = backward or partial(backward_by_micro_batches, size=plan.micro_batch_size)
    # A loss of one's own may take what it likes from an auto-encoder.
    expected = plan.task if loss_of is None or plan.task == "classification" else None
    both = [part for part in (examples, validation) if part is not None]
    classes = max(count_classes(part, plan.task) for part in both)
    first_pass = FirstPass(model, name, expected, classes)
    loss_of = loss_of or of_examples(lambda part: _loss(model(part.inputs), part, plan.task))
    within = partial(computing_in, plan.precision, model, examples.classes.device)
    progress = Progress(plan.epochs, name)
    with in_training(model), nullcontext() if kept is None else kept.remembered():
        for epoch in range(first + 1, plan.epochs + 1):
            with own_randomness(examples.classes.device, _seed_of(plan, epoch)):
                loss = _one_epoch(
                    partial(_loss_of_batch, loss_of, within, first_pass),
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
            is_last = epoch == plan.epochs
            if validation is not None and (is_last or epoch % plan.evaluate_every == 0):
                with within():
                    at_once = plan.micro_batch_size or plan.batch_size
                    evaluation = _evaluated(model, validation, plan.task, at_once)
            history.append([loss, *evaluation])
            if kept is not None and (is_last or epoch % plan.checkpoint_every == 0):
                kept.write(history)
            progress.show(epoch, loss, first)
    return _history(history)


def _history(rows: list[list[float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(HISTORY_COLUMNS)[1:], dtype="float64")
    frame.insert(0, "epoch", range(1, len(frame) + 1))
    return frame


def evaluate(
    model: nn.Module, examples: ExampleSource, task: str, batch_size: int | None = None
) -> tuple[float, float]:
    """Loss and accuracy (NaN for auto-encoding) of `model` on `examples`, in batches or at once.

    The model is at rest meanwhile; then each of its layers is in the mode it was in.

    Raises
    ------
    BadInputError
        When the batch size is not a whole number from 1 on, there are no examples, classes are no
        whole numbers from 0 on, or the model overwrites its inputs or returns something else.
    """
    if batch_size is not None:
        check_counts("evaluation", batch_size=batch_size)
    examples = checked_examples(examples, task, "evaluation", "examples")
    first_pass = FirstPass(model, "evaluation", task, count_classes(examples, task))
    with first_pass.watched():
        return _evaluated(model, examples, task, batch_size)


@torch.no_grad()
def _evaluated(
    model: nn.Module, examples: ExampleSource, task: str, batch_size: int | None
) -> tuple[float, float]:
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
        # Else gradients would gather in inputs that ask for them.
        loss_of_rows = loss_of_batch(Examples(part.inputs.detach(), part.classes))
        for _ in range(updates_per_batch):
            optimizer.zero_grad()
            loss = backward(loss_of_rows)
            optimizer.step()
            total += float(loss) * len(part.inputs)
    return total / (len(examples) * updates_per_batch)


def _loss_of_batch(
    loss_of: LossOfBatch,
    within: Callable[[], AbstractContextManager[None]],
    first_pass: FirstPass,
    batch: Examples,
) -> BatchLoss:
    of_rows = loss_of(batch)

    def inside(rows: Rows) -> Tensor:
        with within(), first_pass.watched():
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
    return plan.seed * _SEEDS_APART + epoch


def _loss(outputs: Tensor, examples: Examples, task: str) -> Tensor:
    if task == "autoencoding":
        return nn.functional.mse_loss(outputs, examples.inputs)
    return nn.functional.cross_entropy(outputs, examples.classes)


def _check_plan(plan: TrainingPlan, name: str) -> None:
    check_choice(name, "task", plan.task, get_args(Task))
    check_choice(name, "precision", plan.precision, get_args(Precision))
    check_positive(name, learning_rate=plan.learning_rate)
    is_whole = isinstance(plan.seed, int) and not isinstance(plan.seed, bool)
    if not is_whole or abs(plan.seed) > LARGEST_SEED:
        raise BadInputError(
            name,
            "seed",
            found=repr(plan.seed),
            expected=f"a whole number, no further than {LARGEST_SEED:g} from 0",
            remedy="Mend the number.",
        )
    counts = ("epochs", "batch_size", "micro_batch_size", "evaluate_every", "checkpoint_every")
    for field in counts:
        value = getattr(plan, field)
        if value is not None or field not in ("batch_size", "micro_batch_size"):
            check_counts(name, **{field: value})
