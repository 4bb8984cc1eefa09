"""The one way in which neurospect refuses bad input."""

from __future__ import annotations

from pathlib import Path


class BadInputError(ValueError):
    """Input that cannot be used, said so that it can be mended.

    Parameters
    ----------
    where
        The file (or the argument, in library use) in which the fault lies.
    field
        The field, column, key or position inside it.
    found, expected
        What stands there, and what should.
    remedy
        What to do about it, as a sentence.
    """

    def __init__(
        self, where: str | Path, field: str, *, found: object, expected: str, remedy: str
    ) -> None:
        self.where = str(where)
        self.field = field
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{where}: {field}: found {found}, expected {expected}. {remedy}")


class BadInputsError(ValueError):
    """Several faults, reported at once."""

    def __init__(self, faults: list[BadInputError]) -> None:
        self.faults = faults
        noun = "fault" if len(faults) == 1 else "faults"
        super().__init__("\n".join([f"{len(faults)} {noun} in the input:", *map(str, faults)]))
