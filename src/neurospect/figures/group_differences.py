"""Maps of the differences between two groups' spectra, significance outlined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.layout import size_in_mm
from neurospect.figures.style import INK, difference_colours, difference_norm

STEP_LABEL = "training step"
RANK_LABEL = "rank"
COLUMNS = (
    *("weight", "step", "rank", "group_a", "group_b", "log2_ratio", "tested", "p"),
    *("threshold", "alpha", "relabelings", "retrained"),
    *("exchanged", "blocks", "never_exchanged", "target"),
)
AMONG_ALL = "among all samples"
"""How labels are exchanged where nothing else is said."""
LARGEST_SHOWN = 2.0
"""Largest |log2 ratio| with a colour of its own; a factor of four. More gets the end colour."""


def check_table(table: pd.DataFrame) -> None:
    """Refuse a table that is not one of differences between two groups.

    Raises
    ------
    BadInputError
        If a column is missing, there are no rows, or more than one pair of groups.
    """
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise BadInputError(
            "permutation test",
            "columns",
            found=f"no {', '.join(missing)}",
            expected=", ".join(COLUMNS),
            remedy="Draw the table of the permutation test as it was written.",
        )
    pairs = table[["group_a", "group_b"]].drop_duplicates()
    if len(pairs) != 1:
        raise BadInputError(
            "permutation test",
            "group_a, group_b",
            found=f"{len(pairs)} pairs of groups",
            expected="one pair",
            remedy="Draw one comparison at a time.",
        )


def compared_groups(table: pd.DataFrame) -> tuple[str, str]:
    """Names of groups a and b."""
    check_table(table)
    return str(table["group_a"].iloc[0]), str(table["group_b"].iloc[0])


def weights_of(table: pd.DataFrame) -> list[str]:
    """Names of the weights, in the order of the table."""
    check_table(table)
    return [str(name) for name in table["weight"].drop_duplicates()]


def ratio_limit(tables: Iterable[pd.DataFrame]) -> tuple[float, bool]:
    """Limit of a symmetric colour scale for the tested differences of all tables.

    Returns
    -------
    limit
        The largest tested |log2 ratio|, rounded up to halves, at most `LARGEST_SHOWN`.
    clipped
        Whether some tested differences are larger.
    """
    largest = 0.0
    for table in tables:
        check_table(table)
        ratios = table.loc[table["tested"].astype(bool), "log2_ratio"].abs()
        largest = max(largest, float(ratios[np.isfinite(ratios)].max())) if len(ratios) else largest
    return min(max(ceil(2 * largest) / 2, 0.5), LARGEST_SHOWN), largest > LARGEST_SHOWN


def grid(table: pd.DataFrame, weight: str, column: str) -> pd.DataFrame:
    """One column of the table of a permutation test as a map, as in `cell_map`."""
    check_table(table)
    return cell_map(table, weight, column)


def cell_map(
    table: pd.DataFrame, weight: str, column: str, *, where: str = "permutation test"
) -> pd.DataFrame:
    """One column of a table of weights, steps and ranks as a map: ranks from 1 down, steps across.

    Parameters
    ----------
    table
        With columns weight, step, rank and `column`.
    weight, column
        Which to show.
    where
        What the table is called in an error.

    Raises
    ------
    BadInputError
        If a column is missing, the weight is not in the table, or a (step, rank) stands in it
        twice.
    """
    missing = [name for name in ("weight", "step", "rank", column) if name not in table]
    if missing:
        raise BadInputError(
            where,
            "columns",
            found=f"no {', '.join(missing)}",
            expected=f"weight, step, rank and {column}",
            remedy="Draw the table as it was written.",
        )
    rows = table[table["weight"].astype(str) == weight]
    if rows.empty:
        raise BadInputError(
            where,
            "weight",
            found=weight,
            expected=f"one of {', '.join(str(name) for name in table['weight'].drop_duplicates())}",
            remedy="Name a weight of the table.",
        )
    if rows.duplicated(["step", "rank"]).any():
        raise BadInputError(
            where,
            "step, rank",
            found=f"repeated rows for {weight}",
            expected="one row per weight, step and rank",
            remedy="Do not join tables of several tests.",
        )
    return rows.pivot(index="rank", columns="step", values=column).sort_index().sort_index(axis=1)


def significant(table: pd.DataFrame, weight: str) -> NDArray[np.bool_]:
    """Where p is at most alpha; shape (ranks, steps)."""
    p = grid(table, weight, "p").to_numpy(dtype=np.float64)
    return np.asarray(p <= float(table["alpha"].iloc[0]))


def draw_differences(
    axes: Axes, table: pd.DataFrame, weight: str, *, norm: Normalize | None = None
) -> None:
    """Draw the log2 ratio of two groups' singular values of one weight: steps across, ranks down.

    Steps stand side by side as they were tested, each as wide as the others, and are written
    counted from 1. Significant cells have full colour and an outline along cell borders, the
    other tested cells are faded, and untested ones (under the noise floor) are hatched grey.

    Parameters
    ----------
    axes
        Where to draw.
    table
        Table of the permutation test (columns `COLUMNS`), all weights.
    weight
        Which weight.
    norm
        Colour scale, when several axes share it; default for all weights of the table.

    Raises
    ------
    BadInputError
        If the table is none of differences, or the weight is not in it.
    """
    ratios = grid(table, weight, "log2_ratio")
    tested = grid(table, weight, "tested").fillna(False).to_numpy(dtype=bool)
    chosen = significant(table, weight)
    scale = norm or difference_norm(ratio_limit([table])[0])
    draw_cells(axes, ratios, cell_colours(ratios.to_numpy(dtype=np.float64), tested, chosen, scale))
    axes.add_collection(
        LineCollection(
            list(borders(chosen)), colors=INK, linewidths=0.6, capstyle="projecting", zorder=3,
            gid="significant",
        )
    )  # fmt: skip


def cell_colours(
    ratios: NDArray[np.float64],
    tested: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    norm: Normalize,
) -> NDArray[np.float64]:
    """Colours of a map's cells; shape (ranks, steps, 4).

    Full colour where `chosen`, mixed with white elsewhere, clear where not `tested`.
    """
    colours = np.array(difference_colours()(norm(np.nan_to_num(ratios))), dtype=np.float64)
    colours = np.where(chosen[..., np.newaxis], colours, keys.faded(colours))
    colours[~tested | ~np.isfinite(ratios)] = 0
    return colours


def borders(
    chosen: NDArray[np.bool_],
) -> Iterable[tuple[tuple[float, float], tuple[float, float]]]:
    """Cell borders between chosen and other cells, as ((x, y), (x, y)); cell (0, 0) at (0, 0)."""
    padded = np.pad(chosen, 1)
    for y, x in np.argwhere(padded[1:] != padded[:-1]):
        yield (float(x - 1), float(y)), (float(x), float(y))
    for y, x in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        yield (float(x), float(y - 1)), (float(x), float(y))


def draw_cells(axes: Axes, cells: pd.DataFrame, colours: NDArray[np.float64]) -> None:
    """Fill a map's cells, write its steps and ranks, and hatch what has no colour.

    Parameters
    ----------
    axes
        Where to draw.
    cells
        The map (see `cell_map`).
    colours
        Shape (ranks, steps, 4); clear where nothing was tested.
    """
    ranks, steps = cells.shape
    axes.add_patch(Rectangle((0, 0), steps, ranks, zorder=0, gid="untested", **keys.UNTESTED))
    axes.pcolormesh(
        np.arange(steps + 1),
        np.arange(ranks + 1),
        colours,
        # Thin borders of the cells' own colours close the seams that viewers show between cells.
        edgecolors="face",
        linewidth=0.25,
        zorder=1,
        gid="differences",
    )
    axes.set(xlim=(0, steps), ylim=(ranks, 0))
    axes.tick_params(length=1.5)
    mark_steps(axes, [int(step) for step in cells.columns])
    mark_ranks(axes, [int(rank) for rank in cells.index])


def mark_steps(axes: Axes, steps: list[int], room: float = 6.0) -> None:
    """Write steps, counted from 1, under the middle of columns at least `room` mm apart."""
    stride = _stride(axes, len(steps), room, 0)
    places = range(0, len(steps), stride)
    axes.set_xticks([place + 0.5 for place in places], [str(steps[place] + 1) for place in places])


def mark_ranks(axes: Axes, ranks: list[int], room: float = 3.2) -> None:
    """Write rank 1 and then every second, fourth, eighth ... beside the middle of its row."""
    stride = _stride(axes, len(ranks), room, 1)
    while stride & (stride - 1):
        stride += 1
    places = [i for i in range(len(ranks)) if stride == 1 or i == 0 or ranks[i] % stride == 0]
    if stride > 1 and len(places) > 1 and 4 * places[1] < 3 * stride:
        places.pop(1)
    axes.set_yticks([place + 0.5 for place in places], [str(ranks[place]) for place in places])


def significance_lines(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say of each table how significance was decided.

    Parameters
    ----------
    tables
        Name of the panel → its table; an empty name is left out.
    """
    lines = []
    for name, table in tables.items():
        check_table(table)
        first = table.iloc[0]
        lines.append(
            keys.significance_line(
                float(first["alpha"]),
                int(first["relabelings"]),
                float(first["threshold"]),
                target=target_words(table),
                retrained=bool(first["retrained"]),
                exchanged=_exchanged_words(first),
                prefix=f"{name} " if name else "",
            )
        )
    return lines


