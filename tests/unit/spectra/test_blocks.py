import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra
from neurospect.spectra.blocks import BlockPlan, spread_steps
from neurospect.spectra.groups import sample_groups
from neurospect.spectra.label_permutation import group_differences, permuted_differences


def groups_of(**sizes):
    return sample_groups([name for name, size in sizes.items() for _ in range(size)], smallest=1)


def plan(*groups, per_group=4):
    return BlockPlan(groups, per_group, frozenset({0}))


@given(
    st.lists(st.integers(2, 500), min_size=2, max_size=5), st.integers(1, 40), st.integers(0, 500)
)
def test_blocks_are_as_many_and_as_large_as_the_smallest_compared_group_allows(
    sizes, per_group, bystanders
):
    compared = {f"group {i}": size for i, size in enumerate(sizes)}
    groups = groups_of(**compared, **({"not compared": bystanders} if bystanders else {}))
    cut = plan(*compared, per_group=per_group).cut(groups)
    blocks, size = cut.per_group, cut.size
    smallest = min(sizes)
    assert blocks == min(per_group, smallest)
    assert size * blocks <= smallest < (size + 1) * blocks


def test_a_group_of_fewer_samples_than_blocks_gets_one_block_per_sample():
    cut = plan("a", "b", per_group=12).cut(groups_of(a=5, b=9))
    assert (cut.per_group, cut.size) == (5, 1)


def test_what_is_left_over_of_a_larger_group_takes_no_part():
    cut = plan("a", "b").cut(groups_of(a=11, b=90))
    assert (cut.per_group, cut.size, cut.left_over) == (4, 2, 85)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"a": 5, "c": 5}, "group b: found 0 samples, expected at least 2"),
        ({"a": 1, "b": 5}, "group a: found 1 samples"),
    ],
)
def test_a_group_whose_labels_cannot_be_permuted_is_refused(sizes, words):
    with pytest.raises(BadInputError, match=words):
        plan("a", "b").cut(groups_of(**sizes))


@given(st.integers(1, 3000), st.integers(2, 60))
def test_spread_steps_are_in_order_within_the_training_and_hold_its_ends(steps, wanted):
    kept = spread_steps(steps, wanted)
    assert list(kept) == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, steps - 1)
    assert len(kept) <= wanted
    assert len(kept) == steps or len(kept) >= min(wanted, 2)


@given(st.integers(100, 3000), st.integers(2, 40))
def test_spread_steps_lie_closest_together_where_training_moves_fastest(steps, wanted):
    kept = spread_steps(steps, wanted)
    gaps = [b - a for a, b in itertools.pairwise(kept)]
    # Rounding to whole steps may shorten a gap by one.
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(gaps))


def test_all_steps_are_kept_where_there_are_no_more_than_wanted():
    assert spread_steps(5, 9) == spread_steps(5, 5) == (0, 1, 2, 3, 4)


def test_a_single_step_is_the_last():
    assert spread_steps(1000, 1) == (999,)
    assert spread_steps(1, 1) == (0,)


def half_precision_blocks(dtype, path):
    """Blocks of one sample each, as they come back from a file."""
    torch.manual_seed(0)
    model = nn.Linear(6, 5, dtype=dtype)
    inputs = torch.randn(12, 6, dtype=dtype)
    labels = ["a", "b"] * 6
    with GradientSpectra(model, labels, blocks=plan("a", "b", per_group=6)) as spectra:
        (model(inputs).float() ** 3).mean().backward()
    write_datatree(path, spectra.to_block_datatree())
    return model, inputs, read_datatree(path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_blocks_in_half_precision_are_kept_with_the_name_of_their_type(dtype, tmp_path):
    model, inputs, kept = half_precision_blocks(dtype, tmp_path / "blocks.nc")
    gradient = kept["weight"]["gradient"]
    assert gradient.dtype == np.float32
    assert gradient.attrs["computed_in"] == str(dtype).removeprefix("torch.")
    in_group_order = torch.cat([inputs[::2], inputs[1::2]])
    for block, row in zip(gradient.values[0], in_group_order, strict=True):
        loss = (model(row).float() ** 3).mean() / 12
        (expected,) = torch.autograd.grad(loss, model.weight)
        np.testing.assert_allclose(block, expected.float(), rtol=0.05, atol=1e-3)


def test_values_under_the_noise_of_half_precision_are_not_tested(tmp_path):
    _, _, kept = half_precision_blocks(torch.bfloat16, tmp_path / "blocks.nc")
    whole = kept["weight"]["gradient"].values[0].astype(float).sum(0)
    values = np.linalg.svd(whole, compute_uv=False)
    permuted = permuted_differences(kept, ["a", "b"], permutations=20, seed=0)["weight"]
    _, above = group_differences(kept, ["a", "b"])["weight"]
    # A floor of six roundings of the largest value, which may be one of a single group.
    lies_under = values <= 6 * 2.0**-7 * values[0]
    assert lies_under.any() and not lies_under.all()
    assert not permuted["tested"].values[0][lies_under].any()
    assert not above[0][lies_under].any()
    assert permuted["tested"].values[0].any() and above.any()
