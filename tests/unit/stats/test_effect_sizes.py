import numpy as np
import pytest
import xarray as xr
from scipy import stats

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.arrays.tables import write_table
from neurospect.errors import BadInputError
from neurospect.stats.effect_sizes import EFFECT_COLUMNS, effect_sizes


def differences(a, b, unit_group=None):
    """Differences of means over blocks, of one weight; a and b of shape (blocks, steps, ranks)."""
    left_out = [np.delete(a, i, 0).mean(0) - b.mean(0) for i in range(len(a))]
    left_out += [a.mean(0) - np.delete(b, i, 0).mean(0) for i in range(len(b))]
    steps, ranks = a.shape[1:]
    tested = np.ones((steps, ranks), np.int8)
    tested[-1, -1] = 0
    node = xr.Dataset(
        {
            "difference": (("step", "rank"), a.mean(0) - b.mean(0)),
            "permuted": (("permutation", "step", "rank"), np.zeros((1, steps, ranks))),
            "leave_one_out": (("unit", "step", "rank"), np.stack(left_out)),
            "tested": (("step", "rank"), tested),
        },
        coords={
            "step": 3 * np.arange(steps),
            "rank": np.arange(1, ranks + 1),
            "unit_group": (
                "unit",
                np.array(unit_group or ["patients"] * len(a) + ["controls"] * len(b), object),
            ),
        },
    )
    root = xr.Dataset(attrs={"groups": ["patients", "controls"]})
    return xr.DataTree.from_dict({"/": root, "/0.weight": node, "/2.weight": node.copy()})


def drawn(blocks=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(blocks, 2, 3)) + 1, rng.normal(size=(blocks, 2, 3))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_each_cell_has_the_interval_of_its_difference(confidence):
    a, b = drawn()
    table = effect_sizes(differences(a, b), confidence=confidence)
    expected = stats.ttest_ind(a, b, axis=0).confidence_interval(confidence)
    assert list(table.columns) == list(EFFECT_COLUMNS)
    assert len(table) == 12
    for row in table[table["tested"]].itertuples():
        cell = row.step // 3, row.rank - 1
        assert row.log2_ratio == pytest.approx((a.mean(0) - b.mean(0))[cell])
        assert (row.low, row.high) == pytest.approx((expected.low[cell], expected.high[cell]))
    assert set(table["units"]) == {10}
    assert set(table["confidence"]) == {confidence}
    assert set(zip(table["group_a"], table["group_b"], strict=True)) == {("patients", "controls")}


def test_a_cell_that_is_not_tested_has_no_interval():
    table = effect_sizes(differences(*drawn()))
    assert (table["tested"] == ~((table["step"] == 3) & (table["rank"] == 3))).all()
    for column in ("standard_error", "low", "high"):
        np.testing.assert_array_equal(table[column].isna(), ~table["tested"])


def test_the_table_is_the_same_after_its_input_was_written_and_is_described(tmp_path):
    tree = differences(*drawn())
    write_datatree(tmp_path / "differences.nc", tree)
    table = effect_sizes(read_datatree(tmp_path / "differences.nc"))
    assert table.equals(effect_sizes(tree))
    write_table(tmp_path / "effect_sizes.tsv", table, EFFECT_COLUMNS)


def test_differences_without_what_the_interval_needs_are_refused():
    tree = differences(*drawn())
    tree["2.weight"] = xr.DataTree(tree["2.weight"].to_dataset().drop_vars("leave_one_out"))
    with pytest.raises(BadInputError, match=r"2\.weight: leave_one_out: found no such variable"):
        effect_sizes(tree)
    lone = differences(*drawn(2), unit_group=["patients and controls", *["patients"] * 3])
    with pytest.raises(BadInputError, match="1 of patients and controls, expected at least two"):
        effect_sizes(lone)
