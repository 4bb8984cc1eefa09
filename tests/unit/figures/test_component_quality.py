from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.errors import BadInputError
from neurospect.figures.component_quality import component_quality
from neurospect.figures.participant_quality import left_out_counts, per_participant
from neurospect.figures.quality_page import (
    exclusions_section,
    flags,
    participants_html,
    quality_html,
    task_map_html,
)
from neurospect.figures.saving import save_figure
from neurospect.preprocess.neuromark import neuromark_components

RECIPE = "0123456789abcdef" * 4
Tables = tuple[pd.DataFrame, pd.DataFrame]


def tables(participants: int, components: int = 53, *, motion: bool = True) -> Tables:
    """Quality and runs of random but fixed values."""
    random = np.random.default_rng(participants)
    ids = [f"sub-{number:04d}" for number in range(1, participants + 1)]
    runs = pd.DataFrame({"participant_id": ids})
    runs["volumes"] = random.integers(120, 180, participants)
    runs["coverage"] = random.uniform(0.93, 1, participants)
    runs["mean_framewise_displacement"] = random.gamma(3, 0.05, participants)
    runs["principal_components"] = random.integers(60, 100, participants)
    if not motion:
        runs["mean_framewise_displacement"] = np.nan
    labels = neuromark_components().iloc[:components][["component", "domain", "label"]]
    quality = pd.DataFrame({"participant_id": ids}).merge(labels, how="cross")
    quality["reference_correlation"] = random.uniform(0.4, 0.95, len(quality))
    quality["dual_regression_correlation"] = random.uniform(0.35, 0.9, len(quality))
    quality["spectral_power_ratio"] = random.gamma(6, 0.6, len(quality))
    quality["converged"] = True
    return quality, runs


def left_out() -> pd.DataFrame:
    """Three participants, of whom two for one reason and one twice; and one task."""
    damaged = BadInputError(
        "sub-901_bold.nii.gz",
        "data",
        found="an early end <b>&",
        expected="150 volumes",
        remedy="Copy it again.",
    )
    maskless = BadInputError(
        "sub-903/func", "mask", found="none", expected="one mask", remedy="Make one."
    )
    return exclusion_table(
        [
            Exclusion("sub-901", "components", damaged),
            Exclusion("sub-902", "components", damaged),
            Exclusion("sub-903", "runs", maskless),
            Exclusion("sub-903", "components", damaged),
            Exclusion("100307", "task maps", damaged, "task MOTOR"),
        ]
    )


NONE_LEFT_OUT = exclusion_table([])


def line_with(figure: Figure, gid: str) -> tuple[Axes, np.ndarray, np.ndarray]:
    (found,) = [
        (axes, line) for axes in figure.axes for line in axes.lines if line.get_gid() == gid
    ]
    axes, line = found
    return axes, np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


@pytest.mark.parametrize("column", ["reference_correlation", "dual_regression_correlation"])
def test_few_participants_are_dots_at_their_own_correlations(column: str) -> None:
    quality, runs = tables(3)
    figure = component_quality(quality, runs, NONE_LEFT_OUT)
    for component in (1, 26, 53):
        own = quality[quality["component"] == component][column].to_numpy()
        np.testing.assert_array_equal(line_with(figure, f"{column} {component}")[2], own)
        middle = line_with(figure, f"median {column} {component}")[2]
        np.testing.assert_allclose(middle, np.median(own))


def test_many_participants_are_quantiles_of_their_correlations() -> None:
    quality, runs = tables(60)
    figure = component_quality(quality, runs, NONE_LEFT_OUT)
    own = np.sort(quality[quality["component"] == 17]["reference_correlation"].to_numpy())
    expected = np.percentile(own, [5, 95])
    drawn = line_with(figure, "range reference_correlation 17")[2]
    np.testing.assert_allclose(drawn, expected)
    np.testing.assert_allclose(
        line_with(figure, "median reference_correlation 17")[2], np.percentile(own, 50)
    )


