"""Mean maps of the classes: what a saliency map is held against."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neurospect.arrays.missing import missing_places
from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError
from neurospect.training.checks import check_counts


def class_templates(
    inputs: ArrayLike | Tensor, classes: ArrayLike | Tensor, count: int
) -> NDArray[np.float64]:
    """Mean input of each class, over all examples.

    Parameters
    ----------
    inputs
        Shape (examples, *input shape).
    classes
        Index of the class of each example.
    count
        How many classes there are.

    Returns
    -------
    numpy.ndarray
        Shape (count, *input shape).

    Raises
    ------
    BadInputError
        When a class has no example, or the arguments do not fit together.
    """
    inputs = as_array(inputs)
    classes = checked_classes(inputs, classes, count)
    missing = np.flatnonzero(np.bincount(classes, minlength=count) == 0)
    if len(missing):
        raise BadInputError(
            "class templates",
            "classes",
            found=f"no example of class {', '.join(map(str, missing))}",
            expected="at least one example of each class",
            remedy="Add examples, or leave the class out.",
        )
    return np.stack([inputs[classes == k].mean(0, dtype=np.float64) for k in range(count)])


def subject_templates(
    inputs: ArrayLike | Tensor,
    classes: ArrayLike | Tensor,
    subjects: Sequence[str] | NDArray[np.str_] | pd.Series,
    count: int,
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Mean input of each class in each subject.

    Parameters
    ----------
    inputs
        Shape (examples, *input shape).
    classes
        Index of the class of each example.
    subjects
        Whose example it is.
    count
        How many classes there are.

    Returns
    -------
    numpy.ndarray
        Shape (subjects, count, *input shape), subjects in the order of their names. NaN where a
        subject has no example of a class.
    numpy.ndarray
        Of each example, the place of its subject.

    Raises
    ------
    BadInputError
        When the arguments do not fit together, or a subject is missing (None, NaN or NA).
    """
    inputs = as_array(inputs)
    codes = checked_classes(inputs, classes, count)
    given = as_array(subjects)
    _check_subjects(subjects, given, len(inputs))
    names, places = np.unique(given, return_inverse=True)
    templates = np.full((len(names), count, *inputs.shape[1:]), np.nan, dtype=np.float32)
    for subject, k in {*zip(places.tolist(), codes.tolist(), strict=True)}:
        rows = (places == subject) & (codes == k)
        templates[subject, k] = inputs[rows].mean(0, dtype=np.float64)
    return templates, places


def checked_classes(examples: Sized, classes: ArrayLike | Tensor, count: int) -> NDArray[np.intp]:
    """Return the classes as an array of indices.

    Raises
    ------
    BadInputError
        When there is not one for each example, or one lies outside 0 to count − 1.
    """
    check_counts("classes", count=count)
    return checked_indices(
        "classes", examples, classes, count, "Give the classes as the model counts them."
    )


def checked_indices(
    where: str, examples: Sized, indices: ArrayLike | Tensor, count: int, remedy: str
) -> NDArray[np.intp]:
    """Return the indices of examples as an array.

    Parameters
    ----------
    where
        What they are of, for the error.
    examples
        Each of which has an index.
    indices
        Shape (examples,).
    count
        Of what they point into.
    remedy
        Where they come from, for the error.

    Raises
    ------
    BadInputError
        When there is not one for each example, or one lies outside 0 to count − 1.
    """
    codes = as_array(indices)
    whole = codes.ndim == 1 and len(codes) == len(examples) and codes.dtype.kind in "iu"
    if not whole or (len(codes) and not (codes.min() >= 0 and codes.max() < count)):
        raise BadInputError(
            where,
            "indices",
            found=f"shape {codes.shape}, {codes.dtype}, values {_some(codes)}",
            expected=f"{len(examples)} whole numbers from 0 to {count - 1}, one for each example",
            remedy=remedy,
        )
    return codes.astype(np.intp)


def _some(codes: NDArray[Any]) -> list[Any]:
    """Values that differ, for an error; of mixed kinds, which have no order, the first ones."""
    try:
        return list(np.unique(codes)[:5].tolist())
    except TypeError:
        return list(codes.ravel()[:5].tolist())


def _check_subjects(
    subjects: Sequence[str] | NDArray[np.str_] | pd.Series, names: NDArray[Any], examples: int
) -> None:
    if names.shape != (examples,):
        raise _refused(
            f"shape {names.shape}",
            f"{examples}, one for each example",
            "Give each example's subject.",
        )
    # As they came: among names, NumPy would turn NaN into a name.
    missing = missing_places(subjects)
    if missing:
        raise _refused(
            f"{len(missing)} of {examples} missing, the first that of example {missing[0]}",
            "the subject of each example",
            "Complete the subjects, or leave these examples out.",
        )


def _refused(found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "class templates", "subjects", found=found, expected=expected, remedy=remedy
    )
