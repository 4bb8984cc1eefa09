import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.cluster_mass import cluster_mass_test
from neurospect.stats.max_statistic import max_statistic_test


def noise(seed=0, relabelings=39, shapes=((4, 5), (3, 2))):
    rng = np.random.default_rng(seed)
    every = {
        f"grid {i}": rng.normal(size=(1 + relabelings, *shape)) for i, shape in enumerate(shapes)
    }
    # Neighbours that resemble each other make clusters.
    every = {name: values + np.roll(values, 1, axis=2) for name, values in every.items()}
    observed = {name: values[0] for name, values in every.items()}
    permuted = {name: values[1:] for name, values in every.items()}
    return observed, permuted, {name: np.ones(v.shape, bool) for name, v in observed.items()}


def clusters_by_walking(z, tested, forming):
    """Sets of cells, by walking from neighbour to neighbour."""
    left = {cell for cell in np.ndindex(z.shape) if tested[cell] and abs(z[cell]) >= forming}
    found = []
    while left:
        cluster, edge = set(), [min(left)]
        while edge:
            cell = edge.pop()
            if cell in left and (not cluster or z[cell] * z[min(cluster)] > 0):
                left.remove(cell)
                cluster.add(cell)
                row, column = cell
                edge += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        found.append(cluster)
    return found


def by_loops(observed, permuted, tested, forming):
    """Every labeling, grid and cell in turn, as the definition reads: clusters, masses, p."""
    relabelings = len(next(iter(permuted.values())))
    heaviest, own = [], []
    for labeling in range(-1, relabelings):
        masses = [0.0]
        for name in observed:
            every = np.concatenate([observed[name][None], permuted[name]])
            z = every[labeling + 1] / np.sqrt((every**2).mean(axis=0))
            for cluster in clusters_by_walking(z, tested[name], forming):
                masses.append(sum(abs(z[cell]) for cell in cluster))
                if labeling == -1:
                    own.append((name, frozenset(cluster), masses[-1]))
        heaviest.append(max(masses))
    return {
        (name, cluster): (mass, np.mean([each >= mass - 1e-9 for each in heaviest]))
        for name, cluster, mass in own
    }


