"""Ways of training that make their own loss from the examples of each mini-batch."""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path
from typing import TypedDict

import pandas as pd
from torch import Tensor, nn

from neurospect.errors import BadInputError
from neurospect.models.weights import refuse_weights_made_by_hooks
from neurospect.training.backward import backward_by_micro_batches
from neurospect.training.examples import checked_examples
from neurospect.training.loop import ExampleSource, LossOfBatch, TrainingPlan, train
from neurospect.training.weight_penalty import sum_of_squared_weights

log = logging.getLogger(__name__)


class Keeping(TypedDict, total=False):
    """What every training takes besides: see `neurospect.training.loop.train`."""

    validation: ExampleSource | None
    checkpoint: str | Path | None
    identity: str
    name: str


def train_with_loss(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    loss_of: LossOfBatch,
    *,
    recipe: str,
    epsilon: float | None = None,
    weight_penalty: float = 0.0,
    updates_per_batch: int = 1,
    keeping: Keeping,
) -> pd.DataFrame:
    """Train with a loss of one's own, in the same loop as everything else.

    Parameters
    ----------
    model, examples, plan
        As in `train`; for classification.
    loss_of
        As in `train`; of each micro-batch it is asked once for every update. What it draws at
        random comes from PyTorch's global generators, which `train` seeds anew for each epoch.
    recipe
        What the loss is, with its numbers; a checkpoint made with another is not used.
    epsilon
        Radius of the noise, if there is any: the log says how it compares with the whole input.
    weight_penalty
        Times the sum of the squared weights, is added to the loss; not to the one reported.
    updates_per_batch, keeping
        As in `train`.

    Raises
    ------
    BadInputError
        When the plan is not one of classification, the penalty is negative, or `keeping` has other
        names than `Keeping`, or a weight to be penalised is normalised by a hook; then as in
        `train`.
    """
    # Else a misspelt option of a way of training would be taken for one of these, and left out.
    if unknown := sorted(set(keeping) - Keeping.__optional_keys__):
        known = ", ".join(sorted(Keeping.__optional_keys__))
        expected = f"options of this way of training, or {known}"
        raise _refused("options", ", ".join(unknown), expected, "Mend or leave out the names.")
    if plan.task != "classification":
        raise _refused("task", plan.task, "classification", "Give such a plan.")
    if not 0 <= weight_penalty < float("inf"):
        raise _refused("weight_penalty", weight_penalty, "zero or more", "Mend the number.")
    if weight_penalty:
        refuse_weights_made_by_hooks(model)

    def penalty() -> Tensor:
        return weight_penalty * sum_of_squared_weights(model)

    name = keeping.get("name", "training")
    if epsilon is not None:
        examples = checked_examples(examples, plan.task, name, "examples")
        values = examples.rows(slice(0, 1)).inputs.numel()
        share = epsilon / math.sqrt(values)
        log.info("epsilon is %.3g times the root of the %d values of an example", share, values)
    return train(
        model,
        examples,
        plan,
        loss_of=loss_of,
        backward=partial(
            backward_by_micro_batches,
            size=plan.micro_batch_size,
            penalty=penalty if weight_penalty else None,
        ),
        updates_per_batch=updates_per_batch,
        validation=keeping.get("validation"),
        checkpoint=keeping.get("checkpoint"),
        identity=keeping.get("identity", ""),
        loss_name=f"{recipe}; weight penalty {float(weight_penalty)!r}",
        name=name,
    )


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("training", field, found=found, expected=expected, remedy=remedy)
