from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.saliency_panels import limit_said
from neurospect.figures.saliency_rows import saliency_rows
from neurospect.figures.saving import save_figure
from neurospect.figures.style import NOISE

RECIPE = "0123456789abcdef" * 4
TASKS = ("WM", "GAMBLING", "MOTOR", "LANGUAGE", "SOCIAL", "RELATIONAL", "EMOTION")
DECODERS = ("multinomial regression, L2 penalty", "3-D convolutional network, adversarial training")
METHODS = ("gradient", "gradient_x_input", "smoothgrad", "integrated_gradients", "haufe_pattern")


def panels(classes: Sequence[str], methods: int) -> pd.DataFrame:
    """Examples, targets and maps of every class, and of every pair with the first class."""
    ways = [(d, m) for d in DECODERS for m in METHODS][:methods]
    pairs = [f"{classes[0]} → {other}" for other in classes[1:]]
    rows = [("class_informative", name, "input", "", "") for name in classes]
    rows += [("class_informative", name, "target", "", "") for name in classes]
    rows += [("pairwise_difference", name, "target", "", "") for name in pairs]
    rows += [("class_informative", name, "saliency", *way) for way in ways for name in classes]
    rows += [("pairwise_difference", name, "saliency", *way) for way in ways for name in pairs]
    table = pd.DataFrame(rows, columns=["criterion", "column", "kind", "decoder", "method"])
    shown = table["kind"] == "saliency"
    return table.assign(correlation=np.where(shown, np.linspace(-0.2, 0.9, len(table)), np.nan))


def maps(table: pd.DataFrame, shape: tuple[int, int] = (8, 8)) -> np.ndarray:
    """Random maps whose sizes differ by a factor of a million."""
    sizes = 10.0 ** -(np.arange(len(table)) % 7)
    noise = np.random.default_rng(0).normal(size=(len(table), *shape))
    return sizes[:, np.newaxis, np.newaxis] * noise


def drawn(figure: Figure) -> dict[str, Axes]:
    return {str(axes.get_gid()): axes for axes in figure.axes if axes.get_gid()}


def test_every_map_is_drawn_where_its_row_and_column_meet() -> None:
    table = panels("ABC", 3)
    values = maps(table)
    axes = drawn(saliency_rows(values, table))
    assert len(axes) == len(table)
    shown = axes[f"pairwise_difference: A → C: {DECODERS[0]}, gradient × input"]
    place = table.index[
        (table["column"] == "A → C") & (table["method"] == "gradient_x_input")
    ].item()
    np.testing.assert_array_equal(np.asarray(shown.images[0].get_array()), values[place])
    above = axes["pairwise_difference: A → C: target"]
    left = axes[f"pairwise_difference: A → B: {DECODERS[0]}, gradient × input"]
    assert shown.get_position().x0 == pytest.approx(above.get_position().x0)
    assert shown.get_position().y0 == pytest.approx(left.get_position().y0)
    assert shown.get_position().y1 < above.get_position().y0
    assert shown.get_position().x0 > left.get_position().x1


