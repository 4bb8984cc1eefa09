from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError
from neurospect.figures.gradient_values import signal, thinned, value_limits, weight_node
from neurospect.figures.style import paper_style
from neurospect.figures.trajectories import draw_trajectories, trajectory_figure
from neurospect.figures.trajectory_table import TRAJECTORY_COLUMNS, trajectory_table

Spectra = Callable[..., xr.DataTree]


def made_node(gradient: list[list[float]], floor: float, sizes: list[int]) -> xr.Dataset:
    """One weight, the same spectra for the whole batch and for group "a"."""
    values = np.array(gradient)
    return xr.Dataset(
        {
            "gradient": (("step", "group", "rank"), np.stack([values, values], axis=1)),
            "noise_floor": (("step", "group"), np.full((len(values), 2), floor)),
        },
        coords={
            "step": np.arange(len(values)),
            "group": ["all", "a"],
            "rank": np.arange(1, values.shape[1] + 1),
        },
        attrs={"scale": "contribution", "group_sizes": sizes},
    )


def drawn(node: xr.Dataset, group: str = "all") -> Axes:
    with paper_style():
        axes = Figure().add_subplot()
        draw_trajectories(axes, node, group)
    return axes


def line_of(axes: Axes, rank: int) -> np.ndarray:
    (line,) = [line for line in axes.lines if line.get_gid() == f"rank {rank}"]
    return np.asarray(line.get_ydata(), dtype=float)


def test_lines_of_a_group_are_its_contribution_times_samples_over_members(spectra: Spectra) -> None:
    node = weight_node(spectra(), "2.weight")
    axes = drawn(node, "1")
    for rank in node["rank"].values:
        contribution = node["gradient"].sel(group="1", rank=rank).values
        shown = contribution > node["noise_floor"].sel(group="1").values
        expected = np.where(shown, contribution * 10 / 6, np.nan)
        np.testing.assert_allclose(line_of(axes, rank), expected)


def test_lines_of_the_whole_batch_are_not_rescaled(spectra: Spectra) -> None:
    node = weight_node(spectra(), "0.weight")
    largest = node["gradient"].sel(group="all", rank=1).values
    np.testing.assert_array_equal(line_of(drawn(node), 1), largest)


def test_spectra_stored_at_mean_scale_are_not_scaled_again(spectra: Spectra) -> None:
    node = weight_node(spectra(), "0.weight").assign_attrs(scale="mean")
    largest = node["gradient"].sel(group="0", rank=1).values
    np.testing.assert_array_equal(line_of(drawn(node, "0"), 1), largest)


def test_group_sizes_that_vary_scale_each_step_by_its_own() -> None:
    node = made_node([[1.0], [1.0], [1.0]], 1e-6, [])
    node["group_size"] = (("step", "group"), [[8, 4], [8, 2], [8, 0]])
    np.testing.assert_array_equal(signal(node, "a")[:, 0], [2.0, 4.0, np.nan])


def test_values_at_or_under_the_noise_floor_are_not_drawn() -> None:
    axes = drawn(made_node([[1.0, 0.2], [1.0, 0.1], [1.0, 0.05], [1.0, 0.0]], 0.1, [2, 2]))
    np.testing.assert_array_equal(line_of(axes, 2), [0.2, np.nan, np.nan, np.nan])


def test_a_value_between_two_gaps_is_drawn_as_a_dot() -> None:
    axes = drawn(made_node([[1.0, 0.0], [1.0, 0.5], [1.0, 0.0], [1.0, 0.5]], 0.1, [2, 2]))
    dots = {line.get_gid(): line.get_markevery() for line in axes.lines}
    assert dots["rank 2"] == [1, 3]
    assert dots["rank 1"] == []


def test_the_greyed_region_ends_at_the_floor_of_the_group_shown() -> None:
    axes = drawn(made_node([[1.0], [1.0]], 0.1, [6, 2]), "a")
    (region,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
    vertices = region.get_paths()[0].vertices
    assert vertices[:, 1].max() == pytest.approx(0.3)
    assert vertices[:, 1].min() == pytest.approx(axes.get_ylim()[0])


def test_steps_are_counted_from_one_on_a_log_axis() -> None:
    axes = drawn(made_node([[1.0], [1.0], [1.0]], 0.1, [2, 2]))
    assert axes.get_xscale() == "log"
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2, 3]] * 2


def test_lines_grow_lighter_with_rank(spectra: Spectra) -> None:
    axes = drawn(weight_node(spectra(ranks=6), "0.weight"))
    lines = {line.get_gid(): line.get_color() for line in axes.lines}
    light = [np.dot(lines[f"rank {rank}"][:3], [0.3, 0.6, 0.1]) for rank in range(1, 7)]
    assert light == sorted(light)
    assert len(set(light)) == 6


