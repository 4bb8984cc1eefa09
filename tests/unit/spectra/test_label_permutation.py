import itertools

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError
from neurospect.spectra.label_permutation import permuted_differences
from neurospect.stats.jackknife import jackknife_interval
from neurospect.stats.max_statistic import max_statistic_test

SHAPES = {"0.weight": (5, 4), "2.weight": (2, 5)}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small matrices are decomposed fastest in one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def block_gradients(per_group=6, steps=(0, 7), dtype=np.float32, seed=0, effect=0.0, groups="ab"):
    """Gradients of blocks, drawn alike in every group but for the effect on the first."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(list(groups), per_group).astype(object)
    nodes = {"/": xr.Dataset(attrs={"block_size": 3})}
    for name, shape in SHAPES.items():
        gradients = rng.normal(size=(len(steps), len(labels), *shape))
        gradients[:, labels == groups[0]] *= 1 + effect
        nodes[f"/{name}"] = xr.Dataset(
            {"gradient": (("step", "block", "row", "column"), gradients.astype(dtype))},
            coords={"step": list(steps), "group": ("block", labels)},
        )
    return xr.DataTree.from_dict(nodes)


def log_ratio(gradients, in_a):
    """By numpy alone, in double precision."""
    a, b = gradients[:, in_a].astype(float).sum(1), gradients[:, ~in_a].astype(float).sum(1)
    return np.log2(np.linalg.svd(a, compute_uv=False) / np.linalg.svd(b, compute_uv=False))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_observed_difference_is_the_log_ratio_of_the_summed_blocks(dtype):
    blocks = block_gradients(dtype=dtype, groups="cab")
    found = permuted_differences(blocks, ["b", "c"], permutations=5, seed=0)
    for name in SHAPES:
        gradients, labels = blocks[name]["gradient"].values, blocks[name]["group"].values
        compared = gradients[:, labels != "a"]
        expected = log_ratio(compared, labels[labels != "a"] == "b")
        np.testing.assert_allclose(found[name]["difference"], expected, rtol=1e-5, atol=1e-5)


def test_every_permuted_difference_is_one_of_some_relabeling():
    """With 3 blocks in each of two groups there are 20, of which all turn up in 400 draws."""
    blocks = block_gradients(per_group=3)
    found = permuted_differences(blocks, ["a", "b"], permutations=400, seed=1)
    for name in SHAPES:
        possible = []
        for chosen in itertools.combinations(range(6), 3):
            possible.append(log_ratio(blocks[name]["gradient"].values, np.isin(range(6), chosen)))
        drawn = found[name]["permuted"].values
        distance = np.abs(drawn[:, None] - np.stack(possible)[None]).max(axis=(2, 3))
        assert distance.min(axis=1).max() < 1e-4
        counts = np.bincount(distance.argmin(axis=1), minlength=20)
        assert stats.chisquare(counts).pvalue > 1e-3


def test_all_weights_and_steps_share_their_relabelings():
    """Weights that hold the same gradients at the same steps go on to have the same differences."""
    blocks = block_gradients()
    same = blocks["0.weight"].to_dataset()
    both = xr.concat([same.isel(step=0), same.isel(step=0)], "step", coords="minimal")
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"block_size": 3}), "/x": both, "/y": both.copy()}
    )
    found = permuted_differences(tree, ["a", "b"], permutations=50, seed=0)
    permuted = found["x"]["permuted"].values
    np.testing.assert_array_equal(permuted, found["y"]["permuted"].values)
    np.testing.assert_array_equal(permuted[:, 0], permuted[:, 1])
    assert len(np.unique(permuted[:, 0, 0])) > 20


def test_swapping_the_groups_swaps_the_sign():
    blocks = block_gradients()
    one = permuted_differences(blocks, ["a", "b"], permutations=9, seed=0)
    other = permuted_differences(blocks, ["b", "a"], permutations=9, seed=0)
    for name in SHAPES:
        np.testing.assert_allclose(one[name]["difference"], -other[name]["difference"], atol=1e-5)


@pytest.mark.parametrize("per_group", [2, 3, 4])
def test_relabelings_that_only_swap_the_groups_have_exactly_the_opposite_sign(per_group):
    """So that they tie with the observed labels, whatever the rounding of a matrix product."""
    blocks = block_gradients(per_group=per_group)
    found = permuted_differences(blocks, ["a", "b"], permutations=700, seed=0)
    for name in SHAPES:
        every = np.concatenate([found[name]["difference"].values[None], found[name]["permuted"]])
        absolute = np.abs(every.reshape(701, -1))
        relabelings = {2: 3, 3: 10, 4: 35}[per_group]
        assert len(np.unique(absolute, axis=0)) == relabelings
        assert len(np.unique(every.reshape(701, -1), axis=0)) == 2 * relabelings


def test_the_smallest_p_value_is_the_share_of_relabelings_that_repeat_the_observed_one():
    """With 2 blocks in each group, a third of all relabelings are the observed one or its swap."""
    blocks = block_gradients(per_group=2, effect=5.0)
    found = permuted_differences(blocks, ["a", "b"], permutations=600, seed=3)
    p = family_wise(found).p
    smallest = min(np.nanmin(values) for values in p.values())
    assert 0.27 < smallest < 0.40


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    blocks = block_gradients()
    files = []
    for number, seed in enumerate([5, 5, 6]):
        files.append(tmp_path / f"{number}.nc")
        write_datatree(
            files[-1], permuted_differences(blocks, ["a", "b"], permutations=99, seed=seed)
        )
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other
    assert read_datatree(files[0]).attrs["relabelings_possible"] == 924


def test_more_relabelings_than_are_held_in_memory_at_once_do_not_differ():
    blocks = block_gradients()
    few = permuted_differences(blocks, ["a", "b"], permutations=30, seed=0)
    many = permuted_differences(blocks, ["a", "b"], permutations=500, seed=0)
    assert many["0.weight"]["permuted"].sizes == {"permutation": 500, "step": 2, "rank": 4}
    np.testing.assert_allclose(
        many["0.weight"]["permuted"][:30], few["0.weight"]["permuted"], atol=1e-5
    )


def family_wise(found):
    names = list(found.children)
    return max_statistic_test(
        {name: found[name]["difference"].values for name in names},
        {name: found[name]["permuted"].values for name in names},
        {name: found[name]["tested"].values == 1 for name in names},
        alpha=0.05,
    )


def test_groups_that_do_not_differ_are_told_apart_no_more_often_than_asked_for():
    smallest = []
    for seed in range(200):
        found = permuted_differences(
            block_gradients(per_group=6, seed=seed), ["a", "b"], permutations=59, seed=seed
        )
        smallest.append(min(np.nanmin(values) for values in family_wise(found).p.values()))
    for alpha in (0.05, 0.2, 0.5):
        low, high = stats.binom.ppf([0.001, 0.999], len(smallest), alpha)
        # Ties make the test a little strict, never lax.
        assert low - 4 <= sum(p <= alpha + 1e-9 for p in smallest) <= high


def test_groups_that_differ_are_told_apart():
    found = permuted_differences(
        block_gradients(per_group=8, effect=1.5), ["a", "b"], permutations=199, seed=0
    )
    result = family_wise(found)
    assert min(np.nanmin(values) for values in result.p.values()) <= 0.05
    assert (found["0.weight"]["difference"][:, 0] > 0).all()


def test_a_group_without_gradient_differs_by_the_noise_floor_and_not_by_infinity():
    blocks = block_gradients()
    gradient = blocks["0.weight"]["gradient"]
    gradient[:, gradient["group"].values == "b"] = 0.0
    found = permuted_differences(blocks, ["a", "b"], permutations=20, seed=0)["0.weight"]
    assert np.isfinite(found["difference"]).all()
    assert np.isfinite(found["permuted"]).all()
    whole = np.linalg.svd(gradient.values.astype(float).sum(1), compute_uv=False)
    floor = 5 * np.finfo(np.float32).eps * whole[:, :1]
    most = np.log2(whole / floor)
    assert (found["difference"] <= most + 1e-4).all()
    assert (found["difference"] >= most - 1).all(), (
        "the floor is at most that of twice the gradient"
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(0, 99))
def test_values_under_the_noise_floor_are_not_tested_and_stay_finite(rank, seed):
    rng = np.random.default_rng(seed)
    blocks = block_gradients(seed=seed)
    low_rank = rng.normal(size=(2, 12, 5, rank)) @ rng.normal(size=(rank, 4))
    blocks["0.weight"]["gradient"][:] = low_rank.astype(np.float32)
    found = permuted_differences(blocks, ["a", "b"], permutations=20, seed=0)["0.weight"]
    tested = found["tested"].values == 1
    assert tested[:, :rank].all()
    assert not tested[:, rank:].any()
    assert (found["difference"].values[:, rank:] == 0).all(), "two values under the floor are equal"
    assert (found["permuted"].values[..., rank:] == 0).all()
    assert np.isfinite(found["permuted"]).all()


def test_double_precision_has_a_floor_of_its_own():
    blocks = block_gradients(dtype=np.float64)
    gradient = blocks["2.weight"]["gradient"]
    gradient[..., 1, :] *= 1e-10
    found = permuted_differences(blocks, ["a", "b"], permutations=5, seed=0)["2.weight"]
    assert (found["tested"] == 1).all()
    labels = gradient["group"].values == "a"
    np.testing.assert_allclose(found["difference"], log_ratio(gradient.values, labels), atol=1e-5)


def test_weights_that_never_move_are_not_tested():
    blocks = block_gradients()
    blocks["0.weight"]["gradient"][:] = 0.0
    found = permuted_differences(blocks, ["a", "b"], permutations=5, seed=0)["0.weight"]
    assert not found["tested"].any()
    assert (found["difference"] == 0).all()


def test_what_is_kept_survives_writing_and_reading(tmp_path):
    blocks = block_gradients()
    write_datatree(tmp_path / "blocks.nc", blocks)
    one = permuted_differences(blocks, ["a", "b"], permutations=9, seed=0)
    other = permuted_differences(
        read_datatree(tmp_path / "blocks.nc"), ["a", "b"], permutations=9, seed=0
    )
    xr.testing.assert_identical(one["0.weight"].to_dataset(), other["0.weight"].to_dataset())
    assert one.attrs["groups"] == ["a", "b"]
    assert (one.attrs["blocks_per_group"], one.attrs["block_size"]) == (6, 3)


def without(blocks, positions):
    kept = {
        name: node.to_dataset().drop_isel(block=positions) for name, node in blocks.children.items()
    }
    return xr.DataTree.from_dict({"/": blocks.to_dataset(), **kept})


@pytest.mark.parametrize(
    ("blocks", "groups", "words"),
    [
        (without(block_gradients(), [0]), ["a", "b"], "groups a, b: found 5 and 6 blocks"),
        (block_gradients(), ["a", "z"], "groups a, z: found 6 and 0 blocks"),
        (block_gradients(per_group=1), ["a", "b"], "found 1 and 1 blocks, expected two or more"),
        (
            block_gradients(groups="abc"),
            ["a", "b", "c"],
            "found a, b, c, expected the names of two",
        ),
        (block_gradients(), ["a", "a"], "found a, a, expected the names of two groups"),
        (block_gradients(), [], "found none, expected the names of two groups"),
        (
            xr.DataTree.from_dict({"/": xr.Dataset(attrs={"block_size": 0})}),
            ["a", "b"],
            "found 0 and 0 blocks",
        ),
    ],
)
def test_groups_whose_labels_cannot_be_permuted_are_refused(blocks, groups, words):
    with pytest.raises(BadInputError, match=words):
        permuted_differences(blocks, groups, permutations=9, seed=0)


def test_labels_are_exchanged_only_inside_a_stratum():
    """With 2 + 1 of 3 in one site and 1 + 2 in the other: 9 labelings instead of 20."""
    blocks = block_gradients(per_group=3, groups="cab")
    labels = blocks["0.weight"]["group"].values
    site = np.array(["-", "-", "-", "x", "x", "y", "x", "y", "y"])
    found = permuted_differences(blocks, ["a", "b"], permutations=300, seed=1, strata=site)
    assert found.attrs["relabelings_possible"] == 9
    assert found.attrs["blocks_never_exchanged"] == 0
    compared = labels != "c"
    for name in SHAPES:
        possible = []
        for chosen in itertools.combinations(np.flatnonzero(compared), 3):
            in_a = np.isin(range(9), chosen)
            if (in_a & (site == "x")).sum() == 2:
                gradients = blocks[name]["gradient"].values[:, compared]
                possible.append(log_ratio(gradients, in_a[compared]))
        drawn = found[name]["permuted"].values
        distance = np.abs(drawn[:, None] - np.stack(possible)[None]).max(axis=(2, 3))
        assert distance.min(axis=1).max() < 1e-4
        assert len(np.unique(distance.argmin(axis=1))) == len(possible) == 9


def test_blocks_of_one_family_stay_in_one_group():
    blocks = block_gradients(per_group=4)
    family = [0, 0, 1, 1, 2, 2, 3, 3]
    found = permuted_differences(blocks, ["a", "b"], permutations=200, seed=0, units=family)
    assert found.attrs["relabelings_possible"] == 6
    every = np.abs(found["0.weight"]["permuted"].values).reshape(200, -1)
    assert len(np.unique(every, axis=0)) == 3


def test_strata_and_units_that_the_tree_names_need_not_be_given():
    blocks = block_gradients(per_group=4)
    site, family = np.array(list("xxyy" * 2), dtype=object), [0, 1, 2, 3, 0, 1, 2, 4]
    given = permuted_differences(
        blocks, ["a", "b"], permutations=40, seed=0, strata=site, units=family
    )
    named = xr.DataTree.from_dict(
        {"/": blocks.to_dataset()}
        | {
            name: node.to_dataset().assign_coords(stratum=("block", site), unit=("block", family))
            for name, node in blocks.children.items()
        }
    )
    own = permuted_differences(named, ["a", "b"], permutations=40, seed=0)
    for name in SHAPES:
        xr.testing.assert_identical(own[name].to_dataset(), given[name].to_dataset())
    assert own.attrs == given.attrs
    assert own.attrs["relabelings_possible"] < 70


def test_blocks_that_are_never_exchanged_are_counted_and_told_of(caplog):
    blocks = block_gradients(per_group=4)
    site = list("xxxy" + "xxxz")
    found = permuted_differences(blocks, ["a", "b"], permutations=9, seed=0, strata=site)
    assert found.attrs["blocks_never_exchanged"] == 2
    assert found.attrs["relabelings_possible"] == 20
    assert "2 of 8 blocks are never exchanged" in caplog.text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_difference_without_a_block_is_that_of_the_means_of_the_others(dtype):
    blocks = block_gradients(per_group=4, dtype=dtype, groups="cab")
    found = permuted_differences(blocks, ["b", "c"], permutations=5, seed=0)
    labels = blocks["0.weight"]["group"].values
    order = np.concatenate([np.flatnonzero(labels == "b"), np.flatnonzero(labels == "c")])
    for name in SHAPES:
        assert found[name]["unit_group"].values.tolist() == ["b"] * 4 + ["c"] * 4
        for place, block in enumerate(order):
            left = np.setdiff1d(order, block)
            gradients = blocks[name]["gradient"].values[:, left]
            in_b = labels[left] == "b"
            scale = np.log2((~in_b).sum() / in_b.sum())
            expected = log_ratio(gradients, in_b) + scale
            without = found[name]["leave_one_out"].values[place]
            np.testing.assert_allclose(without, expected, atol=2e-5)


def test_a_family_is_left_out_as_a_whole_and_may_be_in_both_groups():
    blocks = block_gradients(per_group=3)
    family = ["p", "q", "q", "r", "p", "s"]
    found = permuted_differences(blocks, ["a", "b"], permutations=5, seed=0, units=family)
    node = found["2.weight"]
    assert node["unit_group"].values.tolist() == ["a and b", "a", "b", "b"]
    gradients = blocks["2.weight"]["gradient"].values[:, [1, 2, 3, 5]]
    expected = log_ratio(gradients, np.array([True, True, False, False]))
    np.testing.assert_allclose(node["leave_one_out"][0], expected, atol=2e-5)


@pytest.mark.parametrize(("shared", "most"), [(2.0, 0.96), (0.0, 1.0)])
def test_the_interval_of_the_difference_holds_the_true_one_at_least_as_often_as_it_says(
    shared, most
):
    """Blocks drawn anew each time; group a's gradients are twice as large, so the truth is 1.

    With a gradient that all blocks share the interval is exact but for its approximation; without
    any, singular values are no smooth function of the blocks' means, and it is too wide.
    """
    held = []
    for seed in range(200):
        blocks = block_gradients(per_group=8, steps=(0,), seed=seed)
        gradient = blocks["0.weight"]["gradient"]
        gradient += shared * np.random.default_rng(99).normal(size=SHAPES["0.weight"])
        gradient[:, gradient["group"].values == "a"] *= 2
        found = permuted_differences(blocks, ["a", "b"], permutations=1, seed=0)["0.weight"]
        interval = jackknife_interval(
            found["difference"].values,
            found["leave_one_out"].values,
            found["unit_group"].values,
            confidence=0.9,
        )
        held.append(((interval.low < 1) & (interval.high > 1))[0])
    assert 0.85 < np.mean(held) <= most


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strata": list("xxy")}, r"strata: found shape \(3,\), expected \(12,\)"),
        ({"units": [[1] * 12]}, r"units: found shape \(1, 12\), expected \(12,\)"),
        ({"strata": list("xxxxxxyyyyyy")}, "12 of 12 samples are never exchanged"),
        ({"alpha": 0.05}, "9 relabelings, 924 labelings possible, no p value under 0.1"),
    ],
)
def test_relabelings_that_would_not_do_are_refused(options, words):
    with pytest.raises(BadInputError, match=words):
        permuted_differences(block_gradients(), ["a", "b"], permutations=9, seed=0, **options)
