"""What the panels of a figure of saliency maps are: their table, read and checked, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures.keys import BAR, LINE, colour_bar
from neurospect.figures.layout import add_axes, add_text, fit_text, size_in_mm, width_of
from neurospect.figures.style import SMALL, difference_colours

PANEL_COLUMNS = {
    "criterion": "class_informative or pairwise_difference: what the map is held against",
    "column": "the class, or the two classes, above the map; e.g. A, or A → B",
    "kind": "input (an example), target (what a map should show) or saliency (a map)",
    "decoder": "name of the decoder; empty for an input and a target",
    "method": "how the map was made, e.g. gradient; empty for an input and a target",
    "correlation": "of the map with the target of its column; missing where undefined",
}
KINDS = ("input", "target", "saliency")
KIND_WORDS = {"input": "example", "target": "target"}
CRITERION_WORDS = {
    "class_informative": "class informative activation",
    "pairwise_difference": "pairwise class difference",
}
SHORT_CRITERIA = {"class_informative": "informative", "pairwise_difference": "pairwise"}
METHOD_WORDS = {
    "gradient_x_input": "gradient × input",
    "smoothgrad": "SmoothGrad",
    "haufe_pattern": "pattern (Haufe)",
}
WHERE = "panels of maps"
LEGEND_HEIGHT = 11.0
"""Height that `scale_legend` takes, mm."""
HEADS = {"whole": 8.0, "broken": 10.8, "turned": 21.0}
"""Height of a criterion's name with those of its columns, by how these are written, mm."""
LABEL, LETTER = 16.0, 1.4
"""Length of a turned name of a column, and of a letter, mm."""
NAME_LINE = 2.7
"""Distance between lines of a row's name, mm."""


@dataclass(frozen=True)
class MapPanel:
    """One map of a figure: a row of its table, in words.

    Attributes
    ----------
    place
        Of its map among the maps, counted from 0.
    criterion, column
        As in the table.
    kind
        One of `KINDS`.
    decoder, method
        Words for both; the kind in words, and nothing, for an input and a target.
    correlation
        NaN where undefined.
    """

    place: int
    criterion: str
    column: str
    kind: str
    decoder: str
    method: str
    correlation: float

    @property
    def row(self) -> tuple[str, str]:
        """What all panels of one row share."""
        return self.decoder, self.method

    @property
    def correlation_said(self) -> str:
        """Such as "r = .43"; nothing for an input and a target."""
        if self.kind != "saliency":
            return ""
        return f"r = {decimals(self.correlation)}"


@dataclass(frozen=True)
class Block:
    """The panels of one criterion, by column and by row."""

    criterion: str
    columns: list[str]
    rows: list[tuple[str, str]]
    panels: dict[tuple[tuple[str, str], str], MapPanel]


def maps_said(panels: Iterable[MapPanel], averaged_over: int) -> list[str]:
    """Say what the maps are, and the correlations under them."""
    if averaged_over > 1:
        maps = f"maps: means over {averaged_over:,} examples of each class"
        of = "mean over these examples of the correlation of each one's map with the target"
    else:
        maps, of = "maps of one example of each class", "correlation of the map with the target"
    undefined = any(panel.correlation_said and np.isnan(panel.correlation) for panel in panels)
    nan = ["NaN: undefined, since the map or the target is constant"] if undefined else []
    return [maps, f"r: {of}", *nan]


def words_of(name: str) -> str:
    """Words for a name as it stands in settings and tables, e.g. of a decoder."""
    return name.replace("_", " ")


def method_words(name: str) -> str:
    """Words for a method of the maps, whose name stands in tables."""
    return METHOD_WORDS.get(name, words_of(name))


def criterion_words(name: str) -> str:
    """Words for a criterion, whose name stands in tables."""
    return CRITERION_WORDS.get(name, words_of(name))


def decimals(value: float) -> str:
    """Write a correlation or a share with two decimals and without its zero; "NaN" for none."""
    if np.isnan(value):
        return "NaN"
    said = f"{abs(value):.2f}"
    said = said.removeprefix("0")
    return f"−{said}" if value < 0 and said != ".00" else said


def check_table(table: pd.DataFrame, columns: Iterable[str], where: str) -> None:
    """Refuse a table that is empty or lacks columns.

    Raises
    ------
    BadInputError
        Naming the columns that are missing.
    """
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        raise BadInputError(
            where,
            "columns" if missing else "rows",
            found=f"no {', '.join(missing)}" if missing else "none",
            expected=", ".join(columns) if missing else "at least one",
            remedy="Draw the table as it was written.",
        )


