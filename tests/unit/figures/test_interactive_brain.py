from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.interactive_brain import MOST, interactive_brain_html

TITLE = "HCP <task> & maps"


def grid() -> VoxelGrid:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = (-76, -110, -76)
    return VoxelGrid(np.ones((20, 25, 21), dtype=bool), affine)


def blob(centre: tuple[float, float, float]) -> np.ndarray:
    at = np.argwhere(grid().mask) @ grid().affine[:3, :3].T + grid().affine[:3, 3]
    return np.asarray(np.exp(-((at - centre) ** 2).sum(axis=1) / (2 * 14.0**2)))


def panels(count: int = 1) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "criterion": "class_informative",
            "column": [f"task {number}" for number in range(count)],
            "kind": "saliency",
            "decoder": "network",
            "method": "gradient_x_input",
            "correlation": 0.434,
        }
    )


def maps() -> np.ndarray:
    return 3e-5 * (blob((-44, -22, 28)) - 0.6 * blob((44, -22, 28)))[np.newaxis]


class Page(HTMLParser):
    """Frames and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.frames: list[str] = []
        self.words = ""
        self.shared: list[str] = []
        self.inside: str | None = None
        self.feed(text)
        for number, part in enumerate(self.shared):
            self.frames = [frame.replace(f"%SHARED-{number}%", part) for frame in self.frames]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "iframe":
            self.frames.append(str(dict(attrs)["data-page"]))
        self.inside = dict(attrs).get("class") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self.inside == "shared":
            self.shared.append(data)
        else:
            self.words += data


@pytest.fixture(scope="module")
def page() -> str:
    return interactive_brain_html(maps(), grid(), panels(), title=TITLE)


def test_the_page_names_every_map(page: str) -> None:
    words = Page(page).words
    assert "task 0, network, gradient × input" in words
    assert "r = .43; colours: ±" in words
    assert TITLE in words


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    (frame,) = Page(page).frames
    markup = re.sub(r"<script>.*?</script>", "", frame, flags=re.DOTALL)
    for text in (markup, re.sub(r'data-page="[^"]*"', "", page)):
        assert re.findall(r"\b(?:src|href)=[\"'](?!data:)", text) == []
        assert "http" not in text
    # Both libraries of the view are inside it.
    assert frame.count("<script>") >= 3
    assert len(frame) - len(markup) > 90_000


def parameters_of(page: str) -> dict[str, Any]:
    """What the view of a page is told."""
    (frame,) = Page(page).frames
    told: dict[str, Any] = json.loads(re.findall(r"brainsprite\((\{.*?\})\);", frame)[0])
    return told


def factor(title: str | None) -> float:
    """Of a title such as colours × 10⁻⁵."""
    raised = (title or "colours × 10⁰").removeprefix("colours × 10")
    return float(10.0 ** int(unicodedata.normalize("NFKC", raised).replace("−", "-")))


def test_colours_end_at_the_extreme_of_the_map_and_are_symmetric(page: str) -> None:
    told = parameters_of(page)
    limit = np.percentile(np.abs(maps()), 99.9999)
    assert told["title"] == "colours × 10⁻⁵"
    assert told["colorMap"]["max"] * 1e-5 == pytest.approx(limit)
    assert told["colorMap"]["min"] * 1e-5 == pytest.approx(-limit)


@pytest.mark.parametrize(
    ("largest", "title"),
    [
        (4.56e-42, "colours × 10⁻⁴²"),
        (9.97e-3, "colours × 10⁻²"),
        (0.0123, None),
        (987.0, None),
        (1234.0, "colours × 10³"),
    ],
)
def test_the_numbers_at_the_colours_say_the_extreme_of_the_map_with_two_digits(
    monkeypatch: pytest.MonkeyPatch, largest: float, title: str | None
) -> None:
    monkeypatch.setattr("neurospect.figures.interactive_brain.BACKGROUND_MM", 8)
    values = maps() * (largest / np.percentile(np.abs(maps()), 99.9999))
    page = interactive_brain_html(values, grid(), panels(), title=TITLE)
    told = parameters_of(page)
    assert told["title"] == title
    for end in ("min", "max"):
        # As the view writes it.
        said = float(f"{told['colorMap'][end]:.3f}")
        assert abs(said) * factor(title) == pytest.approx(largest, rel=0.05)
    (above,) = re.findall(r"colours: ±(\S+)", Page(page).words)
    assert float(above.replace("−", "-")) == pytest.approx(largest, rel=0.05)


def sprite_of(page: str) -> np.ndarray:
    """Colours of the map's voxels, cut after cut."""
    (frame,) = Page(page).frames
    data = re.findall(r'id="overlayImg".*?base64,([^"]+)"', frame, re.DOTALL)[0]
    return np.asarray(matplotlib.image.imread(BytesIO(b64decode(data)), format="png"))


def test_scaled_or_not_the_same_voxels_are_coloured_alike(page: str) -> None:
    other = interactive_brain_html(maps() * 1e5, grid(), panels(), title=TITLE)
    np.testing.assert_allclose(sprite_of(page), sprite_of(other), atol=2 / 255)


def test_the_largest_values_are_coloured_where_they_lie(page: str) -> None:
    parameters, sprite = parameters_of(page), sprite_of(page)
    size = [parameters["nbSlice"][axis] for axis in "XYZ"]
    across = sprite.shape[1] // size[1]

    def colour(place: tuple[float, float, float]) -> np.ndarray:
        voxel = np.linalg.inv(parameters["affine"]) @ [*place, 1]
        x, y, z = (round(value) for value in voxel[:3])
        row, column = divmod(x, across)
        return np.asarray(sprite[row * size[2] + size[2] - 1 - z, column * size[1] + y])

    red, _, blue, opaque = colour((-44, -22, 28))
    assert opaque == 1
    assert red > blue + 0.3
    red, _, blue, opaque = colour((44, -22, 28))
    assert opaque == 1
    assert blue > red + 0.1
    assert colour((0, 50, -20))[3] == 0


def test_the_same_maps_give_the_same_text(page: str) -> None:
    assert interactive_brain_html(maps(), grid(), panels(), title=TITLE) == page


def test_a_page_of_as_many_maps_as_can_be_is_shown_inside_a_report() -> None:
    """Browsers show no address of more than 2 MiB, and a report holds pages as such, in base64."""
    noise = np.random.default_rng(0).normal(size=(MOST, grid().voxels))
    page = interactive_brain_html(noise, grid(), panels(MOST), title=TITLE)
    assert len(page.encode()) * 4 / 3 < 2**21
    frames = Page(page).frames
    assert len(frames) == MOST
    for frame in frames:
        assert frame.count("<script>") >= 3
        assert not re.search(r"%SHARED-\d+%", frame)


def test_a_map_of_zeros_has_words_and_no_view() -> None:
    page = Page(interactive_brain_html(0 * maps(), grid(), panels(), title=TITLE))
    assert page.frames == []
    assert "all zero" in page.words


def test_too_many_maps_or_none_are_refused_before_any_is_drawn() -> None:
    with pytest.raises(BadInputError, match="at most 8"):
        interactive_brain_html(
            np.tile(maps(), (MOST + 1, 1)), grid(), panels(MOST + 1), title=TITLE
        )
    with pytest.raises(BadInputError, match="at least one"):
        interactive_brain_html(maps()[:0], grid(), panels(0), title=TITLE)
    with pytest.raises(BadInputError, match="not finite"):
        interactive_brain_html(maps() * np.nan, grid(), panels(), title=TITLE)