@pytest.mark.parametrize("forming", [0.3, 0.8, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_clusters_masses_and_p_values_are_those_of_the_definition(seed, forming):
    observed, permuted, tested = noise(seed)
    tested["grid 0"][1, 1:3] = False
    permuted["grid 0"][:, 1, 1] = np.nan  # not looked at
    permuted["grid 0"][:, 1, 2] = 1e9
    result = cluster_mass_test(observed, permuted, tested, forming=forming, alpha=0.05)
    permuted["grid 0"][:, 1, 1] = 0.0
    expected = by_loops(observed, permuted, tested, forming)
    found = {}
    for name, numbers in result.cluster.items():
        for number in np.unique(numbers[numbers > 0]):
            cells = frozenset(map(tuple, np.argwhere(numbers == number).tolist()))
            found[name, cells] = result.mass[number - 1], result.p[number - 1]
    assert found.keys() == expected.keys()
    assert len(found) == len(result.mass) == len(result.p)
    for key, (mass, p) in expected.items():
        assert found[key][0] == pytest.approx(mass, rel=1e-9)
        assert found[key][1] == p
    np.testing.assert_array_equal(np.isnan(result.z["grid 0"]), ~tested["grid 0"])


def test_opposite_differences_side_by_side_are_two_clusters():
    observed = {"a": np.array([[2.0, 2.0, -3.0], [0.0, 2.0, -3.0]])}
    permuted = {"a": np.ones((9, 2, 3))}
    result = cluster_mass_test(
        observed, permuted, {"a": np.ones((2, 3), bool)}, forming=1.2, alpha=0.1
    )
    numbers = result.cluster["a"]
    assert numbers[0, 0] == numbers[0, 1] == numbers[1, 1] > 0
    assert numbers[0, 2] == numbers[1, 2] > 0
    assert numbers[0, 0] != numbers[0, 2]
    assert numbers[1, 0] == 0


def test_cells_that_touch_at_a_corner_or_beside_an_untested_cell_are_no_neighbours():
    observed = {"a": np.array([[3.0, 0.0, 3.0, 3.0, 3.0], [0.0, 3.0, 0.0, 0.0, 0.0]])}
    tested = {"a": np.ones((2, 5), bool)}
    tested["a"][0, 3] = False
    result = cluster_mass_test(observed, {"a": np.ones((9, 2, 5))}, tested, forming=1.5, alpha=0.1)
    assert len(result.mass) == 4


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    relabelings=st.integers(5, 40),
    forming=st.floats(0.2, 2.0),
    alpha=st.floats(0.02, 0.6),
)
def test_labelings_that_repeat_or_swap_the_observed_one_tie_with_it_exactly(
    seed, relabelings, forming, alpha
):
    observed, permuted, tested = noise(seed, relabelings)
    for name in observed:
        permuted[name][1] = observed[name]
        permuted[name][3] = -observed[name]
    result = cluster_mass_test(observed, permuted, tested, forming=forming, alpha=alpha)
    if len(result.mass):
        assert result.p.min() >= 3 / (relabelings + 1)
    np.testing.assert_array_equal(result.p <= alpha, result.mass >= result.threshold)


def test_the_family_wise_error_rate_is_that_asked_for():
    """Under the null hypothesis, with neighbours that share most of their noise."""
    rng = np.random.default_rng(5)
    tests, relabelings = 300, 59
    smallest = []
    for _ in range(tests):
        every = {
            name: np.cumsum(rng.normal(size=(relabelings + 1, *shape)), axis=2)
            for name, shape in (("a", (5, 8)), ("b", (5, 3)))
        }
        result = cluster_mass_test(
            {name: values[0] for name, values in every.items()},
            {name: values[1:] for name, values in every.items()},
            {name: np.ones(values.shape[1:], bool) for name, values in every.items()},
            forming=1.0,
            alpha=0.05,
        )
        smallest.append(result.p.min(initial=1.0))
    for alpha in (0.05, 0.2, 0.5):
        low, high = stats.binom.ppf([0.001, 0.999], tests, alpha)
        assert low <= sum(p <= alpha + 1e-9 for p in smallest) <= high


def test_a_wide_and_weak_difference_is_found_that_no_cell_shows_by_itself():
    rng = np.random.default_rng(3)
    observed = {"a": rng.normal(size=(10, 10))}
    observed["a"][2:8, 1:7] += 1.3
    permuted = {"a": rng.normal(size=(399, 10, 10))}
    tested = {"a": np.ones((10, 10), bool)}
    cells = max_statistic_test(observed, permuted, tested, alpha=0.05)
    clusters = cluster_mass_test(observed, permuted, tested, forming=1.0, alpha=0.05)
    assert np.nanmin(cells.p["a"]) > 0.05
    heaviest = clusters.cluster["a"] == np.argmax(clusters.mass) + 1
    assert clusters.p.min() <= 0.01
    assert heaviest[2:8, 1:7].sum() > 0.6 * heaviest.sum()


def test_there_may_be_no_cluster_at_all():
    result = cluster_mass_test(*noise(), forming=50.0, alpha=0.05)
    assert len(result.mass) == len(result.p) == 0
    assert not any(numbers.any() for numbers in result.cluster.values())


@pytest.mark.parametrize(
    ("arrays", "forming", "words"),
    [
        (noise(), 0.0, "forming: found 0.0, expected a number above 0"),
        (noise(), np.nan, "forming: found nan"),
        (noise(shapes=((3, 4, 2),)), 1.0, r"grid 0: found shape \(3, 4, 2\), expected \(rows"),
        ((noise()[0], noise()[1], {}), 1.0, "under the same names"),
        (
            (noise()[0], noise()[1], {n: v & False for n, v in noise()[2].items()}),
            1.0,
            "tested: found no cell",
        ),
    ],
)
def test_arrays_that_cannot_be_tested_are_refused(arrays, forming, words):
    with pytest.raises(BadInputError, match=words):
        cluster_mass_test(*arrays, forming=forming, alpha=0.05)


def test_masks_of_zeros_and_ones_are_masks():
    observed, permuted, tested = noise()
    tested["grid 0"][1, 2] = tested["grid 1"][0] = False
    expected = cluster_mass_test(observed, permuted, tested, forming=0.8, alpha=0.05)
    as_numbers = {name: mask.astype(np.int8) for name, mask in tested.items()}
    found = cluster_mass_test(observed, permuted, as_numbers, forming=0.8, alpha=0.05)
    np.testing.assert_array_equal(found.mass, expected.mass)
    for name in observed:
        np.testing.assert_array_equal(found.z[name], expected.z[name])
        np.testing.assert_array_equal(found.cluster[name], expected.cluster[name])
