"""The recipe id that a figure carries inside its own bytes."""

from __future__ import annotations

import re
import struct
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

from neurospect.errors import BadInputError

KEY = "neurospect-recipe"
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")

_PNG = b"\x89PNG\r\n\x1a\n"
_RECIPE = re.compile(r"[0-9a-f]{64}")
_PREFIXED = re.compile(rf"\s*{KEY}:([0-9a-f]{{64}})\s*")
_SUBJECT = re.compile(rb"/Subject\s*(?:\(([^)]*)\)|<([0-9A-Fa-f\s]*)>)")
_IDENTIFIER = "{http://purl.org/dc/elements/1.1/}identifier"


def figure_metadata(recipe: str, suffix: str) -> dict[str, str | None]:
    """Metadata with which matplotlib writes a recipe id, and no date, into a figure.

    Parameters
    ----------
    recipe
        Recipe id of the job that draws the figure.
    suffix
        ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    dict
        For ``savefig(..., metadata=...)``. The same drawing gives the same bytes; for SVG this
        needs a fixed ``svg.hashsalt`` as well.

    Raises
    ------
    BadInputError
        The id is not 64 hexadecimal digits, or the format can carry no id.
    """
    if not _RECIPE.fullmatch(recipe):
        raise BadInputError(
            "figure_metadata",
            "recipe",
            found=repr(recipe),
            expected="a recipe id of 64 hexadecimal digits",
            remedy="Hand over the recipe of the job, `job.recipe`.",
        )
    if suffix == ".png":
        return {KEY: recipe}
    if suffix == ".svg":
        return {"Date": None, "Identifier": f"{KEY}:{recipe}"}
    if suffix == ".pdf":
        return {"CreationDate": None, "Subject": f"{KEY}:{recipe}"}
    raise BadInputError(
        "figure_metadata",
        "suffix",
        found=repr(suffix),
        expected=" or ".join(FIGURE_SUFFIXES),
        remedy="Write figures in a format that can carry its recipe id.",
    )


def read_recipe(path: str | Path) -> str | None:
    """Recipe id inside a PNG, SVG or PDF, known by content; None where there is none."""
    data = Path(path).read_bytes()
    if data.startswith(_PNG):
        return _recipe_in_png(data)
    if data.startswith(b"%PDF"):
        return _recipe_in_pdf(data)
    return _recipe_in_svg(data)


def _recipe_in_png(data: bytes) -> str | None:
    start = len(_PNG)
    while start + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == b"tEXt":
            key, _, value = data[start + 8 : start + 8 + length].partition(b"\0")
            text = value.decode("latin-1")
            if key.decode("latin-1") == KEY and _RECIPE.fullmatch(text):
                return text
        start += length + 12
    return None


def _recipe_in_svg(data: bytes) -> str | None:
    try:
        for _, element in ElementTree.iterparse(BytesIO(data)):
            found = _PREFIXED.fullmatch(element.text or "")
            if element.tag == _IDENTIFIER and found:
                return found[1]
    except (ElementTree.ParseError, ValueError, LookupError):
        # no XML, or in an encoding that the parser does not read or know
        pass
    return None


def _recipe_in_pdf(data: bytes) -> str | None:
    # An editor appends its changes: the last subject is the one that holds.
    for plain, coded in reversed(_SUBJECT.findall(data)):
        raw = plain
        if coded:
            digits = b"".join(coded.split()).decode()
            raw = bytes.fromhex(digits + "0" * (len(digits) % 2))
        text = raw.decode(
            "utf-16" if raw[:2] in (b"\xfe\xff", b"\xff\xfe") else "latin-1", "replace"
        )
        found = _PREFIXED.fullmatch(text)
        if found:
            return found[1]
    return None
