"""Figures carry their recipe id in bytes that do not depend on the day."""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from neurospect.errors import BadInputError
from neurospect.provenance.tags import FIGURE_SUFFIXES, figure_metadata, read_recipe

RECIPE = "0123456789abcdef" * 4


def draw(path: Path, metadata: dict[str, str | None] | None) -> bytes:
    with matplotlib.rc_context({"svg.hashsalt": "fixed"}):
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2])
        figure.savefig(path, metadata=metadata)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_a_figure_gives_back_the_recipe_that_it_was_drawn_with(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"figure{suffix}"
    draw(path, figure_metadata(RECIPE, suffix))
    assert read_recipe(path) == RECIPE
    draw(path, None)
    assert read_recipe(path) is None


def test_a_figure_drawn_again_later_has_the_same_bytes(tmp_path: Path) -> None:
    def drawn() -> list[bytes]:
        return [
            draw(tmp_path / f"x{suffix}", figure_metadata(RECIPE, suffix))
            for suffix in FIGURE_SUFFIXES
        ]

    first = drawn()
    time.sleep(1.1)  # Dates in figures count whole seconds.
    assert drawn() == first


def test_the_kind_of_a_figure_is_known_by_content(tmp_path: Path) -> None:
    draw(tmp_path / "a.pdf", figure_metadata(RECIPE, ".pdf"))
    assert read_recipe((tmp_path / "a.pdf").rename(tmp_path / "a.png")) == RECIPE


def test_a_figure_saved_again_by_an_editor_loses_or_keeps_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw(path, figure_metadata(RECIPE, ".png"))
    with Image.open(path) as image:
        image.save(tmp_path / "dropped.png")
    assert read_recipe(tmp_path / "dropped.png") is None
    path.write_bytes(path.read_bytes() + b"appended")
    assert read_recipe(path) == RECIPE


@pytest.mark.parametrize(
    "subject",
    [
        b"(neurospect-recipe:" + RECIPE.encode() + b")",
        b"<"
        + b"\xfe\xff".hex().encode()
        + f"neurospect-recipe:{RECIPE}".encode("utf-16-be").hex().encode()
        + b">",
    ],
)
def test_a_pdf_subject_is_read_as_editors_write_it_and_the_last_one_holds(
    tmp_path: Path, subject: bytes
) -> None:
    path = tmp_path / "a.pdf"
    older = b"/Subject (neurospect-recipe:" + b"f" * 64 + b")"
    path.write_bytes(b"%PDF-1.4\n<< " + older + b" >>\n<< /Subject " + subject + b" >>\n")
    assert read_recipe(path) == RECIPE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfftEXt",
        b"%PDF-1.4 /Subject (neurospect-recipe:short)",
        b"<svg><metadata>",
        b"\x00\x01\x02",
        b"<svg>neurospect-recipe:" + RECIPE.encode() + b"</svg>",
        *(
            b'<?xml version="1.0" encoding="' + encoding + b'"?><svg></svg>'
            for encoding in (b"big5", b"utf-32", b"foo")
        ),
    ],
)
def test_a_figure_cut_short_or_foreign_has_no_recipe(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    assert read_recipe(path) is None


def test_what_cannot_carry_an_id_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"'\.jpg'"):
        figure_metadata(RECIPE, ".jpg")
    with pytest.raises(BadInputError, match="'abc'"):
        figure_metadata("abc", ".png")
