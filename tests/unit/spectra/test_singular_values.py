import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.spectra.singular_values import (
    noise_floor,
    paper_bound,
    product_singular_values,
    singular_values,
    singular_values_of_gram,
)

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(SHAPES, st.integers(0, 2**32 - 1), st.floats(-8, 8))
@settings(max_examples=60, deadline=None)
def test_double_precision_values_are_those_of_scipy(shape, seed, exponent):
    matrix = np.random.default_rng(seed).normal(size=shape) * 10**exponent
    expected = scipy.linalg.svd(matrix, compute_uv=False)
    found = singular_values(torch.from_numpy(matrix)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13 * expected[0])


@given(SHAPES, st.integers(0, 2**32 - 1), st.floats(-8, 8))
@settings(max_examples=60, deadline=None)
def test_single_precision_values_are_exact_far_below_their_noise_floor(shape, seed, exponent):
    matrix = (np.random.default_rng(seed).normal(size=shape) * 10**exponent).astype(np.float32)
    expected = scipy.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    found = singular_values(torch.from_numpy(matrix)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-8 * expected[0])


def test_a_stack_is_decomposed_matrix_by_matrix():
    stack = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    together = singular_values(stack)
    assert together.shape == (3, 2, 4)
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(together[i, j], singular_values(stack[i, j]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_that_is_not_finite_gives_nan_and_leaves_the_others(dtype):
    stack = torch.ones(3, 4, 3, dtype=dtype)
    stack[1, 2, 0] = torch.nan
    stack[2, 0, 0] = torch.inf
    values = singular_values(stack)
    assert values[0, 0].item() == pytest.approx(np.sqrt(12))
    assert values[1:].isnan().all()


def test_gram_matrices_give_the_values_of_what_they_came_from():
    matrix = torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        singular_values_of_gram(matrix.T @ matrix), torch.linalg.svdvals(matrix)
    )


def test_rounding_noise_of_a_matrix_of_rank_two_lies_under_the_floor():
    generator = torch.Generator().manual_seed(2)
    matrix = torch.randn(200, 2, generator=generator) @ torch.randn(2, 30, generator=generator)
    values = singular_values(matrix)
    floor = noise_floor(values[:1], (200, 30), torch.float32)
    assert (values > floor).sum() == 2


@given(
    st.integers(0, 9),
    SHAPES,
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_a_gradient_has_the_same_values_formed_or_not(samples, shape, dtype, seed):
    """From no sample to more than there are inputs and outputs."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(2, samples, shape[0])).astype(dtype)
    d = rng.normal(size=(2, samples, shape[1])).astype(dtype)
    products = d.astype(np.float64).transpose(0, 2, 1) @ a.astype(np.float64)
    expected = scipy.linalg.svdvals(products[0]), scipy.linalg.svdvals(products[1])
    found = product_singular_values(torch.from_numpy(a), torch.from_numpy(d)).numpy()
    tolerance = 1e-10 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1, np.max(expected)))


def test_activations_that_are_not_finite_give_nan_and_leave_the_others():
    a, d = torch.ones(2, 3, 9), torch.ones(2, 3, 8)
    a[1, 0, 0] = torch.nan
    values = product_singular_values(a, d)
    assert values[0].isfinite().all() and values[1].isnan().all()


def test_the_papers_products_are_not_the_singular_values_of_the_gradient():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    d = torch.tensor([[0.0, 3.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert torch.linalg.svdvals(a.T @ d).tolist() == [3.0, 0.0]
    assert paper_bound(singular_values(a), singular_values(d)).tolist() == [6.0, 1.0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_papers_first_product_bounds_the_first_singular_value(seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(7, 4, dtype=torch.float64, generator=generator)
    d = torch.randn(7, 3, dtype=torch.float64, generator=generator)
    bound = paper_bound(singular_values(a), singular_values(d))
    assert singular_values(a.T @ d)[0] <= bound[0] * (1 + 1e-12)
