"""The two criteria against their definition, written out with scipy."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.saliency import class_informative_correlation, pairwise_difference_correlation
from neurospect.saliency.criteria import pearson
from neurospect.saliency.templates import class_templates, subject_templates

SHAPE = (4, 5)


def made(examples=7, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(examples, classes, *SHAPE))
    return maps, np.arange(examples) % classes, rng.normal(size=(classes, *SHAPE))


def r(a, b):
    return stats.pearsonr(np.ravel(a), np.ravel(b)).statistic


def test_the_first_criterion_is_the_correlation_with_the_template_minus_the_average():
    maps, classes, templates = made()
    found = class_informative_correlation(maps, classes, templates)
    average = templates.mean(0)
    expected = [r(one[k], templates[k] - average) for one, k in zip(maps, classes, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_second_criterion_is_the_mean_over_the_other_classes_of_their_differences():
    maps, classes, templates = made()
    found = pairwise_difference_correlation(maps, classes, templates)
    expected = [
        np.mean([r(one[b], templates[b] - templates[a]) for b in range(3) if b != a])
        for one, a in zip(maps, classes, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_subjects_are_held_against_their_own_templates():
    maps, classes, _ = made(12)
    inputs = np.random.default_rng(1).normal(size=(12, *SHAPE))
    names = np.array(["b", "a"])[np.arange(12) // 6]
    templates, places = subject_templates(inputs, classes, names, 3)
    assert places.tolist() == [1] * 6 + [0] * 6
    of_a = np.stack([inputs[6:][classes[6:] == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(templates[0], of_a, rtol=1e-6)
    first = class_informative_correlation(maps, classes, templates, subjects=places)
    second = pairwise_difference_correlation(maps, classes, templates, subjects=places)
    np.testing.assert_allclose(
        first[6:], class_informative_correlation(maps[6:], classes[6:], of_a), atol=1e-6
    )
    np.testing.assert_allclose(
        second[6:], pairwise_difference_correlation(maps[6:], classes[6:], of_a), atol=1e-6
    )


@pytest.mark.parametrize(
    "criterion", [class_informative_correlation, pairwise_difference_correlation]
)
def test_what_lies_outside_the_mask_does_not_count(criterion):
    maps, classes, templates = made()
    mask = np.random.default_rng(2).random(SHAPE) < 0.6
    inside = criterion(maps, classes, templates, mask=mask)
    maps[..., ~mask] = 1e6
    templates[..., ~mask] = np.nan
    np.testing.assert_array_equal(criterion(maps, classes, templates, mask=mask), inside)
    flat = criterion(maps[..., mask], classes, templates[..., mask])
    np.testing.assert_allclose(flat, inside, rtol=1e-12)


@given(scale=st.sampled_from([1e-36, 1e-20, 1e-3, 1e30]), shift=st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_neither_scale_nor_offset_of_a_map_counts(scale, shift):
    maps, classes, templates = made()
    other = ((maps + shift) * scale).astype(np.float32)
    np.testing.assert_allclose(
        class_informative_correlation(other, classes, templates),
        class_informative_correlation(maps, classes, templates),
        atol=1e-5,
    )


def test_a_map_that_is_the_target_scores_one_and_its_negative_minus_one():
    _, classes, templates = made()
    informative = np.broadcast_to(templates - templates.mean(0), (7, 3, *SHAPE))
    np.testing.assert_allclose(class_informative_correlation(informative, classes, templates), 1)
    differences = templates[None] - templates[classes][:, None]
    np.testing.assert_allclose(
        pairwise_difference_correlation(-differences, classes, templates), -1
    )


def test_a_constant_map_has_no_correlation_and_is_counted(caplog):
    maps, classes, templates = made()
    maps[2] = 0.1
    maps[4, (classes[4] + 1) % 3] = 0
    with caplog.at_level(logging.WARNING):
        first = class_informative_correlation(maps, classes, templates)
        second = pairwise_difference_correlation(maps, classes, templates)
    assert np.flatnonzero(np.isnan(first)).tolist() == [2]
    assert np.flatnonzero(np.isnan(second)).tolist() == [2, 4]
    assert "undefined (NaN) for 1 of 7 examples" in caplog.text
    assert "undefined (NaN) for 2 of 7 examples" in caplog.text


def test_maps_that_are_not_finite_are_not_called_constant(caplog):
    maps, classes, templates = made()
    maps[1] = 0.1
    maps[2, :, 0, 0] = np.nan
    maps[5, (classes[5] + 1) % 3, 1, 1] = np.inf
    with caplog.at_level(logging.WARNING):
        class_informative_correlation(maps, classes, templates)
        pairwise_difference_correlation(maps, classes, templates)
    said = [record.getMessage() for record in caplog.records]
    assert "for 2 of 7 examples (map or target constant: 1; map NaN or infinite: 1)" in said[0]
    assert "for 3 of 7 examples (map or target constant: 1; map NaN or infinite: 2)" in said[1]


@pytest.mark.parametrize("mask", [np.eye(4, 5, dtype=np.uint8), np.eye(4, 5), torch.eye(4, 5) > 0])
def test_a_mask_of_zeros_and_ones_is_one_of_booleans(mask):
    maps, classes, templates = made()
    expected = class_informative_correlation(maps, classes, templates, mask=np.eye(4, 5) > 0)
    found = class_informative_correlation(maps, classes, templates, mask=mask)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("change", [{"dtype": torch.bfloat16}, {"requires_grad": True}])
def test_tensors_of_any_precision_are_judged_with_a_gradient_and_without(change):
    maps, classes, templates = made()
    coarse = torch.tensor(maps, dtype=torch.float32).bfloat16().float()
    tensors = coarse.clone().to(change.get("dtype")).requires_grad_("requires_grad" in change)
    for criterion in (class_informative_correlation, pairwise_difference_correlation):
        found = criterion(tensors, torch.from_numpy(classes), torch.from_numpy(templates))
        np.testing.assert_array_equal(found, criterion(coarse.numpy(), classes, templates))
    means = class_templates(tensors[:, 0], torch.from_numpy(classes), 3)
    np.testing.assert_array_equal(means, class_templates(coarse[:, 0].numpy(), classes, 3))
    of_subjects, _ = subject_templates(tensors[:, 0], classes, ["a"] * 7, 3)
    np.testing.assert_allclose(of_subjects[0], means, rtol=1e-6)


def test_correlations_match_scipy_row_by_row():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 50)).astype(np.float32), 1e5 + rng.normal(size=(6, 50))
    expected = [stats.pearsonr(x.astype(float), y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(pearson(a, b), expected, rtol=1e-9)


def test_class_templates_are_the_means_of_the_classes():
    inputs = np.random.default_rng(0).normal(size=(9, *SHAPE)).astype(np.float32)
    classes = np.array([0, 0, 1, 1, 1, 2, 2, 0, 0])
    found = class_templates(inputs, classes, 3)
    for k in range(3):
        np.testing.assert_allclose(found[k], inputs[classes == k].mean(0), rtol=1e-5, atol=1e-7)


def test_a_class_without_examples_is_named():
    with pytest.raises(BadInputError, match="no example of class 1, 3"):
        class_templates(np.zeros((3, *SHAPE)), np.array([0, 2, 0]), 4)


@pytest.mark.parametrize(
    "criterion", [class_informative_correlation, pairwise_difference_correlation]
)
def test_a_template_of_inputs_with_nan_is_refused_for_its_nan(criterion):
    maps, classes, _ = made()
    inputs = np.random.default_rng(1).normal(size=(7, *SHAPE))
    inputs[1, 0, :2] = np.nan
    templates = class_templates(inputs, classes, 3)
    with pytest.raises(BadInputError, match="templates, class 1: found NaN or infinity at 2 of 20"):
        criterion(maps, classes, templates)
    own, places = subject_templates(inputs, classes, ["a"] * 7, 3)
    own[0, 0, 3, 3] = np.inf
    with pytest.raises(BadInputError, match="subject 0, class 0: found NaN or infinity at 1 of 20"):
        criterion(maps, classes, own, subjects=places)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT], ids=["nan", "none", "na", "nat"])
@pytest.mark.parametrize("given", [list, pd.Series, lambda names: np.array(names, dtype=object)])
def test_missing_subjects_are_refused_and_never_one_subject(missing, given):
    names = ["sub-1", missing, "sub-2", missing, "sub-1"]
    inputs, classes = np.zeros((5, *SHAPE)), np.zeros(5, dtype=int)
    words = "subjects: found 2 of 5 missing, the first that of example 1"
    with pytest.raises(BadInputError, match=words):
        subject_templates(inputs, classes, given(names), 1)
    numbers = np.array([1, np.nan, 2, np.nan, 1])
    with pytest.raises(BadInputError, match=words):
        subject_templates(inputs, classes, numbers, 1)


def test_one_subject_for_each_example_is_asked_for():
    with pytest.raises(BadInputError, match=r"subjects: found shape \(2,\), expected 3"):
        subject_templates(np.zeros((3, *SHAPE)), np.zeros(3, dtype=int), ["a", "b"], 1)


def test_a_count_of_classes_that_is_none_is_refused():
    for count in (0, 2.5):
        with pytest.raises(BadInputError, match=r"count: found .*, expected a whole number"):
            class_templates(np.zeros((3, *SHAPE)), np.zeros(3, dtype=int), count)


def test_a_subject_who_lacks_a_task_is_refused_by_the_pairwise_criterion_alone():
    maps, classes, _ = made(6)
    inputs = np.random.default_rng(1).normal(size=(6, *SHAPE))
    names = ["a", "a", "a", "b", "b", "c"]
    classes = np.array([0, 1, 2, 0, 1, 2])
    templates, places = subject_templates(inputs, classes, names, 3)
    assert np.isnan(templates[1, 2]).all()
    with pytest.raises(BadInputError, match=r"subject 1, class 2.*needed by 3 examples"):
        pairwise_difference_correlation(maps, classes, templates, subjects=places)
    found = class_informative_correlation(maps, classes, templates, subjects=places)
    of_b = inputs[3] - inputs[3:5].mean(0)
    assert found[3] == pytest.approx(r(maps[3, 0], of_b), abs=1e-6)
    # With one task alone, nothing is special about it.
    assert np.flatnonzero(np.isnan(found)).tolist() == [5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": np.ones((5, 4))}, r"mask: found shape \(5, 4\) with 20 places"),
        ({"mask": np.zeros(SHAPE)}, "with 0 places inside, expected shape"),
        ({"templates": np.zeros((2, *SHAPE))}, "templates: found shape"),
        ({"templates": np.zeros((3, 5, 4))}, "templates: found shape"),
        ({"classes": np.array([0, 1, 2, 3, 0, 1, 2])}, "expected 7 whole numbers from 0 to 2"),
        ({"classes": np.array([0, 1])}, r"classes: indices: found shape \(2,\)"),
        ({"classes": np.zeros(7)}, "float64"),
        ({"subjects": np.zeros(7, dtype=int)}, "templates: found shape"),
        ({"subjects": ["sub-1"] * 7}, "subjects: indices: found.*subject_templates returns them"),
        ({"mask": np.full(SHAPE, 255)}, "mask: found int64, with values as 255, expected booleans"),
        ({"mask": np.full(SHAPE, -1)}, "mask: found int64, with values as -1"),
        ({"mask": np.full(SHAPE, np.nan)}, "mask: found float64, with values as nan"),
        ({"mask": np.full(SHAPE, "False")}, "mask: found <U5, with values as False"),
        ({"maps": np.zeros(7)}, r"maps: found shape \(7,\), expected shape \(examples, classes"),
    ],
)
@pytest.mark.parametrize(
    "criterion", [class_informative_correlation, pairwise_difference_correlation]
)
def test_what_does_not_fit_together_is_refused(criterion, change, words):
    maps, classes, templates = made()
    call = {"maps": maps, "classes": classes, "templates": templates, **change}
    with pytest.raises(BadInputError, match=words):
        criterion(**call)
