import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurospect.stats.rounding import is_constant

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=20), numbers)
def test_differences_by_a_constant_are_constant_whatever_their_rounding(values, shift):
    own = np.array(values)
    moved = own + shift
    assert is_constant(moved - own, max(np.abs(own).max(), np.abs(moved).max()))


@given(st.lists(numbers, min_size=1, max_size=20))
def test_values_that_vary_by_a_billionth_are_not_constant(values):
    own = np.array([*values, values[0] + 1e-9 * (1 + np.abs(values).max())])
    assert not is_constant(own, np.abs(own).max())


def test_each_place_has_its_own_answer_and_nan_does_not_count():
    values = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 3.0], [1.0, np.nan, np.nan]])
    assert is_constant(values, 3.0).tolist() == [True, True, False]
    assert is_constant(values.T, [3.0, 3.0, 3.0], axis=1).tolist() == [True, True, False]


@pytest.mark.parametrize(("dtype", "expected"), [(np.float32, True), (np.float64, False)])
def test_rounding_is_that_of_the_type(dtype, expected):
    assert bool(is_constant(np.array([0.1, np.float32(0.1)]), 0.1, dtype=dtype)) == expected
