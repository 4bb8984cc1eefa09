"""Models by the name of their family."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from neurospect.models.all_convolutional import all_convolutional
from neurospect.models.bert import bert
from neurospect.models.checks import Shape, Task, check_counts, refusal
from neurospect.models.cnn import cnn
from neurospect.models.mlp import linear, mlp
from neurospect.models.recurrent import recurrent

ANY_DIMENSIONS = (1, 2, 3, 4)
BOTH_TASKS: tuple[Task, ...] = ("autoencoding", "classification")


@dataclass(frozen=True)
class Family:
    """What a family of models takes.

    Attributes
    ----------
    build
        From the task, the shape of one example, the number of classes, and its own settings by
        name, to a module with PyTorch's initial weights.
    examples
        Shapes of one example, in words.
    dimensions
        Numbers of dimensions that an example may have.
    tasks
        What the family can learn.
    """

    build: Callable[..., nn.Module]
    examples: str
    dimensions: tuple[int, ...]
    tasks: tuple[Task, ...] = BOTH_TASKS


_SEQUENCES = "(time,) or (time, features)"
_IMAGES = "(height, width) or (channels, height, width)"
_VOLUMES = "(x, y, z) or (channels, x, y, z)"

FAMILIES: dict[str, Family] = {
    "mlp": Family(mlp, "with 1 to 4 dimensions", ANY_DIMENSIONS),
    "linear": Family(linear, "with 1 to 4 dimensions", ANY_DIMENSIONS, ("classification",)),
    "rnn": Family(partial(recurrent, "elman", activation="tanh"), _SEQUENCES, (1, 2)),
    "lstm": Family(partial(recurrent, "lstm"), _SEQUENCES, (1, 2)),
    "gru": Family(partial(recurrent, "gru"), _SEQUENCES, (1, 2)),
    "bert": Family(bert, _SEQUENCES, (1, 2)),
    "cnn1d": Family(partial(cnn, 1), _SEQUENCES, (1, 2)),
    "cnn2d": Family(partial(cnn, 2, widths=(8,)), _IMAGES, (2, 3)),
    "cnn3d": Family(partial(cnn, 3), _VOLUMES, (3, 4)),
    "allconv2d": Family(partial(all_convolutional, 2), _IMAGES, (2, 3), ("classification",)),
    "allconv3d": Family(partial(all_convolutional, 3), _VOLUMES, (3, 4), ("classification",)),
}


def build_model(
    family: str,
    *,
    task: Task,
    input_shape: Shape,
    classes: int,
    seed: int,
    **architecture: Any,
) -> nn.Module:
    """Build a model with initial weights that depend on `seed` alone.

    Parameters
    ----------
    family
        Name in `FAMILIES`.
    task
        Auto-encoding rebuilds the example; classification gives one logit per class.
    input_shape
        Sizes of one example, without the dimension of samples.
    classes
        Classes of the target.
    seed
        Of the initial weights; the global random state is left as it was.
    **architecture
        Settings of the family, as in `architecture_settings`.

    Returns
    -------
    torch.nn.Module
        Maps (samples, *input_shape) to (samples, classes) or back to (samples, *input_shape). A
        sample's output does not depend on the other samples.

    Raises
    ------
    BadInputError
        When there is no such family, it does not take such examples, tasks or settings, or a
        setting does not hold what it should.
    """
    known = architecture_settings(family)
    _check_problem(family, task, input_shape, classes)
    unknown = sorted(set(architecture) - set(known))
    if unknown:
        raise refusal(
            f"settings of {family}",
            found=", ".join(unknown),
            expected=f"some of {', '.join(known)}" if known else "none",
            remedy="Mend the names, or leave them out.",
        )
    with torch.random.fork_rng(devices=[]):
        # Only this generator: torch.manual_seed would seed those of CUDA devices, too.
        torch.default_generator.manual_seed(seed)
        return FAMILIES[family].build(task, tuple(input_shape), classes, **architecture)


def architecture_settings(family: str) -> Mapping[str, Any]:
    """Names and defaults of what `family` lets one choose.

    Raises
    ------
    BadInputError
        When there is no such family.
    """
    parameters = inspect.signature(_known(family).build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def accepted_dimensions(family: str) -> tuple[int, ...]:
    """Numbers of dimensions that one example may have for `family`.

    Raises
    ------
    BadInputError
        When there is no such family.
    """
    return _known(family).dimensions


def accepted_tasks(family: str) -> tuple[Task, ...]:
    """Name the tasks that `family` can learn.

    Raises
    ------
    BadInputError
        When there is no such family.
    """
    return _known(family).tasks


def _known(family: str) -> Family:
    if family not in FAMILIES:
        raise refusal(
            "family",
            found=repr(family),
            expected=f"one of {', '.join(FAMILIES)}",
            remedy="Mend the name.",
        )
    return FAMILIES[family]


def _check_problem(family: str, task: Task, input_shape: Shape, classes: int) -> None:
    known = FAMILIES[family]
    if task not in known.tasks:
        raise refusal(
            f"task of {family}",
            found=repr(task),
            expected=" or ".join(known.tasks),
            remedy="Change the task, or take another family.",
        )
    if len(input_shape) not in known.dimensions:
        fitting = [n for n, f in FAMILIES.items() if len(input_shape) in f.dimensions]
        raise refusal(
            f"input of {family}",
            found=f"examples of shape {tuple(input_shape)}",
            expected=f"examples {known.examples}",
            remedy=f"Take another array, or one of {', '.join(fitting)}."
            if fitting
            else "Take another array.",
        )
    check_counts(**{f"input_shape[{place}]": size for place, size in enumerate(input_shape)})
    if task == "classification":
        check_counts(2, classes=classes)
