"""The tables beside a page hold what the page draws, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurospect.figures.page import figure_page
from neurospect.figures.page_tables import (
    PAGE_TRAJECTORY_COLUMNS,
    PANEL,
    page_differences,
    page_trajectories,
)


@pytest.fixture
def panels(
    spectra: Callable[..., xr.DataTree], differences: Callable[..., pd.DataFrame]
) -> list[dict[str, Any]]:
    return [
        {"name": "A", "title": "a", "kind": "trajectories", "data": spectra(2)},
        {"name": "F", "title": "f", "kind": "trajectories", "data": spectra(7)},
        {"name": "G", "title": "g", "kind": "differences", "data": differences(6)},
    ]


def test_the_table_of_a_page_holds_every_line_that_is_drawn(panels: list[dict[str, Any]]) -> None:
    table = page_trajectories(panels)
    assert list(table.columns) == list(PAGE_TRAJECTORY_COLUMNS)
    drawn = [
        np.asarray(line.get_ydata(), dtype=float)
        for axes in figure_page("Digits", panels).axes
        for line in axes.lines
        if str(line.get_gid()).startswith("rank")
    ]
    lines = [
        rows["value"].where(~rows["under_noise_floor"]).to_numpy()
        for _, rows in table.groupby(["panel", "weight", "rank"], sort=False)
    ]
    assert len(drawn) == len(lines) == (2 + 3) * 4
    assert {each.tobytes() for each in drawn} == {each.tobytes() for each in lines}


def test_of_many_weights_the_tables_hold_those_that_the_page_shows(
    panels: list[dict[str, Any]],
) -> None:
    lines = page_trajectories(panels).query("panel == 'F'")
    assert lines["weight"].unique().tolist() == ["0.weight", "6.weight", "12.weight"]
    assert set(lines["group"]) == {"all"}
    cells = page_differences(panels)
    assert cells["weight"].unique().tolist() == ["0.weight", "4.weight", "10.weight"]
    whole = panels[2]["data"]
    shown = whole[whole["weight"].isin(cells["weight"])]
    assert cells.drop(columns="panel").reset_index(drop=True).equals(shown.reset_index(drop=True))


def test_a_page_without_panels_of_a_kind_has_an_empty_table(panels: list[dict[str, Any]]) -> None:
    assert page_differences(panels[:2]).columns.to_list() == list(PANEL)
    assert page_trajectories(panels[2:]).columns.to_list() == list(PAGE_TRAJECTORY_COLUMNS)
    assert page_trajectories(panels[2:]).empty
