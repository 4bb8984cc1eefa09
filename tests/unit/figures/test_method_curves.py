"""Curves over a sweep, over values removed, and over layers made random."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.method_lines import key_of, looks_of
from neurospect.figures.penalty_sweep import penalty_sweep
from neurospect.figures.removal_curves import removal_figure
from neurospect.figures.sanity_figure import sanity_figure
from neurospect.figures.saving import save_figure

RECIPE = "0123456789abcdef" * 4
METHODS = ("gradient", "gradient_x_input", "smoothgrad", "integrated_gradients")
DECODERS = ("regression", "3-D convolutional network, random-noise training", "network_3", "pgd")


def over(columns: list[str], *values: tuple[object, ...], seeds: int = 3) -> pd.DataFrame:
    """Give every combination of values a mean that is random but fixed."""
    table = pd.DataFrame(list(product(*values)), columns=columns)
    random = np.random.default_rng(0)
    means = {"mean": random.uniform(-0.1, 1, len(table)), "standard_error": 0.02, "seeds": seeds}
    return table.assign(**means)


def sweep(decoders: int = 2, methods: int = 2) -> pd.DataFrame:
    return over(
        ["decoder", "method", "criterion", "value"],
        DECODERS[:decoders],
        METHODS[:methods],
        ("class_informative", "pairwise_difference"),
        (0.0, 1e-4, 1e-3, 0.5),
    )


def removal(decoders: int = 2, methods: int = 2) -> pd.DataFrame:
    curves = ("deletion", "insertion", "random", "least", "most")
    names = ["curve", "decoder", "method", "fraction"]
    return over(names, curves, DECODERS[:decoders], METHODS[:methods], (0.9, 0.0, 0.3))


def sanity(decoders: int = 2, methods: int = 2) -> pd.DataFrame:
    names = ["decoder", "method", "mode", "layer", "measure"]
    return over(
        names,
        DECODERS[:decoders],
        METHODS[:methods],
        ("cascading", "independent"),
        ("classifier.4.linear", "features.2", "features.0"),
        ("correlation", "rank_correlation_of_size"),
    )


FIGURES = {"sweep": (penalty_sweep, sweep), "removal": (removal_figure, removal),
           "sanity": (sanity_figure, sanity)}  # fmt: skip


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.containers]


def curves(axes: Axes) -> dict[str, ErrorbarContainer]:
    found = [each for each in axes.containers if isinstance(each, ErrorbarContainer)]
    return {str(each.lines[0].get_gid()): each for each in found}


def heights(bar: ErrorbarContainer) -> np.ndarray:
    return np.asarray(bar.lines[0].get_ydata(), dtype=np.float64)


def test_a_sweep_draws_every_mean_and_its_error_at_its_penalty() -> None:
    table = sweep()
    criteria = ("class_informative", "pairwise_difference")
    for axes, criterion in zip(panels(penalty_sweep(table)), criteria, strict=True):
        assert len(curves(axes)) == 4
        bar = curves(axes)["regression, gradient × input"]
        own = table[(table["decoder"] == "regression") & (table["method"] == "gradient_x_input")]
        own = own[own["criterion"] == criterion]
        np.testing.assert_array_equal(heights(bar), own["mean"])
        ends = np.stack([line[:, 1] for line in bar.lines[2][0].get_segments()])
        np.testing.assert_allclose(ends, np.stack([own["mean"] - 0.02, own["mean"] + 0.02], 1))
        # Logarithmic, with zero a decade under the least other; a little to the side.
        np.testing.assert_allclose(bar.lines[0].get_xdata(), [-5, -4, -3, np.log10(0.5)], atol=0.1)


def test_the_ticks_of_a_sweep_are_its_values() -> None:
    for axes in panels(penalty_sweep(sweep())):
        axes.figure.canvas.draw()
        said = [label.get_text() for label in axes.get_xticklabels()]
        assert said == ["0", "0.0001", "0.001", "0.5"]
        assert axes.get_xlabel() == "weight penalty λ"
        assert axes.get_ylim()[0] <= 0


def test_a_sweep_over_temperatures_says_so() -> None:
    table = sweep().assign(value=sweep()["value"] + 1)
    labels = {axes.get_xlabel() for axes in panels(penalty_sweep(table, setting="temperature"))}
    assert labels == {"temperature of the softmax"}


def test_removal_has_a_panel_for_each_curve_and_random_ones_in_those_of_retraining() -> None:
    table = removal(1, 1)
    first, second, third, fourth = panels(removal_figure(table, chance=0.25))
    for axes, kinds in (
        (first, ["deletion"]),
        (second, ["insertion"]),
        (third, ["random", "most"]),
        (fourth, ["random", "least"]),
    ):
        assert list(curves(axes)) == [f"{kind}: regression" for kind in kinds]
        for kind in kinds:
            own = table[table["curve"] == kind].sort_values("fraction")
            bar = curves(axes)[f"{kind}: regression"]
            np.testing.assert_array_equal(heights(bar), own["mean"])
            np.testing.assert_array_equal(bar.lines[0].get_xdata(), own["fraction"])
            assert (bar.lines[0].get_linestyle() == "-") == (kind != "random")
        (line,) = [line for line in axes.lines if line.get_gid() == "chance"]
        assert list(line.get_ydata()) == [0.25, 0.25]


def test_removal_shows_only_what_there_is() -> None:
    table = removal()
    only = panels(removal_figure(table[table["curve"] == "insertion"]))
    assert [axes.get_xlabel() for axes in only] == ["most salient values put in"]
    assert not any(line.get_gid() == "chance" for line in only[0].lines)


def test_similarity_starts_at_one_and_follows_the_layers_from_the_output() -> None:
    table = sanity()
    figure = sanity_figure(table)
    assert len(panels(figure)) == 2 * 4
    last = panels(figure)[-1]
    bar = curves(last)["gradient × input"]
    own = table[(table["decoder"] == DECODERS[1]) & (table["method"] == "gradient_x_input")]
    own = own[(own["mode"] == "independent") & (own["measure"] == "rank_correlation_of_size")]
    np.testing.assert_array_equal(heights(bar), [1, *own["mean"]])
    said = [label.get_text() for label in last.get_xticklabels()]
    assert said == ["none", "classifier.4.linear", "features.2", "features.0"] or (
        said[0] == "none" and "…" in said[1] and said[2:] == ["features.2", "features.0"]
    )


def test_decoders_have_layers_of_their_own() -> None:
    table = sanity(2, 1)
    table.loc[table["decoder"] == DECODERS[0], "layer"] += "x"
    figure = sanity_figure(table)
    ends = [axes.get_xticklabels()[-1].get_text() for axes in panels(figure)]
    assert ends == ["features.0x"] * 4 + ["features.0"] * 4


def test_colours_tell_decoders_and_markers_methods_where_there_are_several_of_both() -> None:
    looks = looks_of(sweep(3, 4))
    for (decoder, method), look in looks.items():
        assert look.colour == looks[decoder, "gradient"].colour
        assert look.marker == looks[DECODERS[0], method].marker
    assert len({look.colour for look in looks.values()}) == 3
    assert len({look.marker for look in looks.values()}) == 4
    names = [look.name for look in key_of(sweep(3, 4))]
    assert names[:3] == ["regression", DECODERS[1], "network 3"]
    assert names[3:] == ["gradient", "gradient × input", "SmoothGrad", "integrated gradients"]


@pytest.mark.parametrize(("decoders", "methods"), [(1, 4), (4, 1), (1, 1)])
def test_where_there_is_one_of_either_each_curve_has_its_own_look(
    decoders: int, methods: int
) -> None:
    table = sweep(decoders, methods)
    looks = list(looks_of(table).values())
    assert len({look.colour for look in looks}) == len(looks) == decoders * methods
    assert key_of(table) == looks


def test_curves_of_one_training_have_no_bars(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    table = sweep().assign(standard_error=np.nan, seeds=1)
    figure = penalty_sweep(table)
    for axes in panels(figure):
        for bar in curves(axes).values():
            assert all(np.ptp(line[:, 1]) == 0 for line in bar.lines[2][0].get_segments())
    assert "a single training" in [text.get_text() for text in drawn_texts(figure)]


def test_an_undefined_mean_breaks_the_curve() -> None:
    table = sweep(1, 1)
    table.loc[1, "mean"] = np.nan
    (bar,) = curves(panels(penalty_sweep(table))[0]).values()
    assert np.isnan(heights(bar)).tolist() == [False, True, False, False]


@pytest.mark.parametrize(("decoders", "methods"), [(1, 1), (4, 4)])
@pytest.mark.parametrize("name", FIGURES)
def test_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], name: str, decoders: int, methods: int
) -> None:
    draw, table = FIGURES[name]
    figure = draw(table(decoders, methods), title="Synthetic tasks")
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(183)
    assert clashes(figure) == []


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    draw, table = FIGURES[name]
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"curves{suffix}" for suffix in (".png", ".svg")]
        save_figure(draw(table(1, 1)), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


@pytest.mark.parametrize("name", FIGURES)
def test_tables_that_are_empty_or_lack_something_are_refused(name: str) -> None:
    draw, table = FIGURES[name]
    with pytest.raises(BadInputError, match="rows: found none"):
        draw(table()[:0])
    with pytest.raises(BadInputError, match="no mean"):
        draw(table().drop(columns="mean"))
    with pytest.raises(BadInputError, match="more than one of"):
        draw(pd.concat([table(), table()[:1]]))


@pytest.mark.parametrize(
    ("draw", "table", "message"),
    [
        (penalty_sweep, sweep().assign(value=sweep()["value"] - 1), "zero or positive"),
        (removal_figure, removal().assign(fraction=removal()["fraction"] * 2), "0 to 1"),
        (removal_figure, removal().replace({"deletion": "removed"}), "found removed"),
        (removal_figure, removal().query("curve == 'random'"), "found random"),
        (sanity_figure, sanity().replace({"cascading": "all"}), "mode: found all"),
        (sanity_figure, sanity().replace({"correlation": "cosine"}), "measure: found cosine"),
    ],
)
def test_values_that_are_not_known_are_refused(draw, table: pd.DataFrame, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInputError, match=message):
        draw(table)


def test_a_setting_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadInputError, match="penalty or temperature"):
        penalty_sweep(sweep(), setting="width")
