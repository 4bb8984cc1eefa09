"""The saliency paper's made images: three classes that share some of their active regions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.cohorts.cohort import Cohort, describe
from neurospect.cohorts.cohort_checks import PARTICIPANT, check_settings
from neurospect.errors import BadInputError

CLASSES = ("A", "B", "C")
SIDE = 32
BOX = 3
STARTS = (7, 15, 23)
# By row and column of the grid of boxes: the classes in which a box is active.
ACTIVE_IN = (("A", "B", "C"), ("AB", "BC", "AC"), ("ABC", "ABC", "ABC"))


def synthetic_templates() -> NDArray[np.float64]:
    """Draw what each class is without noise: six active boxes of 3 × 3 pixels.

    One box belongs to the class alone, two are each shared with one other class, three with all
    (McClure et al., 2020, figure 1).

    Returns
    -------
    numpy.ndarray
        Shape (3, 32, 32), classes A, B and C; 1 where active, else 0.
    """
    templates = np.zeros((len(CLASSES), SIDE, SIDE))
    for top, row in zip(STARTS, ACTIVE_IN, strict=True):
        for left, owners in zip(STARTS, row, strict=True):
            for place, name in enumerate(CLASSES):
                if name in owners:
                    templates[place, top : top + BOX, left : left + BOX] = 1
    return templates


def make_synthetic_tasks(per_class: int, noise_sd: float, seed: int) -> Cohort:
    """Make images of the three classes: their templates plus white Gaussian noise.

    Parameters
    ----------
    per_class
        Images of each class.
    noise_sd
        Standard deviation of the noise, in units of an active region's height.
    seed
        Of the noise.

    Returns
    -------
    Cohort
        Array of shape (3 · per_class, 32, 32); columns participant_id and task ("A", "B", "C").

    Raises
    ------
    BadInputError
        If a number makes no sense.
    """
    _check(per_class, noise_sd)
    images = np.repeat(synthetic_templates(), per_class, axis=0)
    images += noise_sd * np.random.default_rng(seed).standard_normal(images.shape)
    count = len(images)
    participants = pd.DataFrame(
        {
            PARTICIPANT: [f"image-{number:05d}" for number in range(1, count + 1)],
            "task": np.repeat(CLASSES, per_class),
        }
    )
    made = (
        f"Made {per_class} images of each of the three tasks: the template of the task with "
        f"Gaussian noise of standard deviation {noise_sd}, drawn with seed {seed}."
    )
    description = describe(
        "Synthetic tasks",
        sources=[],
        license_name="CC0-1.0",
        preparation=[made],
        columns={PARTICIPANT: "Identifier of the image", "task": "Class: A, B or C"},
        class_columns=["task"],
        SampleShape=[SIDE, SIDE],
    )
    return Cohort(participants, images.astype(np.float32), description)


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return no file: the images are made, not read."""
    return []


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say where the raw files lie: there are none."""
    return {}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Make the cohort that the settings ask for: the arguments of `make_synthetic_tasks`.

    Raises
    ------
    BadInputError
        If a setting is missing, unknown or out of range.
    """
    check_settings("synthetic-tasks", settings, ["per_class", "noise_sd", "seed"])
    return make_synthetic_tasks(**settings)


def _check(per_class: int, noise_sd: float) -> None:
    checks: list[tuple[str, object, bool, str]] = [
        ("per_class", per_class, per_class >= 1, "at least 1"),
        ("noise_sd", noise_sd, 0 <= noise_sd < math.inf, "zero or a positive number"),
    ]
    for field, found, good, expected in checks:
        if not good:
            raise BadInputError(
                "make_synthetic_tasks",
                field,
                found=found,
                expected=expected,
                remedy="Correct the setting.",
            )
