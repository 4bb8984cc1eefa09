import numpy as np
import pandas as pd
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
        (["a", np.nan, "b", "a", "b", np.nan], None, "sample 1: found 2 missing labels"),
        (("a", "b", None, "a", "b"), None, "sample 2: found 1 missing labels"),
        (pd.Series(["a", pd.NA, "a"], dtype="string"), None, "sample 1: found 1 missing labels"),
        (pd.Series([1, pd.NA, 1], dtype="Int64"), None, "sample 1: found 1 missing labels"),
        (np.array(["a", "a", 1, 1], dtype=object), None, "labels: found values of type int, str"),
        (["HC"] * 3, ["HC", "patient"], "group patient: found 0 samples"),
        (["p", "p", "c", "c"], ["patient", "control"], "label p: found not among the levels"),
        ([0, 0, 1, 1], [0.9, 1.2], "level 0.9: found labels of type int64"),
        ([0, 0, 1, 1], ["0", "one"], "level one: found labels of type int64"),
        (np.array([0, 0, 1, 1], dtype=np.int8), [0, 300], "level 300: found labels of type int8"),
    ],
)
def test_labels_that_make_no_groups_are_refused(labels, levels, words):
    with pytest.raises(BadInputError, match=words):
        sample_groups(labels, levels=levels)


def test_levels_are_never_cut_to_the_width_of_the_labels():
    groups = sample_groups(["HC", "HC", "HC"], levels=["HC", "patient"], smallest=0)
    assert groups.names == ("HC", "patient")
    assert groups.sizes == (3, 0)


@pytest.mark.parametrize("levels", [[1, 0], [1.0, 0.0], ["1", "0"], np.array([1, 0])])
def test_levels_may_be_written_in_another_type_than_the_labels(levels):
    groups = sample_groups([0, 1, 1, 0, 1], levels=levels)
    assert groups.names == ("1", "0")
    assert groups.sizes == (3, 2)


def test_levels_of_single_precision_labels_may_be_double():
    groups = sample_groups(np.float32([0.1, 0.1, 0.7, 0.7]), levels=np.array([0.7, 0.1]))
    assert groups.names == ("0.7", "0.1")


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([1.0, 0.0, 1.0, 0.0], requires_grad=True),
        torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.bfloat16),
    ],
)
def test_tensors_of_any_kind_may_be_labels(labels):
    groups = sample_groups(labels)
    assert groups.names == ("0.0", "1.0")
    assert groups.order.tolist() == [1, 3, 0, 2]
