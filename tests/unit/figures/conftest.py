from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SIZES = {"all": 10, "0": 4, "1": 6}


@pytest.fixture
def spectra() -> Callable[..., xr.DataTree]:
    """Build spectra of random but fixed values: weights, steps and ranks as asked for."""

    def build(weights: int = 2, steps: int = 12, ranks: int = 4) -> xr.DataTree:
        random = np.random.default_rng(weights)
        nodes = {}
        for number in range(weights):
            values = np.sort(random.lognormal(-6, 2, (steps, len(SIZES), ranks)))[..., ::-1]
            nodes[f"/{2 * number}.weight"] = xr.Dataset(
                {
                    "gradient": (("step", "group", "rank"), values),
                    "noise_floor": (("step", "group"), values[..., 0] * 1e-3),
                },
                coords={
                    "step": np.arange(steps),
                    "group": np.array(list(SIZES), dtype=object),
                    "rank": np.arange(1, ranks + 1),
                },
                attrs={
                    "scale": "contribution",
                    "group_names": list(SIZES),
                    "group_sizes": list(SIZES.values()),
                    "weight_shape": [ranks, 7],
                },
            )
        return xr.DataTree.from_dict(nodes)

    return build


@pytest.fixture
def differences() -> Callable[..., pd.DataFrame]:
    """Build a table of a permutation test with random but fixed values."""

    def build(weights: int = 2, ranks: int = 5, *, target: str = "no") -> pd.DataFrame:
        random = np.random.default_rng(ranks)
        rows = [
            (f"{2 * number}.weight", step, rank)
            for number in range(weights)
            for step in (0, 1, 3, 9, 30, 99)
            for rank in range(1, ranks + 1)
        ]
        table = pd.DataFrame(rows, columns=["weight", "step", "rank"])
        table["group_a"], table["group_b"] = 0, 3
        table["log2_ratio"] = random.normal(0, 0.6, len(table)).clip(-1.9, 1.9)
        table["tested"] = table["rank"] < ranks
        table["p"] = np.where(table["tested"], random.uniform(0, 0.2, len(table)), np.nan)
        table["threshold"], table["alpha"], table["relabelings"] = 4.0999, 0.05, 1000
        table["retrained"], table["exchanged"] = False, "among all samples"
        table["blocks"], table["never_exchanged"], table["target"] = 24, 0, target
        return table

    return build


@pytest.fixture
def clusters() -> Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]:
    """Build the tables of a cluster test that fit a table of differences.

    Cluster 1 is an L of three cells and significant; cluster 2 is a cell beside it and is not.
    """

    def build(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        cells = table[["weight", "step", "rank"]].assign(cluster=0)
        first = cells["weight"] == "0.weight"
        for step, rank, number in ((1, 1, 1), (3, 1, 1), (1, 2, 1), (3, 2, 2)):
            cells.loc[first & (cells["step"] == step) & (cells["rank"] == rank), "cluster"] = number
        judged = {"alpha": 0.05, "forming": 1.5, "relabelings": 300, "threshold": 9.0}
        return pd.DataFrame({"cluster": [1, 2], "p": [0.01, 0.3]}).assign(**judged), cells

    return build


@pytest.fixture
def weight_tests() -> pd.DataFrame:
    """Build a table of the tests of two weights, the second without tested cells."""
    rows = [("0.weight", 0.0004, 0.002), ("2.weight", np.nan, np.nan)]
    return pd.DataFrame(rows, columns=["weight", "p", "q"]).assign(alpha=0.05)


@pytest.fixture
def t_tests() -> pd.DataFrame:
    """Build a table of the two t-tests, fitting `differences` of two weights and five ranks."""
    rows = []
    for weight in ("0.weight", "2.weight"):
        rows += [(weight, "per step", step, pd.NA, 0.1 ** (step / 50)) for step in range(100)]
        rows += [(weight, "per singular value", pd.NA, rank, 0.1**rank) for rank in range(1, 6)]
    return pd.DataFrame(rows, columns=["weight", "test", "step", "rank", "p"])


@pytest.fixture
def drawn_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Figure], list[Text]]]:
    """Draw a figure and collect the texts that really are on it."""
    found: list[Text] = []
    draw = Text.draw

    def remember(self: Text, renderer: object, *args: object, **options: object) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append(self)
        draw(self, renderer, *args, **options)

    monkeypatch.setattr(Text, "draw", remember)

    def collect(figure: Figure) -> list[Text]:
        found.clear()
        FigureCanvasAgg(figure).draw()
        return list(dict.fromkeys(found))

    yield collect


@pytest.fixture
def clashes(drawn_texts: Callable[[Figure], list[Text]]) -> Callable[[Figure], list[str]]:
    """Name texts that overlap one another or leave the figure."""

    def find(figure: Figure) -> list[str]:
        texts = drawn_texts(figure)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
        room, faults = figure.bbox, []
        for place, (name, box) in enumerate(boxes):
            if box.x0 < 0 or box.y0 < 0 or box.x1 > room.x1 or box.y1 > room.y1:
                faults.append(f"{name!r} leaves the figure")
            for other, beside in boxes[:place]:
                across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
                down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
                # The box of a line has room for ascenders that few words use.
                if across > 1 and down > 3:
                    faults.append(f"{name!r} overlaps {other!r}")
        return faults

    return find
