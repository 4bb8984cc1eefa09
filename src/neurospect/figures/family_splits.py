"""Training, validation and test: how large they are, which families and classes they hold."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neurospect.errors import BadInputError
from neurospect.figures.categories import category_colours, dark
from neurospect.figures.keys import LINE
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import LARGE, NOISE_TEXT, PAGE_WIDTH, SMALL, paper_style
from neurospect.preprocess.splits import SPLITS

UNKNOWN, OTHERS = "unknown", "others"
MOST_CLASSES, MOST_SIZES = 11, 12
"""Classes and family sizes that are shown by themselves; what lies beyond is put together."""
WIDE, LEFT, RIGHT = 67.0, 16.0, 4.0
"""Width of a panel's axes and margins of the figure, mm."""
BAR, HIGH = 5.0, 27.0
"""Height of a split's bar with its gap below, and of the upper panels, mm."""


@paper_style()
def family_split_figure(
    splits: pd.DataFrame,
    participants: pd.DataFrame,
    *,
    classes: Sequence[str] = ("diagnosis", "sex"),
    title: str = "",
) -> Figure:
    """Draw the sizes of the splits, their families and the balance of classes.

    Parameters
    ----------
    splits
        One row per participant: `participant_id`, `component` (the family that stays together)
        and `split`.
    participants
        One row per participant: `participant_id`, and columns of classes.
    classes
        Columns of classes to show; those that `participants` lacks are passed over.
    title
        Which cohort; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide: above, participants and families of each split, and how large the families
        are; below, one panel for each column of classes.

    Raises
    ------
    BadInputError
        If a column is missing, or a participant of `splits` is not in `participants`.
    """
    _check(splits, participants)
    names = _split_names(splits)
    known = participants.drop_duplicates("participant_id").set_index("participant_id")
    levels = {
        _words(name): _levels(known[name].reindex(splits["participant_id"]))
        for name in classes
        if name in participants
    }
    places = (LEFT, PAGE_WIDTH - RIGHT - WIDE)
    head = 8.0 if title else 2.0
    second = head + HIGH + 13.0
    lines = max((_places_of_classes(one)[-1][2] + 1 for one in levels.values()), default=0)
    row_height = BAR * len(names) + 15.0 + lines * LINE
    figure = new_figure(PAGE_WIDTH, second + ceil(len(levels) / 2) * row_height)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    _draw_sizes(add_axes(figure, places[0], head + 2.0, WIDE, HIGH), splits, names)
    _draw_families(add_axes(figure, places[1], head + 2.0, WIDE, HIGH), splits, names)
    for place, (name, one) in enumerate(levels.items()):
        row, column = divmod(place, 2)
        left, top = places[column], second + row * row_height
        fit_text(add_text(figure, left, top, name, weight="bold"), WIDE)
        axes = add_axes(figure, left, top + 4.0, WIDE, BAR * len(names))
        _draw_balance(axes, one, splits["split"].to_numpy(), names)
        _list_classes(figure, one, left, top + 12.0 + BAR * len(names))
    return figure


def _check(splits: pd.DataFrame, participants: pd.DataFrame) -> None:
    for name, table, needed in (
        ("splits", splits, ("participant_id", "component", "split")),
        ("participants", participants, ("participant_id",)),
    ):
        missing = [column for column in needed if column not in table]
        if missing or table.empty:
            raise BadInputError(
                name,
                "columns" if missing else "rows",
                found=f"no {', no '.join(missing)}" if missing else "none",
                expected=", ".join(needed) if missing else "one for each participant",
                remedy="Give the table that the split of the cohort wrote.",
            )
    strangers = sorted(set(splits["participant_id"]) - set(participants["participant_id"]))
    if strangers:
        raise BadInputError(
            "participants",
            "participant_id",
            found=f"no row for {strangers[0]}, nor for {len(strangers) - 1} others",
            expected="a row for each participant of the splits",
            remedy="Give the participants and the splits of the same cohort.",
        )


def _split_names(splits: pd.DataFrame) -> list[str]:
    """Name the splits that hold anyone, in the usual order."""
    found = list(dict.fromkeys(splits["split"]))
    return [*(s for s in SPLITS if s in found), *(s for s in found if s not in SPLITS)]


def _words(column: str) -> str:
    return column.replace("_", " ")