def target_words(table: pd.DataFrame) -> str:
    """Words where the labels were what the model was trained to tell apart; else none.

    Parameters
    ----------
    table
        Of any test of the comparison, with columns target and retrained.
    """
    first = table.iloc[0]
    words = {
        "no": "",
        "in part": "labels were in part the training target",
        "yes": "labels were the training target",
    }[str(first["target"])]
    return f"{words}, so networks were trained anew" if words and first["retrained"] else words


def _exchanged_words(first: pd.Series) -> str:
    """Say within what labels were exchanged, and how many never were; nothing where that is all."""
    words = [] if first["exchanged"] == AMONG_ALL else [str(first["exchanged"])]
    if first["never_exchanged"]:
        words.append(f"({first['never_exchanged']} of {first['blocks']} blocks never exchanged)")
    return " ".join(words)


def weight_level(weights: pd.DataFrame, weight: str) -> str:
    """Say how one weight as a whole was judged: "whole weight: p = .012, q = .031".

    Parameters
    ----------
    weights
        Table of the tests of weights, with columns weight, p and q.
    weight
        Which.

    Raises
    ------
    BadInputError
        If a column is missing, or the weight is not in the table exactly once.
    """
    missing = [name for name in ("weight", "p", "q") if name not in weights]
    rows = weights if missing else weights[weights["weight"].astype(str) == weight]
    if missing or len(rows) != 1:
        raise BadInputError(
            "tests of weights",
            "columns" if missing else "weight",
            found=f"no {', '.join(missing)}" if missing else f"{len(rows)} rows of {weight}",
            expected="weight, p, q" if missing else "one row per weight of the permutation test",
            remedy="Draw the table of the same comparison, as it was written.",
        )
    p, q = float(rows["p"].iloc[0]), float(rows["q"].iloc[0])
    return f"whole weight: {keys.p_words('p', p)}, {keys.p_words('q', q)}"


def _stride(axes: Axes, cells: int, room: float, side: int) -> int:
    figure = axes.get_figure(root=True)
    assert figure is not None
    extent = axes.get_position().width if side == 0 else axes.get_position().height
    return max(1, ceil(room / (extent * size_in_mm(figure)[side] / cells)))
