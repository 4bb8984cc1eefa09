import numpy as np
import pytest
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.jackknife import jackknife_interval


def without_each(values):
    return (values.sum(axis=0) - values) / (len(values) - 1)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_for_a_difference_of_means_the_interval_is_that_of_the_t_test(confidence):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 2, 3)), 4 + 3 * rng.normal(size=(6, 2, 3))
    estimate = a.mean(axis=0) - b.mean(axis=0)
    left_out = np.concatenate([without_each(a) - b.mean(axis=0), a.mean(axis=0) - without_each(b)])
    found = jackknife_interval(estimate, left_out, ["a"] * 6 + ["b"] * 6, confidence=confidence)
    expected = stats.ttest_ind(a, b, axis=0).confidence_interval(confidence)
    np.testing.assert_allclose(found.low, expected.low, rtol=1e-10)
    np.testing.assert_allclose(found.high, expected.high, rtol=1e-10)
    np.testing.assert_allclose(
        found.standard_error, np.sqrt(a.var(axis=0, ddof=1) / 6 + b.var(axis=0, ddof=1) / 6)
    )
    assert found.degrees_of_freedom == 10


def test_for_one_mean_the_interval_is_that_of_one_sample():
    values = np.random.default_rng(1).normal(size=9)
    found = jackknife_interval(
        np.asarray(values.mean()), without_each(values), np.zeros(9), confidence=0.9
    )
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert float(found.low) == pytest.approx(expected.low)
    assert float(found.high) == pytest.approx(expected.high)


@pytest.mark.parametrize(
    ("estimate", "left_out", "sample", "confidence", "words"),
    [
        (np.zeros(2), np.zeros((3, 2)), ["a", "a", "b"], 0.95, "units: found 2 of a, 1 of b"),
        (np.zeros(2), np.zeros((0, 2)), [], 0.95, "expected at least two of each sample"),
        (np.zeros(2), np.zeros((3, 2)), ["a", "a"], 0.95, r"shapes: found \(2,\), \(3, 2\) and"),
        (np.zeros(2), np.zeros((2, 3)), ["a", "a"], 0.95, r"shapes: found \(2,\), \(2, 3\) and"),
        (np.zeros(2), np.zeros((2, 2)), ["a", "a"], 95, "confidence: found 95, expected between"),
    ],
)
def test_what_has_no_interval_is_refused(estimate, left_out, sample, confidence, words):
    with pytest.raises(BadInputError, match=words):
        jackknife_interval(estimate, left_out, sample, confidence=confidence)