def test_all_that_is_drawn_lies_within_its_axes() -> None:
    quality, runs = tables(60)
    quality.loc[5, "reference_correlation"] = -0.3
    figure = component_quality(quality, runs, NONE_LEFT_OUT)
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in axes.lines:
            if line.get_gid():
                x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
                assert left <= x.min() <= x.max() <= right
                assert bottom <= y.min() <= y.max() <= top


def test_each_participant_stands_at_motion_spectrum_and_mean_correlation() -> None:
    quality, runs = tables(30)
    figure = component_quality(quality, runs, NONE_LEFT_OUT)
    means = [
        quality[quality["participant_id"] == name]["reference_correlation"].mean()
        for name in runs["participant_id"]
    ]
    ratios = [
        np.median(quality[quality["participant_id"] == name]["spectral_power_ratio"])
        for name in runs["participant_id"]
    ]
    _, motion, correlation = line_with(figure, "mean_framewise_displacement")
    np.testing.assert_array_equal(motion, runs["mean_framewise_displacement"])
    np.testing.assert_allclose(correlation, means)
    _, ratio, correlation = line_with(figure, "spectral_power_ratio")
    np.testing.assert_allclose(ratio, ratios)
    np.testing.assert_allclose(correlation, means)


def test_bars_are_as_long_as_the_numbers_of_participants() -> None:
    quality, runs = tables(4)
    figure = component_quality(quality, runs, left_out())
    (counts,) = [axes for axes in figure.axes if axes.get_gid() == "counts"]
    bars = {p.get_gid(): p.get_width() for p in counts.patches if isinstance(p, Rectangle)}
    assert bars == {
        "included": 4,
        "left out (components, data)": 2,
        "left out (runs, mask)": 1,
    }


def test_many_reasons_are_put_together_and_nobody_is_lost() -> None:
    said = {"found": "nothing", "expected": "something", "remedy": "Look."}
    faults = [
        Exclusion(f"sub-{k}", "runs", BadInputError("file", f"field {k % 9}", **said))
        for k in range(40)
    ]
    counts = left_out_counts(exclusion_table(faults))
    assert len(counts) == 6
    assert sum(count for _, count in counts) == 40


@pytest.mark.parametrize(
    ("participants", "components", "motion"), [(1, 53, True), (24, 53, False), (250, 10, True)]
)
def test_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], participants: int, components: int, motion: bool
) -> None:
    quality, runs = tables(participants, components, motion=motion)
    assert clashes(component_quality(quality, runs, left_out(), title="cohort")) == []


