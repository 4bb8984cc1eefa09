"""Figures of a real training: an LSTM, four groups by diagnosis and sex, nine weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from neurospect.figures.difference_figure import difference_figure
from neurospect.figures.effect_size_figure import effect_size_figure
from neurospect.figures.page import figure_page
from neurospect.figures.trajectories import trajectory_figure
from neurospect.figures.trajectory_table import trajectory_table
from neurospect.spectra.label_permutation import permuted_differences
from neurospect.spectra.monitored_training import Monitoring, train_with_spectra
from neurospect.stats.cluster_differences import cluster_tables
from neurospect.stats.effect_sizes import effect_sizes
from neurospect.stats.group_differences import permutation_table, t_test_table, weight_table
from neurospect.training.loop import TrainingPlan

GROUPS = ["patient female", "patient male", "control female", "control male"]
COMPARED = [GROUPS[0], GROUPS[2]]


@pytest.fixture(scope="module")
def trained() -> tuple[xr.DataTree, dict[str, Any]]:
    """Spectra of an LSTM whose patients have larger signals, and the tables of its statistics."""
    random = np.random.default_rng(0)
    group = np.tile(GROUPS, 12)
    signals = random.normal(size=(48, 8, 5)).astype(np.float32)
    signals[np.char.startswith(group, "patient")] *= 3
    split = np.where(np.arange(48) < 40, "training", "validation")
    done = train_with_spectra(
        pd.DataFrame({"group": group, "split": split}),
        signals,
        target="group",
        family="lstm",
        architecture={"widths": [6]},
        plan=TrainingPlan("autoencoding", 12, 0.01, seed=1),
        monitoring=Monitoring("group", GROUPS, 1, 6, COMPARED, 5, 4),
    )
    differences = permuted_differences(done.blocks, COMPARED, permutations=60, seed=1)
    judged = {"alpha": 0.05}
    clusters, cells = cluster_tables(differences, forming=1.5, **judged)
    tables = {
        "table": permutation_table(differences, **judged),
        "t_tests": t_test_table(done.spectra, COMPARED),
        "clusters": clusters,
        "cells": cells,
        "weights": weight_table(differences, **judged),
        "effects": effect_sizes(differences),
    }
    return done.spectra, tables


Trained = tuple[xr.DataTree, dict[str, Any]]
Clashes = Callable[[Figure], list[str]]


def test_trajectories_of_nine_weights_and_four_groups_are_readable(
    trained: Trained, clashes: Clashes
) -> None:
    figure = trajectory_figure(trained[0], title="Auto-encoding, [6]")
    assert clashes(figure) == []
    names = [text for text in figure.texts if text.get_gid() == "value label"]
    assert [text.get_text() for text in names] == ["singular value, mean scale (loss / weight)"]
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["whole batch\nn = 40", *(f"{group}\nn = 10" for group in GROUPS)]


def test_the_table_of_trajectories_holds_all_nine_weights(trained: Trained) -> None:
    table = trajectory_table(trained[0])
    ranks = [node.sizes["rank"] for node in trained[0].children.values()]
    assert len(ranks) == 9
    assert len(table) == sum(ranks) * 12 * 5
    assert table["layer"].nunique() == 9


def test_maps_of_nine_weights_with_clusters_are_readable(
    trained: Trained, clashes: Clashes
) -> None:
    tables = {name: table for name, table in trained[1].items() if name != "effects"}
    figure = difference_figure(tables.pop("table"), title="Auto-encoding, [6]", **tables)
    assert clashes(figure) == []
    outlined = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "clusters"]
    assert len(outlined) == 9
    found = bool((tables["clusters"]["p"] <= 0.05).any())
    assert found
    assert any(lines.get_segments() for lines in outlined)


def test_effects_of_nine_weights_are_readable(trained: Trained, clashes: Clashes) -> None:
    tables = trained[1]
    assert clashes(effect_size_figure(tables["effects"], tables["weights"], title="A")) == []


def test_a_page_of_eight_panels_of_recurrent_models_is_readable(
    trained: Trained, clashes: Clashes
) -> None:
    spectra, tables = trained
    maps = {name: tables[name] for name in ("clusters", "cells")} | {"data": tables["table"]}
    panels = [
        {"name": letter, "title": "Auto-encoding, [6]"}
        | (
            {"kind": "trajectories", "data": spectra}
            if letter < "G"
            else maps | {"kind": "differences"}
        )
        for letter in "ABCDEFGH"
    ]
    figure = figure_page("LSTMs on time courses", panels)
    assert figure.get_size_inches()[1] * 25.4 <= 247.001
    assert clashes(figure) == []
