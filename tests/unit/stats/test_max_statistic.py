import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.max_statistic import max_statistic_test


def noise(seed=0, relabelings=99, shapes=((3, 4), (2, 2))):
    rng = np.random.default_rng(seed)
    observed = {f"array {i}": rng.normal(size=shape) for i, shape in enumerate(shapes)}
    permuted = {name: rng.normal(size=(relabelings, *v.shape)) for name, v in observed.items()}
    return observed, permuted, {name: np.ones(v.shape, bool) for name, v in observed.items()}


def by_loops(observed, permuted, tested):
    """Every labeling and every cell in turn, as the definition reads."""
    relabelings = len(next(iter(permuted.values())))
    labelings = []
    for labeling in range(relabelings + 1):
        scores = {}
        for name in observed:
            for cell in np.ndindex(observed[name].shape):
                if tested[name][cell]:
                    own = [float(observed[name][cell])]
                    own += [float(permuted[name][(k, *cell)]) for k in range(relabelings)]
                    spread = (sum(value**2 for value in own) / len(own)) ** 0.5
                    scores[name, cell] = own[labeling] / spread
        labelings.append(scores)
    maxima = [max(abs(score) for score in scores.values()) for scores in labelings]
    p = {
        key: sum(largest >= abs(score) - 1e-12 for largest in maxima) / len(maxima)
        for key, score in labelings[0].items()
    }
    return labelings[0], p


@pytest.mark.parametrize("seed", range(3))
def test_p_values_are_those_of_the_definition(seed):
    observed, permuted, tested = noise(seed, relabelings=29)
    tested["array 0"][1, 2] = False
    result = max_statistic_test(observed, permuted, tested, alpha=0.05)
    z, p = by_loops(observed, permuted, tested)
    for name, values in result.p.items():
        for cell in np.ndindex(values.shape):
            if tested[name][cell]:
                assert result.z[name][cell] == pytest.approx(z[name, cell], rel=1e-12)
                assert values[cell] == p[name, cell]
    assert result.cells == len(p) == 15


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float64])
def test_masks_of_zeros_and_ones_are_masks_whatever_their_type(dtype):
    observed, permuted, tested = noise()
    tested["array 0"][1, 2] = tested["array 1"][0] = False
    expected = max_statistic_test(observed, permuted, tested, alpha=0.05)
    as_numbers = {name: mask.astype(dtype) for name, mask in tested.items()}
    found = max_statistic_test(observed, permuted, as_numbers, alpha=0.05)
    assert found.cells == expected.cells == 13
    for name in observed:
        np.testing.assert_array_equal(found.z[name], expected.z[name])
        np.testing.assert_array_equal(found.p[name], expected.p[name])


@pytest.mark.parametrize("values", [[0, 2, 1, 1], [0.5, 1, 1, 1], [1, np.nan, 1, 1], list("abcd")])
def test_masks_of_other_numbers_are_refused(values):
    observed, permuted, tested = noise(shapes=((4,),))
    tested["array 0"] = np.array(values)
    with pytest.raises(BadInputError, match="tested, array 0: found other values than 0 and 1"):
        max_statistic_test(observed, permuted, tested, alpha=0.05)


def test_cells_that_are_not_tested_have_no_result_and_no_influence():
    observed, permuted, tested = noise()
    tested["array 0"][0] = False
    tested["array 1"][:] = False
    expected = max_statistic_test(observed, permuted, tested, alpha=0.05)
    for name in observed:
        observed[name] = np.where(tested[name], observed[name], 1e9)
        permuted[name] = np.where(tested[name], permuted[name], np.nan)
    result = max_statistic_test(observed, permuted, tested, alpha=0.05)
    for name in observed:
        np.testing.assert_array_equal(np.isnan(result.p[name]), ~tested[name])
        np.testing.assert_array_equal(np.isnan(result.z[name]), ~tested[name])
        np.testing.assert_array_equal(result.p[name], expected.p[name])
    assert result.threshold == expected.threshold
    assert result.cells == 8


@settings(deadline=None, max_examples=50)
@example(seed=9, relabelings=14, alpha=np.nextafter(0.6, 0), effect=1.0, rounded=False)
@example(seed=9, relabelings=14, alpha=0.6, effect=1.0, rounded=False)
@given(
    seed=st.integers(0, 2**32 - 1),
    relabelings=st.integers(5, 40),
    alpha=st.floats(0.02, 0.6),
    effect=st.floats(1.0, 3.0),
    rounded=st.booleans(),
)
def test_p_is_at_most_alpha_exactly_where_z_reaches_the_threshold(
    seed, relabelings, alpha, effect, rounded
):
    observed, permuted, tested = noise(seed, relabelings)
    observed = {name: effect * values for name, values in observed.items()}
    if rounded:  # many ties
        observed = {name: np.round(values) for name, values in observed.items()}
        permuted = {name: np.round(values) for name, values in permuted.items()}
    result = max_statistic_test(observed, permuted, tested, alpha=alpha)
    if np.isnan(result.threshold):
        assert 1 / (relabelings + 1) > alpha
        assert all((p > alpha).all() for p in result.p.values())
    else:
        for name, p in result.p.items():
            np.testing.assert_array_equal(p <= alpha, np.abs(result.z[name]) >= result.threshold)


def test_a_cell_between_two_maxima_is_on_the_side_of_the_threshold_that_its_p_value_says():
    """Cell 1 of the observed labels (|z| = 1.15) lies between the maxima 1.10 and 1.83."""
    observed = {"a": np.array([1.5, 1.2])}
    permuted = {"a": np.array([[0.0, 1.0], [0.9, 1.0], [-0.5, 1.0], [0.25, 1.0]])}
    result = max_statistic_test(observed, permuted, {"a": np.ones(2, bool)}, alpha=0.2)
    assert result.p["a"].tolist() == [1 / 5, 1 / 5]
    assert (np.abs(result.z["a"]) >= result.threshold).all()


