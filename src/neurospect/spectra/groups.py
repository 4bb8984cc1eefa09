"""Which samples of a batch belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.missing import missing_places
from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError

WHOLE_BATCH = "all"


@dataclass(frozen=True)
class SampleGroups:
    """Groups of samples as contiguous segments of the batch, after sorting by group.

    Attributes
    ----------
    names
        One per group, in the order of the segments.
    sizes
        Samples in each group.
    order
        Sample indices that bring the batch into group order; None when it already is.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    order: torch.Tensor | None

    @cached_property
    def samples(self) -> int:
        """Number of samples in the batch."""
        return sum(self.sizes)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First sample of each segment."""
        return tuple(int(start) for start in np.cumsum((0, *self.sizes[:-1])))

    @cached_property
    def rows(self) -> tuple[slice | torch.Tensor, ...]:
        """Rows of the batch that belong to each group: slices where it is in group order."""
        segments = [slice(s, s + n) for s, n in zip(self.starts, self.sizes, strict=True)]
        if self.order is None:
            return tuple(segments)
        return tuple(self.order[segment] for segment in segments)

    def rows_of(self, places: slice | torch.Tensor) -> slice | torch.Tensor:
        """Rows of the batch at these places of the group order."""
        return places if self.order is None else self.order[places]

    def sort(self, samples: torch.Tensor) -> torch.Tensor:
        """Bring `samples` (first dimension: the batch) into group order, copied only if need be."""
        if self.order is None:
            return samples
        return samples.index_select(0, self.order.to(samples.device))


def sample_groups(
    labels: ArrayLike, *, levels: Sequence[Any] | None = None, smallest: int = 2
) -> SampleGroups:
    """Sort the samples of a batch into groups.

    Parameters
    ----------
    labels
        One label per sample, shape (samples,): numbers or text.
    levels
        Labels that must occur, in the order in which the groups are wanted; by default the labels
        that do occur, sorted.
    smallest
        Fewest samples that a group may have.

    Raises
    ------
    BadInputError
        When `labels` is not a vector, holds a missing value, labels that have no order, a label
        not among `levels`, or a group of fewer than `smallest` samples; or when a level is none of
        the labels' type.
    """
    labels = as_array(labels) if isinstance(labels, torch.Tensor) else labels
    vector = np.asarray(labels)
    if vector.ndim != 1 or vector.size == 0:
        raise _bad("shape", vector.shape, "one label per sample, shape (samples,)")
    missing = missing_places(labels)
    if missing:
        raise _bad(f"sample {missing[0]}", f"{len(missing)} missing labels", "a label everywhere")
    known = _sorted_levels(vector) if levels is None else _as_labels(levels, vector.dtype)
    codes = np.full(vector.size, -1)
    for code, level in enumerate(known):
        codes[vector == level] = code
    if (codes < 0).any():
        stray = vector[codes < 0][0]
        raise _bad(f"label {stray!s}", "not among the levels", f"one of {known.tolist()}")
    sizes = np.bincount(codes, minlength=len(known))
    for level, size in zip(known, sizes, strict=True):
        if size < smallest:
            noun = "sample" if size == 1 else "samples"
            raise _bad(f"group {level!s}", f"{size} {noun}", f"at least {smallest}")
    if WHOLE_BATCH in {str(level) for level in known}:
        raise _bad(f"label {WHOLE_BATCH!r}", "reserved for the whole batch", "another name")
    order = np.argsort(codes, kind="stable")
    contiguous = bool((order == np.arange(order.size)).all())
    return SampleGroups(
        names=tuple(str(level) for level in known),
        sizes=tuple(int(size) for size in sizes),
        order=None if contiguous else torch.from_numpy(order),
    )


def _sorted_levels(vector: NDArray[Any]) -> NDArray[Any]:
    try:
        return np.unique(vector)
    except TypeError:
        types = sorted({type(label).__name__ for label in vector.tolist()})
        raise _bad(
            "labels", f"values of type {', '.join(types)}", "numbers or text, not both"
        ) from None


def _as_labels(levels: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Levels as the labels are written, where that changes none of them."""
    if dtype.kind == "U":
        # As wide as they are themselves: a label's own width would cut them.
        return np.array([str(level) for level in levels])
    if dtype.kind not in "biuf":
        return np.asarray(list(levels), dtype=None if dtype.kind in "SO" else dtype)
    known = np.zeros(len(levels), dtype=dtype)
    for place, level in enumerate(levels):
        try:
            value = float(level) if isinstance(level, str) else level
            known[place] = value
            # 0.1 in single precision is another number, yet meant.
            is_same = dtype.kind == "f" or bool(known[place] == value)
        except (TypeError, ValueError, OverflowError):
            is_same = False
        if not is_same:
            raise _bad(f"level {level!s}", f"labels of type {dtype}", "levels that labels can have")
    return known


def whole_batch(samples: int) -> SampleGroups:
    """Return the one group that holds every sample."""
    return SampleGroups(names=(WHOLE_BATCH,), sizes=(samples,), order=None)


def _bad(field: str, found: object, expected: str) -> BadInputError:
    return BadInputError(
        "groups", field, found=found, expected=expected, remedy="Mend the vector of group labels."
    )
