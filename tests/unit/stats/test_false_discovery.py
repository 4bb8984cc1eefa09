import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurospect.stats.false_discovery import q_values


@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12), st.floats(0.01, 0.99)
)
def test_what_is_significant_is_what_the_step_up_procedure_rejects(p, rate):
    """Benjamini & Hochberg: the k smallest, k the largest with p₍ₖ₎ ≤ k · rate / m."""
    q = q_values(p)
    given_p = sorted(each for each in p if each == each)
    below = [k for k, each in enumerate(given_p, 1) if each * len(given_p) / k <= rate]
    largest = given_p[below[-1] - 1] if below else -1.0
    for each, corrected in zip(p, q, strict=True):
        assert np.isnan(corrected) == np.isnan(each)
        if each == each:
            assert (corrected <= rate) == (each <= largest)
