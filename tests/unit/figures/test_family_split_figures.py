from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.family_splits import family_split_figure
from neurospect.figures.saving import save_figure
from neurospect.preprocess.family_components import family_components
from neurospect.preprocess.splits import assign_splits

RECIPE = "0123456789abcdef" * 4


def cohort(participants: int, *, families: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits and participants of a cohort with families of one to six."""
    random = np.random.default_rng(participants)
    table = pd.DataFrame({"participant_id": [f"{100_000 + k}" for k in range(participants)]})
    table["Family_ID"] = [
        f"family {k}"
        for k, size in enumerate(random.integers(1, 7, participants))
        for _ in range(size)
    ][:participants]
    table["diagnosis"] = random.choice(["autism", "control"], participants)
    table["sex"] = random.choice(["female", "male"], participants)
    together = family_components(table, ["Family_ID"]) if families else None
    fractions = {"training": 0.7, "validation": 0.1, "test": 0.2}
    return assign_splits(table, together, fractions=fractions, seed=3), table


def bars(figure: Figure) -> dict[str, Rectangle]:
    return {
        str(patch.get_gid()): patch
        for axes in figure.axes
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_gid()
    }


def test_bars_are_as_long_as_the_splits_are_large(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    splits, participants = cohort(200)
    figure = family_split_figure(splits, participants)
    written = [text.get_text() for text in drawn_texts(figure)]
    for name in ("training", "validation", "test"):
        own = splits[splits["split"] == name]
        assert bars(figure)[f"size {name}"].get_width() == len(own)
        families = len(set(own["component"]))
        assert f"{len(own)} participants, {families} families" in written


def test_family_sizes_are_shares_of_the_participants_of_each_split() -> None:
    splits, participants = cohort(200)
    figure = family_split_figure(splits, participants)
    (axes,) = [one for one in figure.axes if one.containers]
    sizes = splits["component"].value_counts()
    shown = [int(label.get_text()) for label in axes.get_xticklabels()]
    assert shown == sorted(set(sizes))
    for container in axes.containers:
        own = splits[splits["split"] == container.get_label()]
        in_family_of = np.array([sizes[name] for name in own["component"]])
        expected = [100 * (in_family_of == size).mean() for size in shown]
        np.testing.assert_allclose([bar.get_height() for bar in container], expected)


def test_very_large_families_are_put_together_and_nobody_is_lost() -> None:
    sizes = list(range(1, 16))
    splits = pd.DataFrame(
        {"component": [f"family-{size}" for size in sizes for _ in range(size)], "split": "test"}
    )
    splits["participant_id"] = [f"{k}" for k in range(len(splits))]
    figure = family_split_figure(splits, splits[["participant_id"]])
    (axes,) = [one for one in figure.axes if one.containers]
    assert axes.get_xticklabels()[-1].get_text() == "≥ 12"
    heights = [bar.get_height() for bar in axes.containers[0]]
    assert sum(heights) == pytest.approx(100)
    assert heights[-1] == pytest.approx(100 * sum(range(12, 16)) / sum(sizes))


def test_classes_are_shares_of_each_split_with_their_numbers(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    splits, participants = cohort(200)
    figure = family_split_figure(splits, participants)
    written = [text.get_text() for text in drawn_texts(figure)]
    both = splits.merge(participants, on="participant_id")
    for column, levels in (("diagnosis", ("autism", "control")), ("sex", ("female", "male"))):
        assert column in written
        for name in ("training", "validation", "test"):
            own = both[both["split"] == name]
            for level in levels:
                count = int((own[column] == level).sum())
                width = bars(figure)[f"{level} in {name}"].get_width()
                assert width == pytest.approx(100 * count / len(own))
                assert str(count) in written


def test_missing_classes_are_unknown_and_very_many_are_put_together() -> None:
    splits, participants = cohort(200)
    participants["site"] = [f"site {k % 30:02d}" for k in range(200)]
    participants.loc[::4, "diagnosis"] = None
    figure = family_split_figure(splits, participants, classes=["diagnosis", "site"])
    both = splits.merge(participants, on="participant_id")
    own = both[both["split"] == "training"]
    unknown = 100 * own["diagnosis"].isna().mean()
    assert bars(figure)["unknown in training"].get_width() == pytest.approx(unknown)
    sites = {name: bar for name, bar in bars(figure).items() if name.endswith("in training")}
    widths = [bar.get_width() for name, bar in sites.items() if "site" in name or "others" in name]
    assert len(widths) == 12
    assert sum(widths) == pytest.approx(100)


def test_without_families_the_figure_says_so(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    written = [
        text.get_text() for text in drawn_texts(family_split_figure(*cohort(50, families=False)))
    ]
    assert "each participant is a family of its own" in written
    assert not any("famil" in text for text in written if "participants" in text)


@pytest.mark.parametrize(
    "classes", [(), ("sex",), ("diagnosis", "sex"), ("diagnosis", "sex", "site")]
)
@pytest.mark.parametrize("families", [True, False])
def test_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], classes: tuple[str, ...], families: bool
) -> None:
    splits, participants = cohort(150, families=families)
    participants["site"] = [f"long name of site {k % 14}" for k in range(150)]
    figure = family_split_figure(splits, participants, classes=classes, title="cohort")
    assert clashes(figure) == []


def test_the_same_splits_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"splits{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(family_split_figure(*cohort(60)), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_a_participant_of_the_splits_who_is_unknown_is_refused_by_name() -> None:
    splits, participants = cohort(30)
    with pytest.raises(BadInputError, match="no row for 100004"):
        family_split_figure(splits, participants.drop(index=4))


def test_a_missing_column_or_an_empty_table_is_refused() -> None:
    splits, participants = cohort(30)
    with pytest.raises(BadInputError, match="no component"):
        family_split_figure(splits.drop(columns="component"), participants)
    with pytest.raises(BadInputError, match="splits: rows: found none"):
        family_split_figure(splits.iloc[:0], participants)