def _draw_sizes(axes: Axes, splits: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the participants of each split as bars, with their number and that of families."""
    people = splits["split"].value_counts()
    families = splits.groupby("split")["component"].nunique()
    for place, (name, colour) in enumerate(zip(names, category_colours(len(names)), strict=True)):
        bar = Rectangle((0, place + 0.5), people[name], 0.4, color=colour, linewidth=0)
        bar.set_gid(f"size {name}")
        axes.add_patch(bar)
        words = f"{people[name]:,} participants"
        if families[name] < people[name]:
            words += f", {families[name]:,} famil{'y' if families[name] == 1 else 'ies'}"
        axes.text(0, place + 0.26, words, size=SMALL, va="center")
    _name_splits(axes, names, 0.7)
    axes.set(xlim=(0, people.max()), xlabel="participants")


def _name_splits(axes: Axes, names: Sequence[str], middle: float) -> None:
    axes.set_ylim(len(names), 0)
    axes.set_yticks([place + middle for place in range(len(names))], names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_families(axes: Axes, splits: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw which share of each split's participants belongs to families of which size."""
    sizes = splits.groupby("component")["participant_id"].transform("size")
    found = sorted(set(sizes))
    if found == [1]:
        words = "each participant is a family of its own"
        axes.text(0.5, 0.5, words, size=SMALL, ha="center", color=NOISE_TEXT)
        axes.set_axis_off()
        return
    largest = found[-1]
    if len(found) > MOST_SIZES:
        sizes = sizes.clip(upper=found[MOST_SIZES - 1])
        found = found[:MOST_SIZES]
    wide = 0.8 / len(names)
    for place, name in enumerate(names):
        own = sizes[splits["split"] == name]
        shares = [100 * float(np.mean(own == size)) for size in found]
        at = np.arange(len(found)) - 0.4 + (place + 0.5) * wide
        colour = category_colours(len(names))[place]
        axes.bar(at, shares, wide, color=colour, label=name, gid=f"families {name}")
    labels = [str(size) for size in found]
    if largest > found[-1]:
        labels[-1] = f"≥ {found[-1]}"
    axes.set_xticks(range(len(found)), labels)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, max(len(found), 3) - 0.4)
    axes.set_xlabel("participants in the family")
    axes.set_ylabel("participants\nof the split (%)")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(names),
        frameon=False,
        handlelength=1.0,
        handleheight=0.8,
        borderaxespad=0.2,
    )


def _levels(values: pd.Series) -> pd.Series:
    """Classes as text; the rarest of very many are put together."""
    texts = values.map(lambda value: UNKNOWN if pd.isna(value) else str(value))
    counts = texts.value_counts()
    if len(counts) > MOST_CLASSES + 1:
        rest = set(counts.index[MOST_CLASSES:])
        texts = texts.map(lambda level: OTHERS if level in rest else level)
    return texts


def _class_names(levels: pd.Series) -> list[str]:
    """Classes in alphabetical order, whatever is put together or unknown last."""
    return sorted(set(levels), key=lambda level: (level in (OTHERS, UNKNOWN), level))


def _class_colours(levels: pd.Series) -> dict[str, Any]:
    """Colours that no split has; grey for what is unknown."""
    names = _class_names(levels)
    colours = category_colours(len(names) + len(SPLITS) + 1)[len(SPLITS) + 1 :]
    return {
        name: (0.62, 0.62, 0.62) if name == UNKNOWN else colour
        for name, colour in zip(names, colours, strict=True)
    }


def _draw_balance(
    axes: Axes, levels: pd.Series, split: np.ndarray[Any, Any], names: Sequence[str]
) -> None:
    """Draw the share of each class in each split, with its number where there is room."""
    for place, name in enumerate(names):
        own = levels[split == name].value_counts()
        start = 0.0
        for level, colour in _class_colours(levels).items():
            count = int(own.get(level, 0))
            share = 100 * count / int(own.sum())
            axes.add_patch(
                Rectangle(
                    (start, place + 0.12),
                    share,
                    0.76,
                    facecolor=colour,
                    edgecolor="white",
                    linewidth=0.4,
                    gid=f"{level} in {name}",
                )
            )
            if share > 1.6 * len(f"{count:,}") + 1:
                letters = "white" if dark(colour) else "black"
                at = (start + share / 2, place + 0.5)
                axes.text(
                    *at, f"{count:,}", size=SMALL, color=letters, ha="center", va="center_baseline"
                )
            start += share
    _name_splits(axes, names, 0.5)
    axes.set(xlim=(0, 100), xlabel="participants of the split (%); numbers: participants")


def _places_of_classes(levels: pd.Series) -> list[tuple[str, float, int]]:
    """Place the names of classes: name, mm from the left, line; as many in a line as there fit."""
    places: list[tuple[str, float, int]] = []
    left, line = 0.0, 0
    for level in _class_names(levels):
        # Letters of this size are 1.3 mm wide at most, on average over a name.
        wide = min(7.0 + 1.3 * len(level), WIDE)
        if left + wide > WIDE + 3.0 and left > 0:
            left, line = 0.0, line + 1
        places.append((level, left, line))
        left += wide
    return places


def _list_classes(figure: Figure, levels: pd.Series, left: float, top: float) -> None:
    """List classes and their colours."""
    colours = _class_colours(levels)
    for level, across, line in _places_of_classes(levels):
        x, y = left + across, top + line * LINE
        add_text(figure, x, y, "■", size=SMALL, color=colours[level])
        fit_text(add_text(figure, x + 2.5, y, level, size=SMALL), WIDE - 2.5)