def check_once(table: pd.DataFrame, identity: list[str], where: str) -> None:
    """Refuse a table that has a row of the same `identity` twice.

    Raises
    ------
    BadInputError
        Naming the first such row.
    """
    twice = table.duplicated(identity)
    if twice.any():
        row = table.loc[twice, identity].iloc[0]
        raise BadInputError(
            where,
            "rows",
            found=f"more than one of {', '.join(map(str, row))}",
            expected=f"one row for each {', '.join(identity)}",
            remedy="Draw the table of one experiment, summarised.",
        )


def read_panels(panels: pd.DataFrame, maps: int) -> list[MapPanel]:
    """Read the table of panels, one row per map, in the order of the maps.

    Parameters
    ----------
    panels
        With `PANEL_COLUMNS`.
    maps
        How many maps there are.

    Raises
    ------
    BadInputError
        If a column is missing, the table is empty or does not fit the maps, a kind is not known,
        or two panels share a place.
    """
    missing = [name for name in PANEL_COLUMNS if name not in panels]
    if missing or not len(panels) or len(panels) != maps:
        raise BadInputError(
            WHERE,
            "columns" if missing else "rows",
            found=f"no {', '.join(missing)}" if missing else f"{len(panels)} rows, {maps} maps",
            expected=", ".join(PANEL_COLUMNS) if missing else "one row for each map, at least one",
            remedy="Give maps and table from the same step.",
        )
    kinds = panels["kind"].astype(str)
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise BadInputError(
            WHERE,
            "kind",
            found=", ".join(unknown),
            expected=", ".join(KINDS),
            remedy="Say what each map is.",
        )
    found = [_panel(place, row) for place, row in enumerate(panels.to_dict("records"))]
    places = [(panel.criterion, panel.column, panel.row) for panel in found]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        criterion, column, row = twice[0]
        raise BadInputError(
            WHERE,
            "rows",
            found=f"{places.count(twice[0])} of {', '.join(row)}, {criterion}, {column}",
            expected="one map of each decoder and method for each column",
            remedy="Choose one seed, or average.",
        )
    return found


def _panel(place: int, row: dict[Any, Any]) -> MapPanel:
    kind = str(row["kind"])
    shown = kind == "saliency"
    return MapPanel(
        place,
        str(row["criterion"]),
        str(row["column"]),
        kind,
        words_of(str(row["decoder"])) if shown else KIND_WORDS[kind],
        method_words(str(row["method"])) if shown else "",
        float(row["correlation"]),
    )


def blocks_of(panels: Sequence[MapPanel]) -> list[Block]:
    """Sort panels by criterion; columns and rows in order of appearance."""
    blocks = []
    for criterion in in_their_order([panel.criterion for panel in panels]):
        own = [panel for panel in panels if panel.criterion == criterion]
        blocks.append(
            Block(
                criterion,
                in_their_order([panel.column for panel in own]),
                in_their_order([panel.row for panel in own]),
                {(panel.row, panel.column): panel for panel in own},
            )
        )
    return blocks