def test_axis_limits_hold_every_value_drawn(spectra: Spectra) -> None:
    nodes = [weight_node(spectra(), name) for name in ("0.weight", "2.weight")]
    bottom, top = value_limits([(node, group) for node in nodes for group in ("all", "0", "1")])
    for node in nodes:
        values = signal(node, "0")
        assert bottom < np.nanmin(values)
        assert np.nanmax(values) < top


def test_a_gradient_that_is_zero_throughout_still_has_axes() -> None:
    axes = drawn(made_node([[0.0], [0.0]], 0.0, [2, 2]))
    assert axes.get_ylim()[0] < axes.get_ylim()[1]


def test_the_figure_has_axes_for_each_weight_and_group_that_share_their_values(
    spectra: Spectra,
) -> None:
    figure = trajectory_figure(spectra(weights=3))
    axes = [one for one in figure.axes if one.lines and one.get_yscale() == "log"]
    assert len(axes) == 9
    rows = [axes[start : start + 3] for start in (0, 3, 6)]
    assert all(len({one.get_ylim() for one in row}) == 1 for row in rows)
    assert all(len({one.get_position().y0 for one in row}) == 1 for row in rows)


def test_the_figure_names_layers_parameters_groups_and_scale(
    spectra: Spectra, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    texts = [t.get_text() for t in drawn_texts(trajectory_figure(spectra(3), title="Recurrent"))]
    for expected in (
        "Recurrent",
        "input layer, 0.weight (4 × 7)",
        "hidden layer 1, 2.weight (4 × 7)",
        "output layer, 4.weight (4 × 7)",
        "whole batch\nn = 10",
        "group 1\nn = 6",
        "singular value,\nmean scale\n(loss / weight)",
        "training step",
        "under the noise floor: rounding, not drawn",
    ):
        assert expected in texts


@pytest.mark.parametrize(("weights", "ranks"), [(1, 1), (2, 32), (4, 8), (6, 4), (17, 2)])
def test_no_texts_of_the_figure_overlap(
    spectra: Spectra, clashes: Callable[[Figure], list[str]], weights: int, ranks: int
) -> None:
    figure = trajectory_figure(spectra(weights, steps=40, ranks=ranks), title="Auto-encoding")
    assert clashes(figure) == []


def test_steps_of_a_long_training_keep_apart_between_neighbouring_axes(
    clashes: Callable[[Figure], list[str]],
) -> None:
    groups = ["all", "patient female", "patient male", "control female", "control male"]
    shape = (1000, len(groups))
    node = xr.Dataset(
        {
            "gradient": (("step", "group", "rank"), np.full((*shape, 1), 0.5)),
            "noise_floor": (("step", "group"), np.full(shape, 1e-3)),
        },
        coords={"step": np.arange(1000), "group": groups, "rank": [1]},
        attrs={"scale": "contribution", "group_sizes": [40, 10, 10, 10, 10]},
    )
    assert clashes(trajectory_figure(xr.DataTree.from_dict({"/0.weight": node}))) == []


def test_without_groups_the_figure_is_one_column_wide(
    spectra: Spectra, clashes: Callable[[Figure], list[str]]
) -> None:
    tree = spectra()
    alone = {f"/{n}": c.to_dataset().sel(group=["all"]) for n, c in tree.children.items()}
    figure = trajectory_figure(xr.DataTree.from_dict(alone))
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(89)
    assert clashes(figure) == []


def test_of_many_weights_only_the_first_row_names_groups_and_the_last_marks_steps(
    spectra: Spectra, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    texts = [text.get_text() for text in drawn_texts(trajectory_figure(spectra(9)))]
    assert texts.count("group 1\nn = 6") == 1
    assert texts.count("training step") == 3
    assert sum("layer" in text for text in texts) == 9


def test_a_figure_of_more_weights_than_it_can_show_says_how_many_are_left(
    spectra: Spectra,
) -> None:
    texts = [text.get_text() for text in trajectory_figure(spectra(43, 3, 1)).texts]
    assert sum("layer" in text for text in texts) == 40
    assert "input layer, 0.weight (1 × 7)" in texts
    assert "output layer, 84.weight (1 × 7)" in texts
    said = " ".join(texts)
    assert "40 of 43 weights" in said
    assert "the other 3 are in the table" in said


def test_weights_that_should_have_been_recorded_and_were_not_are_said(
    spectra: Spectra, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    reasons = {"0.bias": "a vector has a norm, not a spectrum", "4.weight": "it is frozen"}
    tree = spectra()
    tree.attrs["unrecorded"] = json.dumps(reasons)
    texts = [text.get_text() for text in drawn_texts(trajectory_figure(tree))]
    assert "not recorded: 4.weight (it is frozen)" in texts
    assert not any("0.bias" in text for text in texts)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=300, unique=True).map(sorted),
    st.integers(2, 60),
)
def test_thinned_steps_are_recorded_ones_with_both_ends_and_no_more_than_asked_for(
    steps: list[int], most: int
) -> None:
    node = xr.Dataset({"value": ("step", steps)}, coords={"step": steps})
    kept = thinned(node, most)["step"].values
    assert len(kept) == min(len(kept), len(steps), most)
    assert set(kept) <= set(steps)
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])
    assert (np.diff(kept) > 0).all()
    if len(steps) <= most:
        assert list(kept) == steps


