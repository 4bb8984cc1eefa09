"""The lettered panels of a page: what each shows, and what must be known to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.clusters import check_clusters
from neurospect.figures.gradient_values import WHOLE_BATCH, thinned, weight_nodes
from neurospect.figures.group_differences import compared_groups, target_words, weights_of
from neurospect.figures.weights import chosen_weights, layer_words

MOST_WEIGHTS, CHOSEN = 4, 3
"""Weights that a panel shows all of; and how many it shows where there are more."""


@dataclass(frozen=True)
class Panel:
    """One lettered panel: axes for each weight, of trajectories or of differences.

    Attributes
    ----------
    name, title
        Its letter, and what was trained.
    weights, hidden
        The weights shown, and how many more there are.
    words
        Weight → layer in words.
    nodes
        Weight → spectra at the steps to be drawn; empty for differences.
    recorded_steps
        Steps recorded, of which some are drawn.
    table, clusters, cells
        Of the permutation test and the cluster test; None for trajectories.
    group
        Whose trajectories.
    """

    name: str
    title: str
    weights: tuple[str, ...]
    hidden: int
    words: Mapping[str, str]
    nodes: Mapping[str, xr.Dataset]
    recorded_steps: int = 0
    table: pd.DataFrame | None = None
    clusters: pd.DataFrame | None = None
    cells: pd.DataFrame | None = None
    group: str = WHOLE_BATCH

    @property
    def kind(self) -> str:
        """What is drawn."""
        return "trajectories" if self.table is None else "differences"

    def notes(self, width: float) -> list[str]:
        """Say what must be known to judge the panel, in lines at most `width` mm wide."""
        notes = []
        if self.table is None and self.group != WHOLE_BATCH:
            notes.append(f"group {self.group}")
        if self.table is not None:
            note = "groups {} and {}".format(*compared_groups(self.table))
            target = target_words(self.table)
            notes.append(f"{note}; {target}" if target else note)
        if self.hidden:
            notes.append(f"first, middle, last; and {self.hidden} more: see the panel's own figure")
        return keys.wrapped(notes, width)


def read_panel(fields: Mapping[str, Any], place: int) -> Panel:
    """Read one panel of a page, or say what is wrong with it.

    Of more than `MOST_WEIGHTS` weights `CHOSEN` are shown: first, middle and last in the order of
    the model, so that panels of one kind of model show the same.

    Parameters
    ----------
    fields
        As in `neurospect.figures.page.figure_page`.
    place
        Of the panel, counted from 0, for the error.

    Raises
    ------
    BadInputError
        If a field is missing, or the data are not of the panel's kind.
    """
    missing = [name for name in ("name", "title", "kind", "data") if name not in fields]
    if missing:
        raise BadInputError(
            "figure page",
            f"panel {place + 1}",
            found=f"no {', '.join(missing)}",
            expected="name, title, kind and data",
            remedy="Give every panel these fields.",
        )
    name, title = str(fields["name"]), str(fields["title"])
    kind, data, words = fields["kind"], fields["data"], fields.get("words")
    if kind == "trajectories" and isinstance(data, xr.DataTree):
        every = weight_nodes(data)
        shown = _shown(list(every))
        return Panel(
            name, title, tuple(shown), len(every) - len(shown), layer_words(list(every), words),
            {weight: thinned(every[weight]) for weight in shown},
            recorded_steps=max(every[weight].sizes["step"] for weight in shown),
            group=str(fields.get("group", WHOLE_BATCH)),
        )  # fmt: skip
    if kind == "differences" and isinstance(data, pd.DataFrame):
        clusters, cells = fields.get("clusters"), fields.get("cells")
        check_clusters(clusters, cells)
        weights = weights_of(data)
        shown = _shown(weights)
        return Panel(
            name, title, tuple(shown), len(weights) - len(shown), layer_words(weights, words), {},
            table=data, clusters=clusters, cells=cells,
        )  # fmt: skip
    raise BadInputError(
        "figure page",
        f"panel {name}",
        found=f"kind {kind!r} with data of type {type(data).__name__}",
        expected='"trajectories" with a DataTree, or "differences" with a DataFrame',
        remedy="Hand over the spectra, or the table of the permutation test.",
    )


def _shown(weights: list[str]) -> list[str]:
    return weights if len(weights) <= MOST_WEIGHTS else chosen_weights(weights, CHOSEN)
