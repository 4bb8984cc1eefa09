import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from neurospect.errors import BadInputError
from neurospect.preprocess.constrained_ica import constrained_ica
from neurospect.preprocess.subject_components import subject_components


@dataclass
class Made:
    run: np.ndarray
    references: np.ndarray
    maps: np.ndarray
    time_courses: np.ndarray


def made(seed=0, volumes=60, voxels=3000, components=5, noise=1.0):
    """Sparse maps with smooth time courses, on voxels of unequal brightness."""
    rng = np.random.default_rng(seed)
    shared = rng.gamma(1.0, size=(components, voxels)) * (rng.random((components, voxels)) < 0.1)
    own = shared + 0.7 * rng.gamma(1.0, size=shared.shape) * (rng.random(shared.shape) < 0.05)
    courses = gaussian_filter1d(rng.normal(size=(volumes, components)), 1.5, axis=0)
    courses /= courses.std(axis=0)
    brightness = 100 + 10 * rng.normal(size=voxels)
    run = brightness + 3 * courses @ own + noise * rng.normal(size=(volumes, voxels))
    return Made(run, shared + 0.1 * rng.normal(size=shared.shape), own, courses)


def correlations(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])


def by_loops(run, references):
    """One component after the other, in float64, as the method is written down."""
    x = run - run.mean(axis=1)[:, None]
    eigenvalues, eigenvectors = np.linalg.eigh(np.cov(x, bias=True))
    keep = eigenvalues > 1e-8 * eigenvalues.max()
    y = np.diag(eigenvalues[keep] ** -0.5) @ eigenvectors[:, keep].T @ x
    inverse = np.linalg.pinv(y)
    found = [one_component(y, inverse, reference) for reference in references]
    maps = np.array([weights @ y for weights, _ in found])
    courses = np.array([x @ single / run.shape[1] for single in maps]).T
    return maps, courses, [trials for _, trials in found]


def one_component(y, inverse, reference):
    r = (reference - reference.mean()) / reference.std(ddof=1)

    def contrast(w):
        return np.mean(np.log(np.cosh(w @ y))) - 0.3745672075

    def objective(w):
        negentropy = 2 / np.pi * np.arctan(c * contrast(w) ** 2)
        return 0.5 * negentropy + 0.5 * np.mean((w @ y) * r)

    def gradient(w):
        m = contrast(w)
        inner = 2 * m * np.mean(y * np.tanh(w @ y), axis=1)
        outer = 2 / np.pi * c / (1 + (c * m**2) ** 2)
        return 0.5 * outer * inner + 0.5 * np.mean(y * r, axis=1)

    w = (r @ inverse).T
    w = w / np.linalg.norm(w)
    c = np.tan(np.pi * np.mean((w @ y) * r) / 2) / contrast(w) ** 2
    step, trials = 1.0, 0
    while trials < 100:
        trials += 1
        g = gradient(w)
        d = g / np.linalg.norm(g)
        new = w + step * d
        new = new / np.linalg.norm(new)
        if objective(new) - objective(w) < 0.02 * step * (g @ d):
            step = step / 2
            if step**2 < 1e-5:
                break
            continue
        moved = np.sum((new - w) ** 2)
        w = new
        if moved < 1e-5:
            break
    return w, trials


@pytest.mark.parametrize("seed", range(4))
def test_all_components_at_once_are_those_of_the_loop_over_components(seed):
    data = made(seed, noise=(0.3, 1.0, 3.0, 1.0)[seed])
    found = constrained_ica(data.run, data.references)
    maps, courses, trials = by_loops(data.run, data.references)
    assert found.quality.iterations.tolist() == trials
    assert len(set(trials)) > 1  # components drop out at different trials
    np.testing.assert_allclose(found.maps, maps, atol=1e-7)
    np.testing.assert_allclose(found.time_courses, courses, atol=1e-7)


def test_true_maps_and_time_courses_are_found():
    data = made(3)
    found = constrained_ica(data.run, data.references)
    maps = correlations(found.maps, data.maps)
    courses = correlations(found.time_courses.T, data.time_courses.T)
    assert maps.min() > 0.95
    assert courses.min() > 0.95
    assert (maps > correlations(data.references, data.maps)).all()


@pytest.mark.parametrize("seed", range(3))
def test_random_references_find_worse_maps_and_time_courses(seed):
    data = made(seed)
    random = np.random.default_rng(seed + 100).normal(size=data.references.shape)
    own, foreign = (constrained_ica(data.run, r) for r in (data.references, random))
    for found, other, true in (
        (own.maps, foreign.maps, data.maps),
        (own.time_courses.T, foreign.time_courses.T, data.time_courses.T),
    ):
        lost = correlations(found, true) - np.abs(correlations(other, true))
        assert lost.min() > 0
        assert lost.mean() > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_a_map_has_the_sign_of_its_reference(seed):
    data = made(seed, noise=4.0)
    signs = np.array([1, -1, 1, -1, -1])[:, None]
    found = constrained_ica(data.run, signs * data.references)
    assert found.quality.reference_correlation.min() > 0
    np.testing.assert_allclose(
        found.maps, signs * constrained_ica(data.run, data.references).maps, atol=1e-8
    )


