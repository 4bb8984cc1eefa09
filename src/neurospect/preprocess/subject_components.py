"""Maps and time courses of one run that belong to reference maps: one verb, two methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from numpy.typing import DTypeLike

from neurospect.errors import BadInputError
from neurospect.preprocess.constrained_ica import constrained_ica
from neurospect.preprocess.dual_regression import dual_regression
from neurospect.preprocess.run_components import Array, SubjectComponents

Method = Literal["constrained_ica", "dual_regression"]

METHODS: dict[str, Callable[..., SubjectComponents]] = {
    "constrained_ica": constrained_ica,
    "dual_regression": dual_regression,
}


def subject_components(
    run: Array,
    references: Array,
    method: Method = "constrained_ica",
    *,
    dtype: DTypeLike | None = None,
) -> SubjectComponents:
    """Find the maps and time courses of one run that belong to reference maps.

    Parameters
    ----------
    run
        Shape (volumes, voxels), inside a mask, in any unit.
    references
        Reference maps, shape (components, voxels).
    method
        "constrained_ica" (NeuroMark) or "dual_regression" (the baseline).
    dtype
        float32 or float64, of the result (and of the iterations of constrained ICA); None for
        that of the run, where integers count as the float that can hold them.

    Returns
    -------
    SubjectComponents
        Maps, time courses and quality.

    Raises
    ------
    BadInputError
        When the method is unknown, or the run or the references cannot be used.
    """
    if method not in METHODS:
        raise BadInputError(
            "subject components",
            "method",
            found=repr(method),
            expected=" or ".join(METHODS),
            remedy="Name one of the two methods.",
        )
    return METHODS[method](run, references, dtype=dtype)
