from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from neurospect.stats.false_discovery import q_values


@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12), st.floats(0.01, 0.99)
)
def test_what_is_significant_is_what_the_step_up_procedure_rejects(p, rate):
    """Benjamini & Hochberg: the k smallest, k the largest with p₍ₖ₎ ≤ k · rate / m."""
    q = q_values(p)
    given_p = sorted(each for each in p if each == each)
    margins = [
        Fraction(rate) - Fraction(each) * len(given_p) / k for k, each in enumerate(given_p, 1)
    ]
    # Exact here, rounded there: at the threshold itself the last bit decides.
    assume(all(abs(margin) > 1e-12 for margin in margins))
    below = [each for each, margin in zip(given_p, margins, strict=True) if margin > 0]
    largest = below[-1] if below else -1.0
    for each, corrected in zip(p, q, strict=True):
        assert np.isnan(corrected) == np.isnan(each)
        if each == each:
            assert (corrected <= rate) == (each <= largest)


def test_a_p_value_at_its_threshold_is_significant():
    """m / k is exact here: 4 p / 1, 4 p / 2, none, 4 p / 4."""
    np.testing.assert_array_equal(q_values([0.125, 0.25, 0.9375, 1.0]), [0.5, 0.5, 1.0, 1.0])
