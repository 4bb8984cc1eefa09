import numpy as np
import pytest
import torch

from neurospect.errors import BadInputError
from neurospect.spectra.groups import sample_groups


def test_labels_become_segments_of_the_sorted_batch():
    groups = sample_groups(["b", "a", "b", "a", "a"])
    assert groups.names == ("a", "b")
    assert groups.sizes == (3, 2)
    assert groups.sort(torch.arange(5)).tolist() == [1, 3, 4, 0, 2]


def test_numbers_are_sorted_as_numbers():
    assert sample_groups(np.repeat([10, 9, 2], 2)).names == ("2", "9", "10")


def test_levels_decide_the_order_of_the_groups():
    assert sample_groups([1, 1, 0, 0], levels=[1, 0]).names == ("1", "0")


def test_a_batch_in_group_order_is_not_copied():
    groups = sample_groups([0, 0, 1, 1])
    batch = torch.zeros(4, 2)
    assert groups.order is None
    assert groups.sort(batch) is batch


@pytest.mark.parametrize(
    ("labels", "levels", "words"),
    [
        ([0, 0, 1], None, "group 1: found 1 sample, expected at least 2"),
        ([0, 0, 1, 1], [0, 1, 2], "group 2: found 0 samples"),
        ([0.0, 0.0, np.nan, 1.0], None, "sample 2: found 1 missing labels"),
        ([[0, 1], [0, 1]], None, r"shape: found \(2, 2\)"),
        ([], None, "shape"),
        ([0, 0, 1, 1, 5], [0, 1], "label 5: found not among the levels"),
        (["all", "all", "x", "x"], None, "reserved for the whole batch"),
    ],
)
def test_labels_that_make_no_groups_are_refused(labels, levels, words):
    with pytest.raises(BadInputError, match=words):
        sample_groups(labels, levels=levels)
