from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neurospect.errors import BadInputError
from neurospect.figures.layout import add_text, fit_text, new_figure, width_of
from neurospect.figures.page import figure_page
from neurospect.figures.preview import preview
from neurospect.figures.saving import save_figure
from neurospect.figures.style import paper_style
from neurospect.figures.trajectories import trajectory_figure
from neurospect.provenance.tags import read_recipe

RECIPE = "0123456789abcdef" * 4
SUFFIXES = (".png", ".svg", ".pdf")


@pytest.fixture
def save(
    spectra: Callable[..., xr.DataTree], differences: Callable[..., pd.DataFrame]
) -> Callable[[Path], list[Path]]:
    """Draw one page anew and write it in every format."""

    def draw_and_save(folder: Path) -> list[Path]:
        page = figure_page(
            "Digits",
            [
                {"name": "A", "title": "a", "kind": "trajectories", "data": spectra(1)},
                {"name": "B", "title": "b", "kind": "differences", "data": differences(1)},
            ],
        )
        paths = [folder / f"figure{suffix}" for suffix in SUFFIXES]
        save_figure(page, paths, RECIPE)
        return paths

    return draw_and_save


def test_a_figure_drawn_twice_has_the_same_bytes(
    tmp_path: Path, save: Callable[[Path], list[Path]]
) -> None:
    first, second = save(tmp_path / "first"), save(tmp_path / "second")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_png_of_few_colours_looks_like_the_drawing(
    tmp_path: Path, spectra: Callable[..., xr.DataTree]
) -> None:
    page = trajectory_figure(spectra(3, 30, 32), title="Digits")
    save_figure(page, [tmp_path / "few.png"], RECIPE)
    with paper_style():
        page.savefig(tmp_path / "all.png", dpi=300)
    with Image.open(tmp_path / "few.png") as few, Image.open(tmp_path / "all.png") as whole:
        assert few.mode == "P"
        assert few.info["dpi"] == whole.info["dpi"]
        shown, drawn = (np.asarray(each.convert("RGB"), dtype=int) for each in (few, whole))
    apart = np.abs(shown - drawn).max(axis=-1)
    assert apart.max() < 40
    assert np.quantile(apart, 0.99) < 16
    assert (shown[drawn.min(axis=-1) == 255] == 255).all()
    assert read_recipe(tmp_path / "few.png") == RECIPE


def test_a_png_of_all_colours_is_the_drawing_pixel_by_pixel(
    tmp_path: Path, differences: Callable[..., pd.DataFrame]
) -> None:
    page = figure_page(
        "Digits", [{"name": "B", "title": "b", "kind": "differences", "data": differences(2)}]
    )
    save_figure(page, [tmp_path / "kept.png"], RECIPE, all_colours=True)
    with paper_style():
        page.savefig(tmp_path / "all.png", dpi=300)
    with Image.open(tmp_path / "kept.png") as kept, Image.open(tmp_path / "all.png") as whole:
        shown, drawn = (np.asarray(each.convert("RGB")) for each in (kept, whole))
    np.testing.assert_array_equal(shown, drawn)
    assert read_recipe(tmp_path / "kept.png") == RECIPE


def test_a_preview_is_small_and_the_same_each_time(
    tmp_path: Path, save: Callable[[Path], list[Path]]
) -> None:
    figure = save(tmp_path)[0]
    small = preview(figure)
    assert small == preview(figure)
    with Image.open(BytesIO(small)) as shown, Image.open(figure) as whole:
        assert shown.format == "WEBP"
        assert shown.width == 720
        assert shown.height / shown.width == pytest.approx(whole.height / whole.width, rel=0.01)
    assert len(small) < figure.stat().st_size


def test_every_format_carries_the_recipe_and_no_date(
    tmp_path: Path, save: Callable[[Path], list[Path]]
) -> None:
    for path in save(tmp_path):
        assert read_recipe(path) == RECIPE
        data = path.read_bytes()
        assert b"CreationDate" not in data
        assert b"dc:date" not in data


def test_only_the_final_names_are_left(tmp_path: Path, save: Callable[[Path], list[Path]]) -> None:
    save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"figure{suffix}" for suffix in SUFFIXES
    )


def test_text_stays_text_in_svg_and_truetype_in_pdf(
    tmp_path: Path, save: Callable[[Path], list[Path]]
) -> None:
    _, svg, pdf = save(tmp_path)
    assert ">training step</text>" in svg.read_text(encoding="utf-8")
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()


def test_png_has_300_dots_per_inch(tmp_path: Path, save: Callable[[Path], list[Path]]) -> None:
    data = save(tmp_path)[0].read_bytes()
    start = data.index(b"pHYs") + 4
    across, down, unit = struct.unpack_from(">IIB", data, start)
    assert (across, down, unit) == (11811, 11811, 1)
    assert struct.unpack_from(">I", data, 16)[0] == pytest.approx(183 / 25.4 * 300, abs=1)


@pytest.mark.parametrize(("name", "recipe"), [("figure.tiff", RECIPE), ("figure.svg", "unknown")])
def test_an_unknown_format_or_recipe_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, recipe: str
) -> None:
    with pytest.raises(BadInputError):
        save_figure(new_figure(20, 20), [tmp_path / "figure.png", tmp_path / name], recipe)
    assert list(tmp_path.iterdir()) == []


def test_the_style_neither_follows_nor_leaves_global_settings() -> None:
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        with paper_style():
            assert mpl.rcParams["font.size"] == 7
            assert mpl.rcParams["axes.facecolor"] == "white"
        assert mpl.rcParams["font.size"] == 30


def test_drawing_needs_no_torch_and_no_window_system() -> None:
    program = (
        "import sys; import neurospect.figures.page, neurospect.figures.difference_figure; "
        "print([m for m in ('torch', 'matplotlib.pyplot', 'neurospect.stats') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@given(st.text(st.characters(categories=["L", "N"], max_codepoint=0x17F), min_size=1, max_size=60))
def test_fitted_text_is_narrow_enough_and_keeps_both_ends(name: str) -> None:
    with paper_style():
        text = fit_text(add_text(new_figure(80, 10), 0, 0, name), 20.0)
        assert width_of(text) <= 20
    shown = text.get_text()
    if shown != name:
        head, tail = shown.split("…")
        assert name.startswith(head)
        assert name.endswith(tail)
        assert np.ptp([len(head), len(tail)]) <= 1


def test_a_shorter_wording_is_preferred_to_a_cut() -> None:
    with paper_style():
        text = add_text(new_figure(80, 10), 0, 0, "0.weight (784 → 32)")
        assert fit_text(text, 15.0, "0.weight").get_text() == "0.weight"