def test_quality_says_how_like_its_reference_each_map_is():
    data = made()
    found = constrained_ica(data.run, data.references)
    expected = correlations(found.maps, data.references)
    np.testing.assert_allclose(found.quality.reference_correlation, expected, rtol=1e-12)
    assert found.quality.converged.all()
    assert found.quality.principal_components == len(data.run)
    assert not found.quality.rerun_with_stricter_threshold


@settings(deadline=None, max_examples=20)
@given(
    scales=st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=5),
    shifts=st.lists(st.floats(-100, 100), min_size=5, max_size=5),
)
def test_scale_and_offset_of_a_reference_do_not_matter(scales, shifts):
    data = made(voxels=800)
    changed = np.array(scales)[:, None] * (data.references + np.array(shifts)[:, None])
    expected, found = (constrained_ica(data.run, r) for r in (data.references, changed))
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-6)
    np.testing.assert_allclose(found.time_courses, expected.time_courses, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(chosen=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_a_component_does_not_depend_on_order_or_company(chosen):
    data = made(voxels=800)
    every = constrained_ica(data.run, data.references)
    found = constrained_ica(data.run, data.references[chosen])
    np.testing.assert_allclose(found.maps, every.maps[chosen], atol=1e-9)
    np.testing.assert_allclose(found.time_courses, every.time_courses[:, chosen], atol=1e-9)
    np.testing.assert_array_equal(found.quality.iterations, every.quality.iterations[chosen])


def test_the_unit_of_the_run_is_that_of_the_time_courses():
    data = made()
    found = constrained_ica(1000 * data.run, data.references)
    expected = constrained_ica(data.run, data.references)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-8)
    np.testing.assert_allclose(found.time_courses, 1000 * expected.time_courses, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_time_courses_are_the_projection_of_the_run_onto_the_maps(dtype):
    data = made()
    found = constrained_ica(data.run, data.references, dtype=dtype)
    centred = data.run - data.run.mean(axis=1, keepdims=True)
    projection = centred @ found.maps.T / data.run.shape[1]
    np.testing.assert_allclose(found.time_courses, projection, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_have_zero_mean_and_unit_variance(dtype):
    data = made(2)
    found = constrained_ica(data.run, data.references, dtype=dtype)
    precision = 100 * np.finfo(dtype).eps
    maps = found.maps.astype(np.float64)
    np.testing.assert_allclose(maps.mean(axis=1), 0, atol=precision)
    np.testing.assert_allclose(maps.std(axis=1), 1, atol=precision)
    np.testing.assert_allclose(found.quality.map_standard_deviation, maps.std(axis=1), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_single_precision_agrees_with_double_precision(seed):
    data = made(seed)
    run = data.run.astype(np.float32)
    single = constrained_ica(run, data.references.astype(np.float32))
    double = constrained_ica(run, data.references, dtype=np.float64)
    assert single.maps.dtype == single.time_courses.dtype == np.float32
    assert double.maps.dtype == double.time_courses.dtype == np.float64
    assert correlations(single.maps, double.maps).min() > 0.9999
    assert correlations(single.time_courses.T, double.time_courses.T).min() > 0.9999


def test_single_precision_keeps_weak_components_of_a_run_of_unequal_brightness():
    """The weakest components have 1e-7 of the variance of the brightness, as in real runs."""
    data = made()
    brightness = 10_000 + 4_000 * np.random.default_rng(8).normal(size=data.run.shape[1])
    run = (brightness + 10 * (data.run - 100)).astype(np.float32)
    single = constrained_ica(run, data.references)
    double = constrained_ica(run, data.references, dtype=np.float64)
    assert single.quality.principal_components == double.quality.principal_components == len(run)
    assert correlations(single.maps, double.maps).min() > 0.9999
    assert correlations(single.time_courses.T, double.time_courses.T).min() > 0.9999
    np.testing.assert_allclose(single.quality.map_standard_deviation, 1, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16])
def test_a_run_of_small_numbers_is_read_as_single_precision(dtype):
    data = made()
    run = np.round(data.run).astype(dtype)
    found = constrained_ica(run, data.references)
    expected = constrained_ica(run.astype(np.float32), data.references)
    np.testing.assert_array_equal(found.maps, expected.maps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_input_gives_the_same_bytes(dtype):
    data = made(voxels=9000)
    first, second = (constrained_ica(data.run, data.references, dtype=dtype) for _ in range(2))
    assert first.maps.tobytes() == second.maps.tobytes()
    assert first.time_courses.tobytes() == second.time_courses.tobytes()


def test_the_input_stays_as_it_was():
    data = made()
    run, references = data.run.copy(), data.references.copy()
    constrained_ica(run, references)
    np.testing.assert_array_equal(run, data.run)
    np.testing.assert_array_equal(references, data.references)


def test_a_run_without_voxel_baselines_keeps_one_principal_component_less():
    data = made()
    run = data.run - data.run.mean(axis=0)
    found = constrained_ica(run, data.references)
    assert found.quality.principal_components == len(run) - 1
    assert correlations(found.maps, data.maps).min() > 0.95


def test_null_principal_components_that_spoil_the_variance_are_left_out_by_a_rerun():
    """Noise of 1e-16 of the largest variance, to which references point: its whitening fails."""
    data = made(noise=3e-7)
    references = np.random.default_rng(0).normal(size=data.references.shape)
    careless = constrained_ica(data.run, references, threshold=0.0)
    usual = constrained_ica(data.run, references)
    assert careless.quality.rerun_with_stricter_threshold
    assert not usual.quality.rerun_with_stricter_threshold
    np.testing.assert_array_equal(careless.maps, usual.maps)
    np.testing.assert_array_equal(careless.time_courses, usual.time_courses)
    np.testing.assert_allclose(careless.quality.map_standard_deviation, 1, atol=1e-6)


def test_memory_stays_under_three_times_the_run_beside_it():
    data = made(volumes=100, voxels=40_000, components=40)
    run, references = data.run.astype(np.float32), data.references.astype(np.float32)
    constrained_ica(run[:, :500], references[:, :500])  # imports and caches
    tracemalloc.start()
    constrained_ica(run, references)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * run.nbytes


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


GOOD = made(voxels=200)
BAD = {
    "NaN in the run": (
        changed(GOOD.run, (slice(4, 6), 7), np.nan),
        GOOD.references,
        "run: values: found 2 NaN or infinite, the first at volume 4, voxel 7",
    ),
    "infinity in a reference": (
        GOOD.run,
        changed(GOOD.references, (2, 9), -np.inf),
        "references: values: found 1 NaN or infinite, the first at component 2, voxel 9",
    ),
    "constant voxels": (
        changed(GOOD.run, (slice(None), slice(3, 5)), 8.0),
        GOOD.references,
        "run: voxels: found 2 constant, the first voxel 3",
    ),
    "the same volume again and again": (
        np.repeat(GOOD.run[:1], 60, axis=0),
        GOOD.references,
        "run: voxels: found 200 constant",
    ),
    "empty volumes": (
        changed(GOOD.run, 59, 0.0),
        GOOD.references,
        "run: volumes: found 1 constant, the first volume 59",
    ),
    "a constant reference": (
        GOOD.run,
        changed(GOOD.references, 1, 0.1),
        "references: components: found 1 constant, the first component 1",
    ),
    "fewer volumes than components": (
        GOOD.run[:4],
        GOOD.references,
        "run: volumes: found 4, expected at least 5",
    ),
    "one volume": (GOOD.run[:1], GOOD.references[:1], "run: volumes: found 1, expected 2 or more"),
    "other voxels": (
        GOOD.run,
        GOOD.references[:, 1:],
        "references: voxels: found 199, expected 200",
    ),
    "an image": (GOOD.run.reshape(60, 20, 10), GOOD.references, r"run: shape: found \(60, 20, 10"),
    "one map": (GOOD.run, GOOD.references[0], r"references: shape: found \(200,\)"),
    "no reference": (GOOD.run, GOOD.references[:0], r"references: shape: found \(0, 200\)"),
    "complex numbers": (GOOD.run * 1j, GOOD.references, "run: dtype: found complex128"),
}


@pytest.mark.parametrize("method", ["constrained_ica", "dual_regression"])
@pytest.mark.parametrize("case", BAD)
def test_a_run_or_references_that_cannot_be_used_are_refused_by_both_methods(case, method):
    run, references, words = BAD[case]
    with pytest.raises(BadInputError, match=words):
        subject_components(run, references, method)


def test_a_reference_that_occurs_nowhere_in_the_run_is_refused():
    half = np.array([[1.0, 2, 3, 4], [4.0, 1, 2, 3]])
    run, reference = np.tile(half, 2), np.repeat([[1.0, -1.0]], 4, axis=1)
    with pytest.raises(BadInputError, match="component 0 uncorrelated with every volume"):
        constrained_ica(run, reference)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, np.nan])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(BadInputError, match="threshold"):
        constrained_ica(GOOD.run, GOOD.references, threshold=threshold)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, "complex64"])
def test_another_dtype_than_the_two_floats_is_refused(dtype):
    with pytest.raises(BadInputError, match="expected float32 or float64"):
        constrained_ica(GOOD.run, GOOD.references, dtype=dtype)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(BadInputError, match="found 'ica', expected constrained_ica or dual_reg"):
        subject_components(GOOD.run, GOOD.references, "ica")


def test_the_verb_gives_what_the_named_method_gives():
    verb = subject_components(GOOD.run, GOOD.references, dtype=np.float32)
    own = constrained_ica(GOOD.run, GOOD.references, dtype=np.float32)
    assert verb.maps.tobytes() == own.maps.tobytes()
    assert verb.time_courses.tobytes() == own.time_courses.tobytes()
