from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.criteria_bars import criteria_bars
from neurospect.figures.saving import save_figure

RECIPE = "0123456789abcdef" * 4
METHODS = ("gradient", "gradient_x_input", "smoothgrad", "integrated_gradients")
CRITERIA = ("class_informative", "pairwise_difference")


def tables(decoders: int = 2, seeds: int = 3) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores of random but fixed values, their summary, and how well decoders decode."""
    random = np.random.default_rng(0)
    names = [f"convolutional network {n}, adversarial training" for n in range(decoders)]
    scores = pd.DataFrame(
        [
            (decoder, method, criterion, seed, random.uniform(-0.2, 0.9))
            for decoder in names
            for method in METHODS
            for criterion in CRITERIA
            for seed in range(seeds)
        ],
        columns=["decoder", "method", "criterion", "seed", "value"],
    )
    by_way = scores.groupby(["decoder", "method", "criterion"], sort=False)["value"]
    summary = by_way.agg(mean="mean", standard_error="sem", seeds="size").reset_index()
    accuracy = [(name, 0.5 + 0.05 * n, 0.34) for n, name in enumerate(names)]
    return (
        summary.assign(undefined=0, examples=300),
        scores,
        pd.DataFrame(accuracy, columns=["decoder", "accuracy", "chance"]),
    )


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.lines]


def test_means_errors_and_seeds_are_drawn_as_the_tables_say() -> None:
    summary, scores, accuracy = tables()
    for axes, criterion in zip(
        panels(criteria_bars(summary, scores, accuracy)), CRITERIA, strict=True
    ):
        seeds = {str(line.get_gid()): line for line in axes.lines}
        bars = {str(bar.lines[0].get_gid()): bar for bar in axes.containers}
        for row in summary[summary["criterion"] == criterion].itertuples():
            name = f"{row.decoder}, {row.method}"
            assert bars[f"mean: {name}"].lines[0].get_xdata() == [row.mean]
            ends = bars[f"mean: {name}"].lines[2][0].get_segments()[0][:, 0]
            np.testing.assert_allclose(
                ends, [row.mean - row.standard_error, row.mean + row.standard_error]
            )
            own = (scores["decoder"] == row.decoder) & (scores["method"] == row.method)
            own &= scores["criterion"] == criterion
            np.testing.assert_array_equal(seeds[f"seeds: {name}"].get_xdata(), scores["value"][own])


def test_rows_stand_in_the_order_of_the_table_by_decoder(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    summary, scores, accuracy = tables()
    texts = drawn_texts(criteria_bars(summary, scores, accuracy))
    heights = {}
    for text in texts:
        heights.setdefault(text.get_text(), []).append(text.get_position()[1])
    assert len(heights["gradient × input"]) == 2
    first, second = zip(
        *(heights[n] for n in ("gradient", "gradient × input", "SmoothGrad")), strict=True
    )
    assert list(first) == sorted(first, reverse=True)
    assert min(first) > max(second)


def test_the_baseline_is_no_correlation_and_both_criteria_share_their_axis() -> None:
    one, other = panels(criteria_bars(*tables()))
    assert one.get_xlim() == other.get_xlim()
    assert one.get_xlim()[0] < 0
    for axes in (one, other):
        (line,) = [line for line in axes.lines if line.get_gid() == "no correlation"]
        assert list(line.get_xdata()) == [0, 0]


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "over 1 seed"), (3, "over 3 seeds"), (None, "over 2 to 3 seeds")]
)
def test_the_axis_says_how_many_seeds(seeds: int | None, said: str) -> None:
    summary, scores, accuracy = tables(seeds=seeds or 3)
    if seeds is None:
        summary.loc[0, "seeds"] = 2
        scores = scores[1:]
    (label, _) = (axes.get_xlabel() for axes in panels(criteria_bars(summary, scores, accuracy)))
    assert label.endswith(said)


def test_a_score_without_a_value_is_none_of_the_seeds() -> None:
    summary, scores, accuracy = tables()
    scores.loc[0, "value"] = np.nan
    with pytest.raises(BadInputError, match="3 seeds in the summary, 2 scores"):
        criteria_bars(summary, scores, accuracy)
    summary.loc[0, "seeds"] = 2
    label = panels(criteria_bars(summary, scores, accuracy))[0].get_xlabel()
    assert label.endswith("over 2 to 3 seeds")


def test_examples_that_do_not_count_are_counted(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    summary, scores, accuracy = tables()
    summary.loc[3, "undefined"] = 1204
    said = [text.get_text() for text in drawn_texts(criteria_bars(summary, scores, accuracy))]
    assert sum("(1,204 NaN)" in text for text in said) == 1
    assert "1,204 of 4,800 in all" in " ".join(said)
    clean = [text.get_text() for text in drawn_texts(criteria_bars(*tables()))]
    assert not any("NaN" in text for text in clean)


def test_a_method_without_a_mean_says_so(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    summary, scores, accuracy = tables(seeds=1)
    summary.loc[0, ["mean", "seeds"]] = np.nan, 0
    scores.loc[0, "value"] = np.nan
    said = [
        text.get_text().strip() for text in drawn_texts(criteria_bars(summary, scores, accuracy))
    ]
    assert said.count("NaN") == 1


def test_under_each_decoder_stands_how_well_it_decodes(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    said = [text.get_text() for text in drawn_texts(criteria_bars(*tables()))]
    assert [text for text in said if text.startswith("accuracy .")] == [
        "accuracy .50, chance .34",
        "accuracy .55, chance .34",
    ]
    assert any(text.startswith("accuracy: share of the test split") for text in said)


def test_letters_stand_beside_the_means_and_are_explained(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    summary, scores, accuracy = tables()
    summary["differs_from_others"] = [f"letters{n}" for n in range(len(summary))]
    figure = criteria_bars(summary, scores, accuracy, letters_mean="paired t-tests, α = .05")
    said = [text.get_text() for text in drawn_texts(figure)]
    assert all(any(t.endswith(f" letters{n}") for t in said) for n in range(len(summary)))
    explained = "methods that share a letter do not differ significantly: paired t-tests, α = .05"
    assert explained in said


@pytest.mark.parametrize("decoders", [1, 2, 7])
def test_no_texts_overlap(clashes: Callable[[Figure], list[str]], decoders: int) -> None:
    summary, scores, accuracy = tables(decoders)
    summary["undefined"], summary["differs_from_others"] = 12, "abc"
    figure = criteria_bars(summary, scores, accuracy, letters_mean="tests", title="Tasks")
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(183)
    assert clashes(figure) == []


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"criteria{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(criteria_bars(*tables()), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b, c: (a[:0], b, c), "summary.*rows"),
        (lambda a, b, c: (a, b[:0], c), "scores.*rows"),
        (lambda a, b, c: (a.drop(columns="mean"), b, c), "summary.*no mean"),
        (lambda a, b, c: (a, b.drop(columns="seed"), c), "scores.*no seed"),
        (lambda a, b, c: (a, b[1:], c), "3 seeds in the summary, 2 scores"),
        (lambda a, b, c: (a[1:], b, c), "0 seeds in the summary, 3 scores"),
        (lambda a, b, c: (pd.concat([a, a]), b, c), "more than one of"),
        (lambda a, b, c: (a, b, c.drop(columns="chance")), "accuracy.*no chance"),
        (lambda a, b, c: (a, b, c[1:]), "decoder: found no row of convolutional network 0"),
        (lambda a, b, c: (a, b, pd.concat([c, c])), "accuracy.*more than one of"),
    ],
)
def test_what_does_not_fit_is_refused(spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInputError, match=message):
        criteria_bars(*spoil(*tables()))