def test_there_is_no_threshold_where_the_relabelings_are_too_few():
    few = max_statistic_test(*noise(relabelings=18), alpha=0.05)
    enough = max_statistic_test(*noise(relabelings=19), alpha=0.05)
    assert np.isnan(few.threshold)
    assert np.isfinite(enough.threshold)


def test_the_family_wise_error_rate_is_that_asked_for():
    """Under the null hypothesis the smallest p value of a test is uniform, correlations or not."""
    rng = np.random.default_rng(7)
    tests, relabelings = 300, 59
    smallest = []
    for _ in range(tests):
        # Neighbouring cells share most of their noise, and some vary a hundred times as much.
        every = np.cumsum(rng.normal(size=(relabelings + 1, 5, 8)), axis=2) * 10 ** rng.normal(
            size=(5, 8)
        )
        result = max_statistic_test(
            {"a": every[0]}, {"a": every[1:]}, {"a": np.ones((5, 8), bool)}, alpha=0.05
        )
        smallest.append(result.p["a"].min())
        assert (np.abs(result.z["a"]) >= result.threshold).any() == (smallest[-1] <= 0.05)
    for alpha in (0.05, 0.2, 0.5):
        rejected = sum(p <= alpha + 1e-9 for p in smallest)
        low, high = stats.binom.ppf([0.001, 0.999], tests, alpha)
        assert low <= rejected <= high


def test_a_cell_that_differs_is_found_and_its_neighbours_are_not():
    observed, permuted, tested = noise(relabelings=199)
    observed["array 0"][:] = 0.1
    observed["array 1"][:] = 0.1
    observed["array 0"][2, 1] = -6.0
    result = max_statistic_test(observed, permuted, tested, alpha=0.05)
    found = result.p["array 0"] <= 0.05
    assert found[2, 1]
    assert found.sum() == 1
    assert not (result.p["array 1"] <= 0.05).any()
    assert result.p["array 0"][2, 1] == 1 / 200


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-30, 30), min_size=16, max_size=16))
def test_the_unit_of_a_cell_does_not_matter(exponents):
    """Powers of two, so that floating point scales exactly."""
    observed, permuted, tested = noise()
    expected = max_statistic_test(observed, permuted, tested, alpha=0.1)
    units = 2.0 ** np.array(exponents)
    for name, own in (("array 0", units[:12].reshape(3, 4)), ("array 1", units[12:].reshape(2, 2))):
        observed[name] = observed[name] * own
        permuted[name] = permuted[name] * own
    result = max_statistic_test(observed, permuted, tested, alpha=0.1)
    for name in observed:
        np.testing.assert_array_equal(result.z[name], expected.z[name])
        np.testing.assert_array_equal(result.p[name], expected.p[name])
    assert result.threshold == expected.threshold


def test_the_sign_of_a_cell_does_not_matter_to_its_p_value():
    observed, permuted, tested = noise()
    expected = max_statistic_test(observed, permuted, tested, alpha=0.1)
    flipped = {name: -values for name, values in observed.items()}
    result = max_statistic_test(
        flipped, {name: -values for name, values in permuted.items()}, tested, alpha=0.1
    )
    for name in observed:
        np.testing.assert_array_equal(result.p[name], expected.p[name])
        np.testing.assert_array_equal(result.z[name], -expected.z[name])


def test_a_cell_that_never_differs_is_never_found():
    observed, permuted, tested = noise()
    observed["array 1"][0, 0] = 0.0
    permuted["array 1"][:, 0, 0] = 0.0
    result = max_statistic_test(observed, permuted, tested, alpha=0.05)
    assert result.z["array 1"][0, 0] == 0.0
    assert result.p["array 1"][0, 0] == 1.0


def test_relabelings_that_repeat_the_observed_labels_count_as_ties():
    observed = {"a": np.array([3.0])}
    permuted = {"a": np.array([[3.0], [-3.0], [0.5], [1.0]])}
    result = max_statistic_test(observed, permuted, {"a": np.array([True])}, alpha=0.5)
    assert result.p["a"].tolist() == [3 / 5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o, p, t: t.update(a=np.zeros((2, 3), bool)), "tested: found no cell"),
        (lambda o, p, t: p.update(a=np.zeros((9, 3, 2))), r"shapes: found .*\(9, 3, 2\)"),
        (lambda o, p, t: t.update(a=np.ones(2, bool)), r"shapes: found .*\(2,\)"),
        (lambda o, p, t: p.pop("a"), "under the same names"),
        (lambda o, p, t: (o.update(b=o["a"]), t.update(b=t["a"]), p.update(b=p["a"][:5])), "5, 2"),
        (
            lambda o, p, t: o["a"].__setitem__((1, 1), np.nan),
            "a: found NaN or infinity in 1 tested",
        ),
        (lambda o, p, t: p["a"].__setitem__(slice(1, 3), np.inf), "in 6 tested cells"),
    ],
)
def test_arrays_that_cannot_be_tested_are_refused(change, words):
    observed, permuted, tested = (
        {"a": np.ones((2, 3))},
        {"a": np.ones((9, 2, 3))},
        {"a": np.ones((2, 3), bool)},
    )
    change(observed, permuted, tested)
    with pytest.raises(BadInputError, match=words):
        max_statistic_test(observed, permuted, tested, alpha=0.05)
