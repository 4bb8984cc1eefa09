"""Smooth maps are tested against maps as smooth, not against independent voxels."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter

from neurospect.errors import BadInputError
from neurospect.saliency.spatial_null import phase_randomised, spatial_correlation_test


def ball(size=18):
    place = np.indices((size, size + 2, size)) - np.array([size / 2] * 3)[:, None, None, None]
    return (place**2).sum(0) < (size / 2 - 1) ** 2


def smooth(seed, mask, voxels=1.3):
    noise = np.random.default_rng(seed).normal(size=mask.shape)
    return gaussian_filter(noise, voxels, mode="constant")


def test_independent_smooth_maps_are_rarely_found_alike_but_by_the_naive_test():
    mask = ball()
    tests = [
        spatial_correlation_test(
            smooth(2 * k, mask), smooth(2 * k + 1, mask), mask, surrogates=39, seed=k
        )
        for k in range(100)
    ]
    assert np.mean([test.p <= 0.05 for test in tests]) <= 0.11
    assert np.mean([test.naive_p <= 0.05 for test in tests]) >= 0.5
    assert stats.binomtest(sum(test.p <= 0.5 for test in tests), 100, 0.5).pvalue > 1e-3


def test_a_map_that_shares_much_with_the_reference_is_found():
    mask = ball()
    reference = smooth(0, mask)
    found = spatial_correlation_test(
        reference + smooth(1, mask), reference, mask, surrogates=99, seed=0
    )
    expected = np.corrcoef((reference + smooth(1, mask))[mask], reference[mask])[0, 1]
    assert found.correlation == pytest.approx(expected)
    assert found.p == 0.01


def test_neither_the_order_of_the_maps_nor_what_is_outside_the_mask_counts():
    mask = ball(10)
    a, b = smooth(0, mask), smooth(1, mask)
    first = spatial_correlation_test(a, b, mask, surrogates=30, seed=5)
    second = spatial_correlation_test(
        np.where(mask, b, np.nan), np.where(mask, a, 1e9), mask, surrogates=30, seed=5
    )
    assert dataclasses.astuple(first) == pytest.approx(dataclasses.astuple(second))


def test_surrogates_have_the_spectrum_of_the_map():
    whole = np.ones((8, 9, 10), dtype=bool)
    values = smooth(0, whole)
    for surrogate in phase_randomised(values, whole, 3, seed=0):
        found = np.abs(np.fft.fftn(surrogate.reshape(whole.shape)))
        expected = np.abs(np.fft.fftn(values - values.mean()))
        # Where a frequency is its own mirror image, the phase is a sign and stays real.
        np.testing.assert_allclose(found, expected, atol=1e-9)
        assert abs(np.corrcoef(surrogate, values.ravel())[0, 1]) < 0.99


def test_the_seed_alone_decides():
    mask = ball(10)
    drawn = [np.stack(list(phase_randomised(smooth(0, mask), mask, 2, seed=s))) for s in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert drawn[0].shape == (2, np.count_nonzero(mask))


def test_a_region_may_be_the_reference_and_a_tensor_the_map():
    mask = ball(10)
    region, map_ = smooth(0, mask) > 0, smooth(1, mask).astype(np.float32)
    expected = spatial_correlation_test(map_, region.astype(float), mask, surrogates=19)
    tensors = torch.from_numpy(map_).requires_grad_(), torch.from_numpy(region)
    for given in ((map_, region), (map_, region.astype(np.uint8)), tensors):
        assert spatial_correlation_test(*given, mask, surrogates=19) == expected
    assert expected.correlation == pytest.approx(np.corrcoef(map_[mask], region[mask])[0, 1])


def test_a_seed_of_numpy_is_the_number_that_it_is():
    mask = ball(10)
    a, b = smooth(0, mask), smooth(1, mask)
    found = [
        spatial_correlation_test(a, b, mask, surrogates=kind(19), seed=kind(5))
        for kind in (int, np.int64)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": np.ones((4, 4), dtype=bool)}, "mask: found shape"),
        ({"mask": np.zeros((5, 5), dtype=bool)}, "with 0 voxels inside"),
        ({"values": np.zeros((5, 5))}, "map: found a constant"),
        ({"reference": np.full((5, 5), np.nan)}, "reference: found NaN or infinity inside"),
        ({"surrogates": 0}, "surrogates: found 0"),
        ({"surrogates": 9.5}, "surrogates: found 9.5, expected a whole number"),
        ({"seed": 1.5}, "seed: found 1.5, expected a whole number"),
        ({"seed": -1}, "seed: found -1, expected a whole number, 0 or more"),
        ({"mask": np.full((5, 5), 255)}, "mask: found int64, with values as 255"),
        ({"reference": np.full((5, 5), "a")}, "reference: found <U1, expected real numbers"),
        ({"reference": np.ones((5, 5), dtype=bool)}, "reference: found a constant"),
    ],
)
def test_what_cannot_be_tested_is_refused(change, words):
    call = {
        "values": np.arange(25.0).reshape(5, 5),
        "reference": np.arange(25.0).reshape(5, 5) ** 2,
        "mask": np.ones((5, 5), dtype=bool),
        **change,
    }
    with pytest.raises(BadInputError, match=words):
        spatial_correlation_test(**call)