def test_each_map_has_a_symmetric_scale_up_to_its_largest_value_that_is_written_under_it(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    table = panels("AB", 1)
    values = maps(table)
    figure = saliency_rows(values, table)
    for axes, map_ in zip(drawn(figure).values(), _in_drawn_order(values, table), strict=True):
        assert axes.images[0].get_clim() == (-np.abs(map_).max(), np.abs(map_).max())
        said = limit_said(float(np.abs(map_).max()))
        assert any(said in text.get_text() for text in drawn_texts(figure))


def _in_drawn_order(values: np.ndarray, table: pd.DataFrame) -> list[np.ndarray]:
    """Block by block and column by column."""
    order = table.groupby(["criterion", "column"], sort=False).indices
    return [values[place] for places in order.values() for place in sorted(places)]


def test_correlations_stand_under_maps_and_undefined_ones_say_so(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    table = panels("AB", 2)
    table.loc[table["kind"] == "saliency", "correlation"] = [0.434, -0.05, np.nan, 1, 0, -0.001]
    said = [t.get_text() for t in drawn_texts(saliency_rows(maps(table), table))]
    found = [text.replace("\n", "   ").split("   ")[0] for text in said if text.startswith("r = ")]
    assert sorted(found) == sorted(
        ["r = .43", "r = −.05", "r = NaN", "r = 1.00", "r = .00", "r = .00"]
    )
    assert "NaN: undefined, since the map or the target is constant" in said
    table["correlation"] = 0.5
    said = [t.get_text() for t in drawn_texts(saliency_rows(maps(table), table))]
    assert not any("NaN" in text for text in said)


def test_rows_name_decoder_once_and_each_method_in_words(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    table = panels("ABC", 10)
    said = " ".join(t.get_text() for t in drawn_texts(saliency_rows(maps(table), table)))
    assert said.count("regression, L2 penalty") == 1
    for words in ("gradient × input", "SmoothGrad", "integrated gradients", "pattern (Haufe)"):
        assert said.count(words) == len(DECODERS)


def test_values_outside_a_mask_are_grey() -> None:
    table = panels("AB", 1)
    values = maps(table)
    values[:, 0, 0] = np.nan
    axes = drawn(saliency_rows(values, table))["class_informative: A: target"]
    assert np.ma.getmaskarray(axes.images[0].get_array())[0, 0]
    assert axes.get_facecolor() == to_rgba(NOISE)


def test_a_map_of_zeros_is_drawn_and_says_so(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    table = panels("AB", 1)
    values = maps(table)
    values[-1] = 0
    said = [text.get_text() for text in drawn_texts(saliency_rows(values, table))]
    assert sum("all zero" in text for text in said) == 1


@pytest.mark.parametrize("shape", [(32, 32), (8, 128), (53, 20)])
@pytest.mark.parametrize(("classes", "methods"), [(("A", "B"), 1), (tuple("ABC"), 10), (TASKS, 10)])
def test_the_figure_fits_on_a_page_and_no_texts_overlap(
    clashes: Callable[[Figure], list[str]],
    classes: tuple[str, ...],
    methods: int,
    shape: tuple[int, int],
) -> None:
    table = panels(classes, methods)
    figure = saliency_rows(
        maps(table, shape), table, across="time", down="component", title="Tasks"
    )
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247.001
    assert clashes(figure) == []


def test_square_pixels_stay_square() -> None:
    table = panels("ABC", 2)
    axes = drawn(saliency_rows(maps(table, (8, 16)), table))["class_informative: A: example"]
    box = axes.get_window_extent()
    assert box.width == pytest.approx(2 * box.height)


def test_the_figure_says_whether_it_shows_examples_or_means(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    table = panels("AB", 1)

    def said(averaged_over: int) -> str:
        figure = saliency_rows(maps(table), table, averaged_over=averaged_over)
        return " ".join(text.get_text() for text in drawn_texts(figure))

    assert "maps of one example of each class" in said(1)
    assert "means over 1,000 examples of each class" in said(1000)


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    table = panels("AB", 1)
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"rows{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(saliency_rows(maps(table), table), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m, t: (m[:-1], t), "rows, "),
        (lambda m, t: (m[:0], t[:0]), "0, 8, 8"),
        (lambda m, t: (m[..., 0], t), "height, width"),
        (lambda m, t: (m, t.drop(columns="column")), "no column"),
        (lambda m, t: (m, t.assign(kind="map")), "found map"),
        (lambda m, t: (m, t.assign(column="A", kind="input")), "6 of example"),
        (lambda m, t: (np.where(m == m[2, 1, 1], np.inf, m), t), "panel 3.*infinite"),
        (lambda m, t: (m * np.nan, t), "panel 1.*no value"),
    ],
)
def test_what_does_not_fit_is_refused(spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    table = panels("AB", 1)
    saliency_rows(maps(table), table)
    with pytest.raises(BadInputError, match=message):
        saliency_rows(*spoil(maps(table), table))


def test_more_maps_than_can_be_seen_are_refused() -> None:
    table = panels([f"class {number}" for number in range(20)], 2)
    with pytest.raises(BadInputError, match="at least 6 mm"):
        saliency_rows(maps(table), table)
