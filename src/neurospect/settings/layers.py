"""Settings as they stand in several files, one laid over the other, and which file says what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from neurospect.errors import BadInputError, BadInputsError

# Keys and positions that lead to a value, as in ("panels", "A", "widths", 0).
Place = tuple[str | int, ...]
# Stands for a file where the command line states a value.
COMMAND_LINE = "--config"


@dataclass(frozen=True)
class Layer:
    """What one file states.

    Attributes
    ----------
    file
        Its name.
    content
        Its keys and values.
    inside
        Keys of the file under which the content stands.
    """

    file: str
    content: Mapping[str, Any]
    inside: Place = ()


@dataclass(frozen=True)
class Stated:
    """Settings as stated, right or wrong.

    Attributes
    ----------
    values
        What holds after all layers are laid over each other and over the defaults.
    layers
        Lowest first.
    faulty
        Places whose values are known to be wrong.
    """

    values: Mapping[str, Any]
    layers: Sequence[Layer]
    faulty: set[Place] = field(default_factory=set)

    def __getitem__(self, place: Place) -> Any:
        """Value at a place; KeyError or IndexError where there is none."""
        value: Any = self.values
        for part in place:
            value = value[part]
        return value

    def sound(self, *places: Place) -> bool:
        """Whether nothing wrong is known of any of these places, so that they can be compared."""
        return not any(
            wrong[: len(place)] == place[: len(wrong)] for wrong in self.faulty for place in places
        )

    def fault(self, place: Place, *, found: object, expected: str, remedy: str) -> BadInputError:
        """Name the file and the field of a fault.

        The file is the topmost that states the place, or what comes nearest to it.
        """
        layer = self._layer(place)
        name, inside = (layer.file, layer.inside) if layer else ("config", ())
        dotted = ".".join(map(str, (*inside, *place))) or "the file as a whole"
        return BadInputError(name, dotted, found=found, expected=expected, remedy=remedy)

    def source(self, place: Place) -> str | None:
        """Name of the topmost file that states a place, or comes nearest to it."""
        layer = self._layer(place)
        return layer.file if layer else None

    def _layer(self, place: Place) -> Layer | None:
        return max(
            reversed(self.layers), key=lambda layer: _depth(layer.content, place), default=None
        )


def read_yaml(file: str | Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises
    ------
    BadInputError
        When it cannot be read, is not YAML, states a key twice, is nested too deeply or inside
        itself, writes a number with a leading zero or colons, or holds no keys.
    """
    try:
        content = yaml.load(Path(file).read_text(encoding="utf-8"), Loader=_EachKeyOnce)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadInputError(
            file,
            f"line {mark.line + 1}" if mark else "syntax",
            found=getattr(error, "problem", None) or "text that is not YAML",
            expected="YAML",
            remedy="Mend the syntax.",
        ) from None
    except RecursionError:
        raise BadInputError(
            file,
            "the file as a whole",
            found="lists or keys nested too deeply",
            expected="a few levels",
            remedy="Close the brackets where they should end.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            file,
            "file",
            found=getattr(error, "strerror", None) or "bytes that are not UTF-8",
            expected="a text file in UTF-8",
            remedy="Mend the path or the file.",
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadInputError(
            file,
            "the file as a whole",
            found=f"a {type(content).__name__}",
            expected="keys with values",
            remedy="Write lines of the form key: value.",
        )
    return content


def config_layers(raw: Mapping[str, Any], files: Sequence[str | Path]) -> list[Layer]:
    """Tell the layers of a configuration apart, lowest first.

    Parameters
    ----------
    raw
        The configuration that came of them.
    files
        In any order: a file whose values are overruled lies below the one that overrules it.

    Returns
    -------
    list of Layer
        One per file, and on top what no file states: the command line's `--config`.

    Raises
    ------
    BadInputsError
        When a file cannot be read.
    """
    layers, faults = [], []
    for file in files:
        try:
            layers.append(Layer(str(file), read_yaml(file)))
        except BadInputError as fault:
            faults.append(fault)
    if faults:
        raise BadInputsError(faults)
    layers.sort(key=lambda layer: -_overruled(layer.content, raw))
    together: Any = {}
    for layer in layers:
        together = laid_over(together, layer.content)
    beyond = _beyond(raw, together)
    if beyond:
        # A module may be given part of its user's configuration: no file then states its keys.
        is_of_files = bool(files) and not together.keys().isdisjoint(raw)
        layers.append(Layer(COMMAND_LINE if is_of_files else "config", beyond))
    return layers


def laid_over(below: Any, above: Any) -> Any:
    """Lay settings over others: mappings key by key, everything else as a whole."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {
            key: laid_over(below.get(key), above[key]) if key in above else below[key]
            for key in [*below, *(key for key in above if key not in below)]
        }
    return above


class _EachKeyOnce(yaml.SafeLoader):
    """Plain YAML would keep the last of two values under one key without a word.

    It would read 010 as 8 and 1:30 as 90. Text that looks like a date or a number and is none
    would end in errors without a line, and so would a list that holds itself.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            found = "a list or a mapping that holds itself"
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark)
        try:
            # Deep: else what holds itself is only seen when it is too late.
            value = super().construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            kind = {"timestamp": "date", "int": "whole number", "float": "number"}.get(kind, kind)
            found = f"{node.value[:80]}, which is no {kind} (in quotes it is text)"
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark) from error
        if type(value) is int and re.match(r"[-+]?(0[\d_]|.*:)", node.value):
            found = f"{node.value}, which YAML reads as {value} (in quotes it is text)"
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} a second time", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _depth(content: Any, place: Place) -> int:
    """How many parts of a place are stated."""
    for depth, part in enumerate(place):
        within = isinstance(content, list) and isinstance(part, int) and part < len(content)
        if not within and not (isinstance(content, Mapping) and part in content):
            return depth
        content = content[part]
    return len(place)


def _overruled(content: Any, effective: Any) -> int:
    """How many values are not those that hold in the end."""
    if isinstance(content, Mapping) and isinstance(effective, Mapping):
        return sum(
            _overruled(value, effective[key]) for key, value in content.items() if key in effective
        )
    return int(not _same(content, effective))


def _beyond(effective: Mapping[str, Any], stated: Any) -> dict[str, Any]:
    """Values that hold but are not stated."""
    beyond: dict[str, Any] = {}
    for key, value in effective.items():
        if not isinstance(stated, Mapping) or key not in stated:
            beyond[key] = value
        elif isinstance(value, Mapping) and isinstance(stated[key], Mapping):
            inner = _beyond(value, stated[key])
            if inner:
                beyond[key] = inner
        elif not _same(value, stated[key]):
            beyond[key] = value
    return beyond


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; NaN, which equals nothing, is the same as NaN."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
