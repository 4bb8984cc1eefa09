"""Training with noise on the inputs: none, random, or adversarial (projected gradient descent)."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurospect.training.checks import check_counts, check_positive
from neurospect.training.examples_at_hand import Keeping, train_with_loss
from neurospect.training.input_noise import adversarial_noise, random_noise
from neurospect.training.loop import Examples, ExampleSource, TrainingPlan, of_examples


def train_regularised(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    *,
    weight_penalty: float,
    **keeping: Unpack[Keeping],
) -> pd.DataFrame:
    """Train on the examples as they are, with an L2 penalty on the weights.

    Parameters
    ----------
    model, examples, plan
        As in `neurospect.training.loop.train`; for classification.
    weight_penalty
        Times the sum of the squared weights, is added to the loss.
    **keeping
        `validation`, `checkpoint`, `identity` and `name`, as in `train`.

    Returns
    -------
    pandas.DataFrame
        As from `train`; losses are without the penalty.

    Raises
    ------
    BadInputError
        When the penalty is negative; then as in `train`.
    """

    def loss_of(part: Examples) -> Tensor:
        return cross_entropy(model(part.inputs), part.classes)

    return train_with_loss(
        model,
        examples,
        plan,
        of_examples(loss_of),
        recipe="no noise",
        weight_penalty=weight_penalty,
        keeping=keeping,
    )


def train_random_noise(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    *,
    epsilon: float,
    weight_penalty: float = 0.0,
    **keeping: Unpack[Keeping],
) -> pd.DataFrame:
    """Train with new noise in every update, uniform in the ball that adversarial noise may use.

    Parameters
    ----------
    model, examples, plan, weight_penalty, **keeping
        As in `train_regularised`.
    epsilon
        Radius of the L2 ball, in units of the input.

    Returns
    -------
    pandas.DataFrame
        As from `train`; the training loss is that with noise.

    Raises
    ------
    BadInputError
        Before the training, when `epsilon` is not positive; then as in `train`.
    """
    check_noise(epsilon=epsilon)

    def loss_of(part: Examples) -> Tensor:
        noisy = part.inputs + random_noise(part.inputs, epsilon)
        return cross_entropy(model(noisy), part.classes)

    return train_with_loss(
        model,
        examples,
        plan,
        of_examples(loss_of),
        recipe=f"random noise, epsilon {float(epsilon)!r}",
        epsilon=epsilon,
        weight_penalty=weight_penalty,
        keeping=keeping,
    )


def train_pgd(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    *,
    epsilon: float,
    steps: int = 3,
    step_size: float | None = None,
    weight_penalty: float = 0.0,
    **keeping: Unpack[Keeping],
) -> pd.DataFrame:
    """Train on adversarial examples, searched anew in every update by projected gradient descent.

    Parameters
    ----------
    model, examples, plan, weight_penalty, **keeping
        As in `train_regularised`.
    epsilon
        Radius of the L2 ball, in units of the input. A ball in a mask or crop with another number
        of voxels is alike where epsilon grows with the square root of that number.
    steps, step_size
        Of the search; half of `epsilon` by default.

    Returns
    -------
    pandas.DataFrame
        As from `train`; the training loss is that of the adversarial examples.

    Raises
    ------
    BadInputError
        Before the training, when `epsilon` or `step_size` is not positive, or `steps` not a whole
        number from 1 on; then as in `train`.
    """
    step_size = epsilon / 2 if step_size is None else step_size
    check_noise(epsilon=epsilon, step_size=step_size)
    check_counts("training with noise", steps=steps)

    def loss_of(part: Examples) -> Tensor:
        noise = adversarial_noise(
            model, part.inputs, part.classes, epsilon=epsilon, steps=steps, step_size=step_size
        )
        return cross_entropy(model(part.inputs + noise), part.classes)

    return train_with_loss(
        model,
        examples,
        plan,
        of_examples(loss_of),
        recipe=f"pgd, epsilon {float(epsilon)!r}, {steps} steps of {float(step_size)!r}",
        epsilon=epsilon,
        weight_penalty=weight_penalty,
        keeping=keeping,
    )


def check_noise(**numbers: float) -> None:
    """Refuse numbers that are not positive and finite, before any work.

    Raises
    ------
    BadInputError
        For the first such number.
    """
    remedy = "Mend the number; to train without noise, use another way of training."
    check_positive("training with noise", remedy=remedy, **numbers)
