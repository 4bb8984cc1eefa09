"""Numbers that Snakemake's ``--config`` hands over as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from neurospect.settings.faults import place_in_file
from neurospect.settings.layers import COMMAND_LINE, Place, Stated

_NUMBERS = ("int_type", "float_type", "bool_type")


def with_numbers_of_command_line(stated: Stated, model: type[BaseModel]) -> Stated:
    """Read as a number, or true or false, what the command line states where one belongs.

    Inside lists and mappings, Snakemake reads every scalar of ``--config`` as text, as in
    ``seeds=[0,1]``. Only what is faulty as text is read anew: names of digits stay text.

    Parameters
    ----------
    stated
        Settings as stated.
    model
        What they should be.
    """
    if all(layer.file != COMMAND_LINE for layer in stated.layers):
        return stated
    try:
        model.model_validate(stated.values)
    except ValidationError as error:
        values: Any = stated.values
        for detail in error.errors(include_url=False):
            place = place_in_file(detail["loc"])
            text = detail["input"]
            is_number = detail["type"] in _NUMBERS and isinstance(text, str)
            if is_number and stated.source(place) == COMMAND_LINE:
                values = _replaced(values, place, _read(text))
        return replace(stated, values=values)
    return stated


def _read(text: str) -> object:
    # As Snakemake reads what stands by itself.
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _replaced(values: Any, place: Place, value: object) -> Any:
    """Copy of settings with one value replaced."""
    if not place:
        return value
    inner = _replaced(values[place[0]], place[1:], value)
    if isinstance(values, list):
        return [inner if number == place[0] else own for number, own in enumerate(values)]
    return {**values, place[0]: inner}