def test_unknown_motion_is_said(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    quality, runs = tables(5, motion=False)
    written = [t.get_text() for t in drawn_texts(component_quality(quality, runs, NONE_LEFT_OUT))]
    assert "not known for any participant" in written
    runs["mean_framewise_displacement"] = [0.1, np.nan, 0.2, np.nan, 0.3]
    written = [t.get_text() for t in drawn_texts(component_quality(quality, runs, NONE_LEFT_OUT))]
    assert "not known for 2" in written


def test_a_cohort_of_which_nobody_is_left_still_has_a_figure_and_a_page(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    quality, runs = tables(2)
    nobody = quality.iloc[:0], runs.iloc[:0], left_out()
    written = [text.get_text() for text in drawn_texts(component_quality(*nobody))]
    assert "no participant has components" in written
    assert "included: 0" in written
    assert "0 participants with components" in quality_html(*nobody, title="c")


def test_maps_of_dual_regression_are_drawn_once(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    quality, runs = tables(4)
    figure = component_quality(quality, runs, NONE_LEFT_OUT, method="dual_regression")
    written = [text.get_text() for text in drawn_texts(figure)]
    assert written.count("dual regression") == 1
    assert "constrained ICA" not in written
    drawn = line_with(figure, "reference_correlation 9")[2]
    own = quality[quality["component"] == 9]["reference_correlation"]
    np.testing.assert_array_equal(drawn, own)
    assert "Mean r, dual regression" not in quality_html(
        quality, runs, NONE_LEFT_OUT, title="c", method="dual_regression"
    )


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    quality, runs = tables(5, 7)
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"quality{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(component_quality(quality, runs, left_out()), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_the_worst_component_of_a_participant_is_that_of_the_lowest_correlation() -> None:
    quality, runs = tables(6)
    quality.loc[quality["component"] == 3, "reference_correlation"] = np.nan
    summary = per_participant(quality, runs).set_index("participant_id")
    for name, row in summary.iterrows():
        own = quality[quality["participant_id"] == name].dropna(subset="reference_correlation")
        worst = own.iloc[own["reference_correlation"].argmin()]
        assert row["worst_component"] == f"{worst['component']} {worst['label']}"
        assert row["minimum_correlation"] == worst["reference_correlation"]


def test_a_participant_without_a_run_is_refused_by_name() -> None:
    quality, runs = tables(3)
    with pytest.raises(BadInputError, match="no row for sub-0002"):
        per_participant(quality, runs.drop(index=1))
    with pytest.raises(BadInputError, match="sub-0001 twice"):
        per_participant(quality, pd.concat([runs, runs]))


def test_a_missing_column_is_refused_by_name() -> None:
    quality, runs = tables(3)
    with pytest.raises(BadInputError, match="no spectral_power_ratio"):
        component_quality(quality.drop(columns="spectral_power_ratio"), runs, NONE_LEFT_OUT)


# The page ------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects tags, links, ids and the cells of each row; checks that tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(str(value))
            if name == "id":
                self.ids.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def table(self, heading: str) -> list[dict[str, str]]:
        """Rows of the table whose first column has this heading."""
        (start,) = [k for k, row in enumerate(self.rows) if row[0] == heading]
        head, below = self.rows[start], self.rows[start + 1 :]
        end = next((k for k, row in enumerate(below) if len(row) != len(head)), len(below))
        return [dict(zip(head, row, strict=True)) for row in below[:end]]


def test_the_page_stands_alone_and_closes_what_it_opens() -> None:
    page = Page(quality_html(*tables(3), left_out(), title="Cohort"))
    assert page.open == []
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert page.links == ["#left-out"]
    assert page.ids == ["left-out"]


def test_the_page_lists_everyone_the_worst_first_with_numbers_of_the_tables() -> None:
    quality, runs = tables(12)
    html = quality_html(quality, runs, NONE_LEFT_OUT, title="Cohort")
    rows = Page(html).table("Participant")
    means = quality.groupby("participant_id")["reference_correlation"].mean().sort_values()
    assert [row["Participant"] for row in rows] == list(means.index)
    by_name = runs.set_index("participant_id")
    for row in rows:
        run = by_name.loc[row["Participant"]]
        assert row["Mean r"] == f"{means[row['Participant']]:.3f}"
        assert row["Volumes"] == str(int(run["volumes"]))
        assert row["Motion (mm)"] == f"{run['mean_framewise_displacement']:.2f}"
        assert row["Coverage (%)"] == f"{100 * run['coverage']:.1f}"
        assert row["Converged (%)"] == "100"
    assert "Nothing was left out." in html


def test_everyone_left_out_stands_on_the_page_with_the_whole_fault() -> None:
    html = quality_html(*tables(2), left_out(), title="Cohort")
    assert "3 participants and 1 example left out" in html
    listed = Page(exclusions_section(left_out())).table("Participant")
    assert len(listed) == 5
    assert listed[0] == {
        "Participant": "sub-901",
        "What": "participant",
        "Stage": "components",
        "File": "sub-901_bold.nii.gz",
        "Field": "data",
        "Found": "an early end <b>&",
        "Expected": "150 volumes",
        "What to do": "Copy it again.",
    }
    assert exclusions_section(left_out()) in html


@pytest.mark.parametrize("where", ["title", "participant", "label", "note"])
def test_no_text_of_a_table_becomes_markup(where: str) -> None:
    quality, runs = tables(2)
    evil = '<script>alert("x")</script>'
    if where == "participant":
        quality["participant_id"] = quality["participant_id"].replace("sub-0001", evil)
        runs["participant_id"] = runs["participant_id"].replace("sub-0001", evil)
    if where == "label":
        quality["label"] = evil
    if where == "note":
        runs["notes"] = [evil, ""]
    html = quality_html(quality, runs, NONE_LEFT_OUT, title=evil if where == "title" else "c")
    assert "script" not in Page(html).tags
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("mean_framewise_displacement", 0.8, "much motion"),
        ("coverage", 0.5, "small coverage"),
        ("minimum_correlation", 0.1, "a map unlike its reference"),
        ("mean_correlation", 0.1, "unlike the others"),
        ("mean_correlation", np.nan, "no correlation"),
        ("spectral_power_ratio", 0.5, "little slow power"),
        ("converged_share", 0.9, "not all converged"),
    ],
)
def test_what_to_look_at_is_said_in_words_about_the_one_participant(
    column: str, value: float, words: str
) -> None:
    summary = per_participant(*tables(20))
    assert flags(summary) == [""] * 20
    summary.loc[7, column] = value
    assert flags(summary) == [words if place == 7 else "" for place in range(20)]


def test_the_page_flags_with_words() -> None:
    quality, runs = tables(5)
    runs.loc[2, "mean_framewise_displacement"] = 2.0
    runs.loc[3, "coverage"] = 0.2
    rows = Page(quality_html(quality, runs, NONE_LEFT_OUT, title="c")).table("Participant")
    said = {row["Participant"]: row["Look at"] for row in rows if row["Look at"]}
    assert said == {"sub-0003": "much motion", "sub-0004": "small coverage"}


def examples() -> pd.DataFrame:
    rows = [
        (who, task, contrast, negated)
        for who in ("100307", "100408", "101006")
        for task, contrast, negated in (
            ("LANGUAGE", "MATH-STORY", who == "100408"),
            ("MOTOR", "mean of LF, LH", False),
        )
        if (who, task) != ("100307", "MOTOR")
    ]
    return pd.DataFrame(rows, columns=["participant_id", "task", "contrast", "negated"])


def test_the_page_of_task_maps_counts_maps_signs_and_what_was_left_out() -> None:
    html = task_map_html(examples(), left_out(), title="hcp")
    rows = {row["Task"]: row for row in Page(html).table("Task")}
    assert rows["LANGUAGE"]["Maps"] == "3"
    assert rows["LANGUAGE"]["Sign changed"] == "1"
    assert rows["LANGUAGE"]["Left out"] == "0"
    assert rows["MOTOR"]["Maps"] == "2"
    assert rows["MOTOR"]["Left out"] == "1"
    assert rows["MOTOR"]["Contrast"] == "mean of LF, LH"
    assert re.search("5 maps of 3 participants; 2 participants with every task", html)
    assert exclusions_section(left_out()) in html


def test_a_task_of_which_every_map_was_left_out_is_counted_all_the_same() -> None:
    without = examples()[lambda table: table["task"] != "MOTOR"]
    rows = Page(task_map_html(without, left_out(), title="hcp")).table("Task")
    assert [(row["Task"], row["Maps"], row["Left out"]) for row in rows] == [
        ("LANGUAGE", "3", "0"),
        ("MOTOR", "0", "1"),
    ]


def test_task_maps_without_tasks_are_refused() -> None:
    with pytest.raises(BadInputError, match="no task"):
        task_map_html(examples().drop(columns="task"), NONE_LEFT_OUT, title="hcp")


def test_the_same_tables_give_the_same_page() -> None:
    pages = {quality_html(*tables(9), left_out(), title="Cohort") for _ in range(2)}
    assert len(pages) == 1


def test_the_page_of_a_cohort_counts_its_classes_and_names_who_was_left_out() -> None:
    participants = pd.DataFrame(
        {"participant_id": list("abc"), "diagnosis": ["patient", "control", "patient"]}
    )
    fault = BadInputError("p.tsv", "diagnosis", found="", expected="a group", remedy="Mend it.")
    left_out = exclusion_table([Exclusion("sub-9", "participants", fault)])
    page = participants_html(
        participants, left_out, classes=["diagnosis", "<site>"], title="Cohort abide"
    )
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    assert "3 participants" in text
    assert "control 1 patient 2" in text
    assert "sub-9" in text
    assert "<site>" not in page
