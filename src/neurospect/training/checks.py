"""Checks that the ways of training share: numbers and names, before any work."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np

from neurospect.errors import BadInputError


def check_counts(where: str, **numbers: object) -> None:
    """Refuse what is not a whole number of at least one.

    Raises
    ------
    BadInputError
        For the first such number.
    """
    for field, value in numbers.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise BadInputError(
                where,
                field,
                found=repr(value),
                expected="a whole number, 1 or more",
                remedy="Mend the number.",
            )


def check_positive(where: str, *, remedy: str = "Mend the number.", **numbers: float) -> None:
    """Refuse numbers that are not positive and finite.

    Raises
    ------
    BadInputError
        For the first such number.
    """
    for field, value in numbers.items():
        if not 0 < value < math.inf:
            raise BadInputError(
                where, field, found=value, expected="a positive number", remedy=remedy
            )


def check_choice(where: str, field: str, value: object, choices: Collection[str]) -> None:
    """Refuse what is not one of some names.

    Raises
    ------
    BadInputError
        When that is so.
    """
    if value not in choices:
        raise BadInputError(
            where,
            field,
            found=repr(value),
            expected=f"one of {', '.join(choices)}",
            remedy="Mend the name.",
        )


def plain(value: Any) -> Any:
    """Turn a number of NumPy into Python's own; leave all else."""
    return value.item() if isinstance(value, np.generic) else value
