"""Mean maps of the classes: what a saliency map is held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurospect.errors import BadInputError


def class_templates(inputs: ArrayLike, classes: ArrayLike, count: int) -> NDArray[np.float64]:
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
        When a class has no example.
    """
    inputs, classes = np.asarray(inputs), checked_classes(inputs, classes, count)
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
    inputs: ArrayLike, classes: ArrayLike, subjects: Sequence[str] | NDArray[np.str_], count: int
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
        When the arguments do not fit together.
    """
    inputs = np.asarray(inputs)
    codes = checked_classes(inputs, classes, count)
    names, places = np.unique(np.asarray(subjects), return_inverse=True)
    if len(places) != len(inputs):
        raise BadInputError(
            "class templates",
            "subjects",
            found=len(places),
            expected=f"{len(inputs)}, one for each example",
            remedy="Give each example's subject.",
        )
    templates = np.full((len(names), count, *inputs.shape[1:]), np.nan, dtype=np.float32)
    for subject, k in {*zip(places.tolist(), codes.tolist(), strict=True)}:
        rows = (places == subject) & (codes == k)
        templates[subject, k] = inputs[rows].mean(0, dtype=np.float64)
    return templates, places


def checked_classes(inputs: ArrayLike, classes: ArrayLike, count: int) -> NDArray[np.intp]:
    """Return the classes as an array of indices.

    Raises
    ------
    BadInputError
        When there is not one for each example, or one lies outside 0 to count − 1.
    """
    codes = np.asarray(classes)
    examples = len(np.asarray(inputs))
    whole = codes.ndim == 1 and len(codes) == examples and codes.dtype.kind in "iu"
    if not whole or (len(codes) and not (codes.min() >= 0 and codes.max() < count)):
        raise BadInputError(
            "classes",
            "indices",
            found=f"shape {codes.shape}, {codes.dtype}, values {np.unique(codes)[:5].tolist()}",
            expected=f"{examples} whole numbers from 0 to {count - 1}, one for each example",
            remedy="Give the classes as the model counts them.",
        )
    return codes.astype(np.intp)