def test_thinned_steps_of_a_long_training_stand_evenly_on_a_logarithmic_axis() -> None:
    node = xr.Dataset(coords={"step": np.arange(1000)})
    kept = thinned(node)["step"].values + 1
    assert 55 <= len(kept) <= 60
    early, late = kept[kept < 10], kept[kept >= 100]
    np.testing.assert_array_equal(early, np.arange(1, 10))
    # Neighbours differ by the same factor, but for the rounding to whole steps.
    gaps = np.diff(np.log(late))
    assert gaps.max() / gaps.min() < 1.3


def test_the_table_holds_exactly_the_drawn_lines(spectra: Spectra) -> None:
    tree = spectra(weights=2, steps=200, ranks=3)
    table = trajectory_table(tree)
    assert list(table) == list(TRAJECTORY_COLUMNS)
    axes = [one for one in trajectory_figure(tree).axes if one.get_yscale() == "log"]
    shown = [(weight, group) for weight in ("0.weight", "2.weight") for group in ("all", "0", "1")]
    assert len(axes) == len(shown)
    for one, (weight, group) in zip(axes, shown, strict=True):
        for rank in (1, 2, 3):
            rows = table[
                (table.weight == weight) & (table.group == group) & (table["rank"] == rank)
            ]
            (line,) = [line for line in one.lines if line.get_gid() == f"rank {rank}"]
            np.testing.assert_array_equal(line.get_xdata(), rows["step"] + 1)
            expected = rows["value"].where(~rows["under_noise_floor"])
            np.testing.assert_array_equal(np.asarray(line.get_ydata(), float), expected)
        (edge,) = [line for line in one.lines if line.get_gid() == "noise floor"]
        floor = np.maximum(rows["noise_floor"], one.get_ylim()[0])
        np.testing.assert_array_equal(np.asarray(edge.get_ydata(), float), floor)


def test_the_table_marks_noise_and_keeps_its_value() -> None:
    node = made_node([[1.0, 0.2], [1.0, 0.1], [1.0, 0.05]], 0.1, [2, 2])
    table = trajectory_table(xr.DataTree.from_dict({"/w": node}))
    second = table[(table["group"] == "a") & (table["rank"] == 2)]
    assert list(second["under_noise_floor"]) == [False, True, True]
    assert list(second["value"]) == [0.2, 0.1, 0.05]


def test_the_table_is_written_with_a_description_of_every_column(
    spectra: Spectra, tmp_path: Path
) -> None:
    write_table(tmp_path / "t.tsv", trajectory_table(spectra()), TRAJECTORY_COLUMNS)
    read = read_table(tmp_path / "t.tsv", text=["group"])
    np.testing.assert_array_equal(read["value"], trajectory_table(spectra())["value"])


def test_an_unknown_group_is_refused_with_the_recorded_ones(spectra: Spectra) -> None:
    with pytest.raises(BadInputError, match="patients asked for, all, 0, 1 recorded"):
        drawn(weight_node(spectra(), "0.weight"), "patients")


def test_an_unknown_weight_is_refused_with_the_recorded_ones(spectra: Spectra) -> None:
    with pytest.raises(BadInputError, match=r"one of 0\.weight, 2\.weight"):
        weight_node(spectra(), "9.weight")


def test_spectra_without_gradients_are_refused(spectra: Spectra) -> None:
    with pytest.raises(BadInputError, match="no gradient"):
        drawn(weight_node(spectra(), "0.weight").drop_vars("gradient"))


def test_spectra_without_weights_are_refused() -> None:
    with pytest.raises(BadInputError, match="one node per recorded weight"):
        trajectory_figure(xr.DataTree())


def test_spectra_without_group_sizes_are_refused(spectra: Spectra) -> None:
    node = weight_node(spectra(), "0.weight").assign_attrs(group_sizes=[])
    with pytest.raises(BadInputError, match="mean scale needs the size of every group"):
        drawn(node, "0")
