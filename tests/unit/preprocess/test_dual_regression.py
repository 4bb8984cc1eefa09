import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from neurospect.errors import BadInputError
from neurospect.preprocess.dual_regression import dual_regression
from neurospect.preprocess.subject_components import subject_components

VOLUMES, VOXELS, COMPONENTS = 50, 700, 4


def made(seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    shape = (COMPONENTS, VOXELS)
    references = rng.gamma(1.0, size=shape) * (rng.random(shape) < 0.3)
    courses = gaussian_filter1d(rng.normal(size=(VOLUMES, COMPONENTS)), 1.5, axis=0)
    run = 100 + 10 * rng.normal(size=VOXELS) + 3 * courses @ references
    return run + noise * rng.normal(size=run.shape), references, courses


def correlations(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])


def by_least_squares(run, references):
    """Volume by volume, then voxel by voxel."""
    z = np.array([(r - r.mean()) / r.std(ddof=1) for r in references])
    courses = np.array([np.linalg.lstsq(z.T, v - v.mean(), rcond=None)[0] for v in run])
    design = np.column_stack([courses / courses.std(axis=0), np.ones(len(run))])
    fitted = np.array([np.linalg.lstsq(design, voxel, rcond=None)[0] for voxel in run.T])
    maps = fitted[:, :-1].T
    return np.array([(m - m.mean()) / m.std() for m in maps]), courses


@pytest.mark.parametrize("seed", range(3))
def test_both_regressions_are_those_of_least_squares(seed):
    run, references, _ = made(seed)
    found = dual_regression(run, references)
    maps, courses = by_least_squares(run - run.mean(axis=1, keepdims=True), references)
    np.testing.assert_allclose(found.maps, maps, atol=1e-9)
    np.testing.assert_allclose(found.time_courses, courses, atol=1e-9)


def test_almost_without_noise_the_true_maps_and_time_courses_are_found():
    run, references, courses = made(noise=1e-6)
    found = dual_regression(run, references)
    assert correlations(found.maps, references).min() > 1 - 1e-9
    assert correlations(found.time_courses.T, courses.T).min() > 1 - 1e-9


def test_true_maps_and_time_courses_are_found_in_noise_and_not_with_random_references():
    run, references, courses = made(noise=2.0)
    random = np.random.default_rng(5).normal(size=references.shape)
    own, foreign = (dual_regression(run, r) for r in (references, random))
    for found, other, true in (
        (own.maps, foreign.maps, references),
        (own.time_courses.T, foreign.time_courses.T, courses.T),
    ):
        assert correlations(found, true).min() > 0.85
        assert (correlations(found, true) - np.abs(correlations(other, true))).min() > 0.1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), brightness=st.floats(0, 1000))
def test_the_brightness_of_voxels_does_not_reach_the_maps(seed, brightness):
    run, references, _ = made()
    brighter = run + brightness * np.random.default_rng(seed).normal(size=VOXELS)
    maps = dual_regression(brighter, references).maps
    np.testing.assert_allclose(maps, dual_regression(run, references).maps, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(
    order=st.permutations(range(COMPONENTS)),
    scales=st.lists(st.floats(1e-3, 1e3), min_size=COMPONENTS, max_size=COMPONENTS),
    flipped=st.lists(st.booleans(), min_size=COMPONENTS, max_size=COMPONENTS),
)
def test_order_and_scale_of_references_do_not_matter_and_signs_carry_over(order, scales, flipped):
    run, references, _ = made()
    signs = np.where(flipped, -1.0, 1.0)[:, None]
    changed = (np.array(scales)[:, None] * signs * references)[list(order)]
    found, expected = dual_regression(run, changed), dual_regression(run, references)
    np.testing.assert_allclose(found.maps, (signs * expected.maps)[list(order)], atol=1e-8)
    courses = (signs.T * expected.time_courses)[:, list(order)]
    np.testing.assert_allclose(found.time_courses, courses, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_have_zero_mean_and_unit_variance(dtype):
    run, references, _ = made()
    found = dual_regression(run, references, dtype=dtype)
    maps = found.maps.astype(np.float64)
    assert found.maps.dtype == found.time_courses.dtype == dtype
    np.testing.assert_allclose(maps.mean(axis=1), 0, atol=100 * np.finfo(dtype).eps)
    np.testing.assert_allclose(maps.std(axis=1), 1, atol=100 * np.finfo(dtype).eps)
    np.testing.assert_allclose(found.quality.map_standard_deviation, maps.std(axis=1), rtol=1e-9)


def test_single_precision_agrees_with_double_precision():
    run, references, _ = made()
    single = dual_regression(run.astype(np.float32), references.astype(np.float32))
    double = dual_regression(run, references)
    assert correlations(single.maps, double.maps).min() > 0.9999
    assert correlations(single.time_courses.T, double.time_courses.T).min() > 0.9999


def test_quality_says_that_nothing_was_iterated_and_how_like_the_references_the_maps_are():
    run, references, _ = made()
    found = dual_regression(run, references)
    assert found.quality.principal_components is None
    assert found.quality.iterations.tolist() == [0] * COMPONENTS
    assert found.quality.converged.all()
    assert not found.quality.rerun_with_stricter_threshold
    expected = correlations(found.maps, references)
    np.testing.assert_allclose(found.quality.reference_correlation, expected, rtol=1e-12)


def test_the_verb_gives_the_same_bytes_every_time():
    run, references, _ = made()
    first = subject_components(run, references, "dual_regression")
    second = dual_regression(run, references)
    assert first.maps.tobytes() == second.maps.tobytes()
    assert first.time_courses.tobytes() == second.time_courses.tobytes()


def test_memory_stays_under_three_times_the_run_beside_it():
    rng = np.random.default_rng(0)
    run = rng.normal(size=(100, 40_000)).astype(np.float32)
    references = rng.normal(size=(40, 40_000)).astype(np.float32)
    dual_regression(run[:, :500], references[:, :500])  # imports and caches
    tracemalloc.start()
    dual_regression(run, references)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * run.nbytes


@pytest.mark.parametrize("repeated", [lambda r: r[0], lambda r: 2 - 3 * r[2], lambda r: r.sum(0)])
def test_references_that_repeat_others_are_refused(repeated):
    run, references, _ = made()
    references = np.vstack([references, repeated(references)])
    with pytest.raises(BadInputError, match="references: rank: found 4 independent of 5"):
        dual_regression(run, references)


def test_as_many_components_as_volumes_leave_the_maps_undetermined():
    run, references, _ = made()
    with pytest.raises(BadInputError, match="time courses of the references: rank: found 3 indep"):
        dual_regression(run[:COMPONENTS], references)


def test_a_reference_without_a_time_course_is_refused():
    """The second reference lies in the voxels' baselines only."""
    rng = np.random.default_rng(0)
    references = rng.normal(size=(2, VOXELS))
    references -= references.mean(axis=1, keepdims=True)
    references = np.linalg.qr(references.T)[0].T
    run = rng.normal(size=(20, 1)) * references[0] + 5 * references[1]
    with pytest.raises(BadInputError, match="time courses of the references: rank: found 1 indep"):
        dual_regression(run, references)
