"""Faults of single values, said in the words of someone who edits YAML."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from neurospect.errors import BadInputError
from neurospect.settings.layers import Place, Stated
from neurospect.settings.models import ComparisonPanel, ModelPanel

EXPECTED = {
    "missing": "a value",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "too_short": "{min_length} or more in the list",
    "too_long": "{max_length} or fewer in the list",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "text that matches {pattern}",
}
LONGEST_SHOWN = 80


def faults_of_values(stated: Stated, model: type[BaseModel]) -> Iterator[BadInputError]:
    """Check each value by itself, and note the faulty places in `stated`.

    Parameters
    ----------
    stated
        The settings; `stated.values` is what is checked.
    model
        What they should be.

    Yields
    ------
    BadInputError
        One per fault.
    """
    try:
        model.model_validate(stated.values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            place = place_in_file(detail["loc"])
            stated.faulty.add(place)
            if detail["type"] == "extra_forbidden":
                known = _known_keys(model, place[:-1])
                # What a misspelt key was meant to say is not known either.
                meant = closest(str(place[-1]), known)
                stated.faulty.update((*place[:-1], key) for key in meant)
                yield stated.fault(
                    place,
                    found="an unknown key",
                    expected=f"one of {', '.join(known)}",
                    remedy=did_you_mean(str(place[-1]), known) or "Remove it.",
                )
            else:
                yield stated.fault(place, **_said(detail))


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that comes closest, if any does."""
    return difflib.get_close_matches(name, list(known), n=1)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that comes closest, if any does."""
    return "".join(f"Did you mean {match}?" for match in closest(name, known))


def place_in_file(location: tuple[int | str, ...]) -> Place:
    """Leave out of a fault's location what stands in no file: a panel's kind, a key's mark."""
    place = [part for part in location if part != "[key]"]
    if location[:1] == ("panels",):
        del place[2:3]
    return tuple(place)


def _said(detail: Mapping[str, Any]) -> dict[str, str]:
    kind, value = detail["type"], detail["input"]
    expected = EXPECTED.get(kind, detail["msg"].removeprefix("Input should be "))
    expected = expected.format(**detail.get("ctx", {}))
    remedy = "Mend the value."
    if kind == "missing":
        return {"found": "nothing", "expected": expected, "remedy": "Add the key."}
    if kind in {"float_type", "int_type"} and isinstance(value, str):
        remedy = "Write a number, without quotes." + _as_yaml_number(value)
    elif kind in {"string_type", "literal_error"} and isinstance(value, int | float):
        remedy = "Put it in quotes."
    elif kind == "literal_error":
        remedy = did_you_mean(str(value), re.findall("'([^']*)'", expected)) or remedy
    return {"found": _shown(value), "expected": expected, "remedy": remedy}


def _as_yaml_number(text: str) -> str:
    """Say how to write a number that YAML takes for text, such as 1e-3."""
    try:
        number = yaml.safe_dump(float(text)).splitlines()[0]
    except ValueError:
        return ""
    is_text = isinstance(yaml.safe_load(text), str)
    return f" YAML reads {text} as text: write {number}." if is_text else ""


def _shown(value: Any) -> str:
    """Write a value as YAML would."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _known_keys(model: type[BaseModel], place: Place) -> list[str]:
    """Keys of the nested model that a place leads to."""
    current: Any = model
    for part in place:
        kind = get_origin(current)
        if kind is dict:
            current = get_args(current)[1]
        elif not hasattr(current, "model_fields"):
            return [*ModelPanel.model_fields, *ComparisonPanel.model_fields]
        else:
            current = _without_none(_fields(current)[str(part)])
    if not hasattr(current, "model_fields"):
        return [*ModelPanel.model_fields, *ComparisonPanel.model_fields]
    return list(_fields(current))


def _without_none(kind: Any) -> Any:
    """Return the model itself where none may stand in its place."""
    others = [own for own in get_args(kind) if own is not type(None)]
    return others[0] if get_origin(kind) is UnionType and len(others) == 1 else kind


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Types of a model's fields by the names that they have in files."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
