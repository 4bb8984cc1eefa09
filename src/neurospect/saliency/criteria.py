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
from torch import Tensor

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError
from neurospect.saliency.checks import checked_mask
from neurospect.saliency.templates import checked_classes, checked_indices

log = logging.getLogger(__name__)

# From a subject's templates (classes, voxels), which of them there are, and the example's class:
# the classes whose maps to read, and what to hold each against (maps, voxels).
_Targets = Callable[
    [NDArray[np.float64], NDArray[np.bool_], int], tuple[NDArray[np.intp], NDArray[np.float64]]
]


def class_informative_correlation(
    maps: ArrayLike | Tensor,
    classes: ArrayLike | Tensor,
    templates: ArrayLike | Tensor,
    *,
    mask: ArrayLike | Tensor | None = None,
    subjects: ArrayLike | Tensor | None = None,
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
        Shape (*input shape), of booleans, or 0 and 1; only where it is true is compared.
        Everywhere, if None.
    subjects
        Place of each example's subject among the templates.

    Returns
    -------
    numpy.ndarray
        Pearson correlations, shape (examples,). NaN where the map or the target is constant, or the
        map is not finite.

    Raises
    ------
    BadInputError
        When shapes do not fit together, an example's class has no template, or a template is NaN or
        infinite somewhere inside the mask.
    """
    compared = _compared(
        maps, classes, templates, mask, subjects, _own_against_mean, every_class=False
    )
    return _reported(compared, "class informative correlation")


def pairwise_difference_correlation(
    maps: ArrayLike | Tensor,
    classes: ArrayLike | Tensor,
    templates: ArrayLike | Tensor,
    *,
    mask: ArrayLike | Tensor | None = None,
    subjects: ArrayLike | Tensor | None = None,
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
        When shapes do not fit together, a subject lacks a class, or a template is NaN or infinite
        somewhere inside the mask.
    """
    compared = _compared(
        maps, classes, templates, mask, subjects, _others_against_own, every_class=True
    )
    return _reported(compared, "pairwise difference correlation")


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
    maps: ArrayLike | Tensor,
    classes: ArrayLike | Tensor,
    templates: ArrayLike | Tensor,
    mask: ArrayLike | Tensor | None,
    subjects: ArrayLike | Tensor | None,
    targets: _Targets,
    *,
    every_class: bool,
) -> Iterator[tuple[float, bool]]:
    """Yield each example's mean correlation with its targets, and whether its maps are finite.

    One example is in memory at a time.
    """
    maps, templates = as_array(maps), as_array(templates)
    if maps.ndim < 2:
        raise _refused(
            "maps",
            f"shape {maps.shape}",
            "shape (examples, classes, *input shape)",
            "Give the maps of all classes, as saliency_maps makes them.",
        )
    codes = checked_classes(maps, classes, maps.shape[1])
    if subjects is None:
        templates, places = templates[None], np.zeros(len(maps), dtype=np.intp)
    else:
        remedy = "Give places among the templates, as subject_templates returns them, not names."
        places = checked_indices("subjects", maps, subjects, len(templates), remedy)
    inside = _checked_mask(maps, templates, mask)
    present = _present(templates, inside, subjects is not None)
    _check_present(present, places, codes, every_class, subjects is not None)
    known_of = -1
    for example, (place, code) in enumerate(zip(places.tolist(), codes.tolist(), strict=True)):
        if place != known_of:
            known, known_of = templates[place][:, inside].astype(np.float64), place
        read, wanted = targets(known, present[place], code)
        own = maps[example, read][:, inside]
        correlation = float(pearson(own, wanted).mean())
        yield correlation, not np.isnan(correlation) or bool(np.isfinite(own).all())


def _checked_mask(
    maps: NDArray[np.floating], templates: NDArray[np.floating], mask: ArrayLike | Tensor | None
) -> NDArray[np.bool_]:
    shape = maps.shape[2:]
    if templates.shape[1:] != maps.shape[1:]:
        raise _refused(
            "templates",
            f"shape {templates.shape[1:]}, for maps of shape {maps.shape[1:]}",
            "one template of the maps' shape for each class",
            "Make them from inputs of the same model; give subjects if there are several.",
        )
    inside = np.ones(shape, dtype=bool) if mask is None else checked_mask("criteria", mask)
    if inside.shape != shape or np.count_nonzero(inside) < 2:
        raise _refused(
            "mask",
            f"shape {inside.shape} with {np.count_nonzero(inside)} places inside",
            f"shape {shape} with two or more",
            "Use the mask of the model's inputs.",
        )
    return inside


def _present(
    templates: NDArray[np.floating], inside: NDArray[np.bool_], by_subject: bool
) -> NDArray[np.bool_]:
    """Which templates there are, shape (subjects, classes); a lacking one is NaN throughout."""
    present = np.empty(templates.shape[:2], dtype=bool)
    for subject, known in enumerate(templates):
        finite = np.isfinite(known[:, inside])
        present[subject] = ~np.isnan(known[:, inside]).all(1)
        spoilt = present[subject] & ~finite.all(1)
        if spoilt.any():
            k = int(np.argmax(spoilt))
            raise _refused(
                _place(subject, k, by_subject),
                f"NaN or infinity at {np.count_nonzero(~finite[k])} of {finite.shape[1]} places",
                "finite values inside the mask",
                "Leave out the examples that are not finite, or mask these places.",
            )
    return present


def _place(subject: int, k: int, by_subject: bool) -> str:
    return f"templates, {f'subject {subject}, ' if by_subject else ''}class {k}"


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
        raise _refused(
            _place(int(places[example]), k, by_subject),
            f"no template (NaN throughout), needed by {int(lacking.any(1).sum())} examples in all",
            "a template of every class" if every_class else "a template of the example's class",
            "Leave these examples out, or complete the subject.",
        )


def _reported(compared: Iterator[tuple[float, bool]], name: str) -> NDArray[np.float64]:
    correlations, finite = [], []
    for correlation, maps_are_finite in compared:
        correlations.append(correlation)
        finite.append(maps_are_finite)
    values = np.array(correlations, dtype=np.float64)
    undefined, not_finite = int(np.isnan(values).sum()), finite.count(False)
    if undefined:
        log.warning(
            "%s: undefined (NaN) for %d of %d examples (map or target constant: %d; map NaN or "
            "infinite: %d)",
            name, undefined, len(values), undefined - not_finite, not_finite,
        )  # fmt: skip
    return values


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("criteria", field, found=found, expected=expected, remedy=remedy)
