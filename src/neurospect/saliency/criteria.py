"""How well saliency maps show what distinguishes the classes (McClure et al., 2020).

Both criteria are correlations with what is known of the classes: their templates, for all or for
each subject. One value per example; NaN where a correlation is undefined, which is counted and
logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurospect.errors import BadInputError
from neurospect.saliency.templates import checked_classes

log = logging.getLogger(__name__)

# From a subject's templates (classes, voxels), which of them there are, and the example's class:
# the classes whose maps to read, and what to hold each against (maps, voxels).
_Targets = Callable[
    [NDArray[np.float64], NDArray[np.bool_], int], tuple[NDArray[np.intp], NDArray[np.float64]]
]


def class_informative_correlation(
    maps: ArrayLike,
    classes: ArrayLike,
    templates: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    subjects: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Correlate the map of each example's own class with what is special about that class.

    That is the template of the class minus the mean of the templates of all classes (or of those
    that the subject has).

    Parameters
    ----------
    maps
        Shape (examples, classes, *input shape), as `saliency_maps` gives them for all classes.
    classes
        Index of the class of each example.
    templates
        Shape (classes, *input shape) of `class_templates`; or, with `subjects`, (subjects, classes,
        *input shape) of `subject_templates`.
    mask
        Shape (*input shape); only where it is true is compared. Everywhere, if None.
    subjects
        Place of each example's subject among the templates.

    Returns
    -------
    numpy.ndarray
        Pearson correlations, shape (examples,). NaN where the map or the target is constant.

    Raises
    ------
    BadInputError
        When shapes do not fit together, or an example's class has no template.
    """
    compared = _compared(
        maps, classes, templates, mask, subjects, _own_against_mean, every_class=False
    )
    return _reported(np.array([value[0] for value in compared]), "class informative correlation")


def pairwise_difference_correlation(
    maps: ArrayLike,
    classes: ArrayLike,
    templates: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    subjects: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Correlate the maps of the other classes with what would turn the example into theirs.

    For an example of class A and each other class B: the map of B against the template of B minus
    that of A; then the mean over B.

    Parameters
    ----------
    maps, classes, templates, mask, subjects
        As in `class_informative_correlation`.

    Returns
    -------
    numpy.ndarray
        Mean Pearson correlations, shape (examples,). NaN where any of them is undefined.

    Raises
    ------
    BadInputError
        When shapes do not fit together, or a subject lacks a class.
    """
    compared = _compared(
        maps, classes, templates, mask, subjects, _others_against_own, every_class=True
    )
    means = np.array([value.mean() for value in compared])
    return _reported(means, "pairwise difference correlation")


def pearson(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlate row by row, in double precision; NaN where a row is constant or not finite.

    Parameters
    ----------
    a, b
        Shapes (..., values) that broadcast.

    Returns
    -------
    numpy.ndarray
        Shape (...).
    """
    first, second = _unit_rows(a), _unit_rows(b)
    return np.asarray(np.clip((first * second).sum(-1), -1, 1))


def _own_against_mean(
    templates: NDArray[np.float64], present: NDArray[np.bool_], own: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    return np.array([own]), (templates[own] - templates[present].mean(0))[None]


def _others_against_own(
    templates: NDArray[np.float64], present: NDArray[np.bool_], own: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    others = np.flatnonzero(np.arange(len(templates)) != own)
    return others, templates[others] - templates[own]


def _unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(rows, dtype=np.float64)
    constant = values.max(-1, keepdims=True) == values.min(-1, keepdims=True)
    # Gradients of a sure model are tiny: their squares must not underflow.
    largest = np.abs(values).max(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(constant, np.nan, values / largest)
        values = values - values.mean(-1, keepdims=True)
        return np.asarray(values / np.sqrt((values**2).sum(-1, keepdims=True)))


def _compared(
    maps: ArrayLike,
    classes: ArrayLike,
    templates: ArrayLike,
    mask: ArrayLike | None,
    subjects: ArrayLike | None,
    targets: _Targets,
    *,
    every_class: bool,
) -> Iterator[NDArray[np.float64]]:
    """Yield the correlations of each example with its targets; one example in memory at a time."""
    maps, templates = np.asarray(maps), np.asarray(templates)
    codes = checked_classes(maps, classes, maps.shape[1])
    if subjects is None:
        templates, places = templates[None], np.zeros(len(maps), dtype=np.intp)
    else:
        places = checked_classes(maps, subjects, len(templates))
    inside = _checked_mask(maps, templates, mask)
    present = np.stack([~np.isnan(known[:, inside]).any(1) for known in templates])
    _check_present(present, places, codes, every_class, subjects is not None)
    known_of = -1
    for example, (place, code) in enumerate(zip(places.tolist(), codes.tolist(), strict=True)):
        if place != known_of:
            known, known_of = templates[place][:, inside].astype(np.float64), place
        read, wanted = targets(known, present[place], code)
        yield pearson(maps[example, read][:, inside], wanted)


def _checked_mask(
    maps: NDArray[np.floating], templates: NDArray[np.floating], mask: ArrayLike | None
) -> NDArray[np.bool_]:
    shape = maps.shape[2:]
    if templates.shape[1:] != maps.shape[1:]:
        raise _refused(
            "templates",
            f"shape {templates.shape[1:]}, for maps of shape {maps.shape[1:]}",
            "one template of the maps' shape for each class",
            "Make them from inputs of the same model; give subjects if there are several.",
        )
    inside = np.ones(shape, dtype=bool) if mask is None else np.asarray(mask).astype(bool)
    if inside.shape != shape or np.count_nonzero(inside) < 2:
        raise _refused(
            "mask",
            f"shape {inside.shape} with {np.count_nonzero(inside)} places inside",
            f"shape {shape} with two or more",
            "Use the mask of the model's inputs.",
        )
    return inside


def _check_present(
    present: NDArray[np.bool_],
    places: NDArray[np.intp],
    codes: NDArray[np.intp],
    every_class: bool,
    by_subject: bool,
) -> None:
    lacking = ~present[places]
    if not every_class:
        lacking &= np.arange(present.shape[1]) == codes[:, None]
    if lacking.any():
        example, k = (int(place) for place in np.argwhere(lacking)[0])
        whose = f"subject {places[example]}, " if by_subject else ""
        raise _refused(
            f"templates, {whose}class {k}",
            f"no template, needed by {int(lacking.any(1).sum())} examples in all",
            "a template of every class" if every_class else "a template of the example's class",
            "Leave these examples out, or complete the subject.",
        )


def _reported(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    undefined = int(np.isnan(values).sum())
    if undefined:
        log.warning(
            "%s: undefined (NaN) for %d of %d examples, whose map or target is constant",
            name, undefined, len(values),
        )  # fmt: skip
    return values


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("criteria", field, found=found, expected=expected, remedy=remedy)