def all_rows(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Rows of all blocks, each once."""
    return in_their_order([row for block in blocks for row in block.rows])


def names_written(columns: Sequence[str], pitch: float) -> str:
    """Choose how names of columns are written so that they fit: a key of `HEADS`."""
    if max(map(len, columns)) * LETTER <= pitch:
        return "whole"
    longest = max(len(part) for column in columns for part in _broken(column).split("\n"))
    return "broken" if longest * LETTER <= pitch else "turned"


def _broken(column: str) -> str:
    return column.replace(" → ", " →\n")


def scale_limit(values: NDArray[np.floating], percentile: float) -> float:
    """Where the colours of a map end: a percentile of its absolute values, 0 if all are zero."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[np.isfinite(sizes)]
    limit = float(np.percentile(sizes, percentile)) if sizes.size else 0.0
    return limit or float(np.max(sizes, initial=0.0))


def limit_said(limit: float, digits: int = 2) -> str:
    """Write the end of a scale with few digits: "±0.43", "±1.2e−7"; "all zero" if it is zero."""
    if not limit:
        return "all zero"
    if not power_of_ten(limit):
        return f"±{float(f'{limit:.{digits}g}'):g}"
    number, power = f"{limit:.{digits - 1}e}".split("e")
    return f"±{number}e{int(power)}".replace("e-", "e−")


def power_of_ten(limit: float) -> int:
    """Power of ten to write apart from the end of a scale; 0 where it is read easily without."""
    return 0 if 0.01 <= limit < 1000 else int(f"{limit:.1e}".split("e")[1])


def map_norm(limit: float) -> Normalize:
    """Scale of one map, symmetric about zero; of any width where the map is all zero."""
    limit = limit or 1.0
    return Normalize(-limit, limit, clip=True)


def write_row_name(
    figure: Figure, left: float, middle: float, row: tuple[str, str], width: float
) -> float:
    """Name a row beside its maps: the decoder, and the method under it, `middle` mm from the top.

    Each takes as many lines as its words need. Returns the lower edge, mm from the top.
    """
    texts: list[Text] = []
    for name, weight in zip(row, ("bold", "normal"), strict=True):
        texts += _in_lines(figure, left, name, width, weight)
    _, high = size_in_mm(figure)
    for place, text in enumerate(texts):
        y = middle + (place - (len(texts) - 1) / 2) * NAME_LINE
        text.set_y(1 - y / high)
    return middle + len(texts) * NAME_LINE / 2


def name_block(
    figure: Figure, left: float, top: float, place: int, blocks: Sequence[Block], width: float
) -> None:
    """Name the block of that place, with a letter if there are several."""
    letter = f"{'abcdefgh'[place]}  " if len(blocks) > 1 else ""
    name = blocks[place].criterion
    said = add_text(
        figure, left, top + 0.5, letter + criterion_words(name), weight="bold", size=SMALL
    )
    fit_text(said, width, letter + SHORT_CRITERIA.get(name, words_of(name)))


def name_rows(
    figure: Figure,
    rows: Sequence[tuple[str, str]],
    left: float,
    top: float,
    high: float,
    between: float,
    width: float,
) -> None:
    """Name rows of maps that are `high` mm and `between` mm apart, each decoder once."""
    before = ""
    for place, (decoder, method) in enumerate(rows):
        middle = top + place * (high + between) + high / 2
        shown = "" if method and decoder == before else decoder
        write_row_name(figure, left, middle, (shown, method), width - 2.0)
        before = decoder


def name_column(
    figure: Figure, middle: float, foot: float, column: str, names: str, pitch: float
) -> None:
    """Write the name of a column, its lower edge at `foot` mm, as `names_written` chose."""
    turned = names == "turned"
    look = {"va": "bottom", "linespacing": 1.0, "multialignment": "left" if turned else "center"}
    words = column if names == "whole" else _broken(column)
    label = add_text(figure, middle, foot, words, size=SMALL, **look)
    fit_text(label, LABEL if turned else pitch - 0.6)
    label.set(ha="center", rotation=90 if turned else 0)


def scale_legend(figure: Figure, left: float, top: float) -> None:
    """Explain the colours of maps of which each has a scale of its own."""
    add_text(
        figure,
        left,
        top,
        "colours of each map: from −s to +s, s being the number under it",
        size=SMALL,
    )
    bar = add_axes(figure, left + 2.0, top + LINE, 45.0, BAR)
    colour_bar(figure, bar, ScalarMappable(map_norm(1.0), difference_colours()))
    bar.xaxis.set_major_locator(FixedLocator([-1, 0, 1]))
    bar.xaxis.set_major_formatter(FuncFormatter(lambda v, _: {-1: "−s", 1: "+s"}.get(int(v), "0")))
    bar.xaxis.set_minor_locator(NullLocator())


def in_their_order(values: Sequence[Any]) -> list[Any]:
    """Each value once, in order of appearance."""
    return list(dict.fromkeys(values))


def _in_lines(figure: Figure, left: float, name: str, width: float, weight: str) -> list[Text]:
    """Write a name in as many lines as its words need; a word that is too long is cut."""
    look: dict[str, Any] = {"va": "center", "size": SMALL, "weight": weight}
    lines: list[Text] = []
    for word in name.split():
        if lines:
            before = lines[-1].get_text()
            lines[-1].set_text(f"{before} {word}")
            if width_of(lines[-1]) <= width:
                continue
            lines[-1].set_text(before)
        lines.append(fit_text(add_text(figure, left, 0.0, word, **look), width))
    return lines
