import math
import warnings

import numpy as np
import pytest
from scipy import special, stats

from neurospect.errors import BadInputError
from neurospect.stats.t_tests import two_way_t_tests


def matrices(seed=0, shape=(4, 6)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(0.7, 1.4, size=shape)


def t_by_hand(a, b):
    """Student's t with pooled variance, and p from the incomplete beta function."""
    n, m = len(a), len(b)
    mean_a, mean_b = sum(a) / n, sum(b) / m
    squares = sum((x - mean_a) ** 2 for x in a) + sum((x - mean_b) ** 2 for x in b)
    freedom = n + m - 2
    t = (mean_a - mean_b) / math.sqrt(squares / freedom * (1 / n + 1 / m))
    return t, special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t))


def test_every_row_and_every_column_is_tested_as_by_hand():
    a, b = matrices()
    tests = two_way_t_tests(a, b)
    expected = [("row", i, *t_by_hand(a[i], b[i])) for i in range(4)]
    expected += [("column", j, *t_by_hand(a[:, j], b[:, j])) for j in range(6)]
    assert tests["axis"].tolist() == [axis for axis, *_ in expected]
    assert tests["index"].tolist() == [index for _, index, *_ in expected]
    np.testing.assert_allclose(tests["t"], [t for *_, t, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(tests["p"], [p for *_, p in expected], rtol=1e-12)


def test_it_is_scipys_test_with_equal_variances():
    a, b = matrices(1)
    tests = two_way_t_tests(a, b).set_index("axis")
    by_row = stats.ttest_ind(a, b, axis=1, equal_var=True)
    by_column = stats.ttest_ind(a, b, axis=0, equal_var=True)
    np.testing.assert_allclose(tests.loc["row", "p"], by_row.pvalue)
    np.testing.assert_allclose(tests.loc["column", "p"], by_column.pvalue)


def test_swapping_the_matrices_swaps_the_sign():
    a, b = matrices()
    one, other = two_way_t_tests(a, b), two_way_t_tests(b, a)
    np.testing.assert_array_equal(one["t"], -other["t"])
    np.testing.assert_array_equal(one["p"], other["p"])


def test_what_is_undefined_is_nan_and_nothing_is_warned_of():
    a, b = matrices()
    a[2], b[2] = 1.0, 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tests = two_way_t_tests(a, b)
        single = two_way_t_tests(a[:1], b[:1])
    assert np.flatnonzero(tests["t"].isna()).tolist() == [2]
    assert single.loc[single["axis"] == "column", "p"].isna().all()
    assert single.loc[single["axis"] == "row", "p"].notna().all()


@pytest.mark.parametrize("base", [0.0, 0.1, 1e5])
def test_rows_that_are_constant_in_each_group_have_no_test(base):
    a, b = matrices()
    a[2], b[2] = base + 0.2, base + 0.5
    # As sums of the same numbers in another order are.
    a[2, ::2] = np.nextafter(a[2, 0], np.inf)
    tests = two_way_t_tests(a, b)
    assert np.flatnonzero(tests["t"].isna()).tolist() == [2]
    assert np.flatnonzero(tests["p"].isna()).tolist() == [2]
    b[2, 0] += 1e-3 * base + 1e-3
    assert two_way_t_tests(a, b)["p"].notna().all()


def test_matrices_of_two_shapes_are_refused():
    a, b = matrices()
    with pytest.raises(BadInputError, match=r"found \(4, 6\) and \(4, 5\)"):
        two_way_t_tests(a, b[:, :5])
