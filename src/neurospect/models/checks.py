"""Checks that the families share: settings of an architecture, before any layer is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from neurospect.errors import BadInputError

Task = Literal["autoencoding", "classification"]
# Sizes of one example, without the dimension of samples.
Shape = tuple[int, ...]


def refusal(field: str, *, found: object, expected: str, remedy: str) -> BadInputError:
    """Make the error for a setting of the model."""
    return BadInputError("model", field, found=found, expected=expected, remedy=remedy)


def check_counts(least: int = 1, **settings: object) -> None:
    """Refuse a setting that is not a whole number of at least `least`.

    Raises
    ------
    BadInputError
        For the first such setting.
    """
    for field, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise refusal(
                field,
                found=repr(value),
                expected=f"a whole number, {least} or more",
                remedy="Mend the number.",
            )


def check_truth(**settings: object) -> None:
    """Refuse a setting that is neither true nor false.

    Raises
    ------
    BadInputError
        For the first such setting.
    """
    for field, value in settings.items():
        if not isinstance(value, bool):
            raise refusal(
                field, found=repr(value), expected="true or false", remedy="Mend the setting."
            )


def check_widths(widths: Sequence[int], *, field: str = "widths", least_layers: int = 1) -> None:
    """Refuse a setting that is not a list of `least_layers` or more sizes of hidden layers.

    Raises
    ------
    BadInputError
        When that is so.
    """
    if not isinstance(widths, (list, tuple)) or len(widths) < least_layers:
        raise refusal(
            field,
            found=repr(widths),
            expected="a list with the size of each hidden layer, as in [32]",
            remedy="Give one number for each hidden layer.",
        )
    for place, width in enumerate(widths):
        check_counts(**{f"{field}[{place}]": width})
