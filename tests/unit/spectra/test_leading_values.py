import copy

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra
from neurospect.spectra.leading_values import LeadingValues


def matrix_of(values, rows, seed=0, dtype=torch.float64):
    """A matrix of given singular values."""
    rng = np.random.default_rng(seed)
    left = scipy.linalg.qr(rng.normal(size=(rows, len(values))), mode="economic")[0]
    right = scipy.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    return torch.from_numpy((left * values) @ right).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("wide", [False, True])
def test_each_value_lies_within_its_reported_distance_of_a_singular_value(decay, dtype, wide):
    values = np.arange(1, 61) ** -decay
    matrices = torch.stack([matrix_of(values, 80, s, dtype) for s in range(3)])
    found, errors = LeadingValues(6).of("a", matrices.mT if wide else matrices)
    assert found.shape == errors.shape == (3, 6)
    rounding = 1e-6 if dtype == torch.float32 else 1e-12
    nearest = np.abs(found.numpy()[..., None] - values).min(-1)
    assert (nearest <= errors.numpy() + rounding).all()
    assert (errors <= 1e-4 * found[:, :1]).all()
    np.testing.assert_allclose(found, np.tile(values[:6], (3, 1)), atol=5e-3)
    assert (found.numpy() <= values[:6] + rounding).all()


def test_the_step_before_is_a_better_start_than_chance():
    values = np.arange(1, 201) ** -0.7
    before = matrix_of(values, 220)
    after = before + 1e-5 * matrix_of(np.ones(200), 220, seed=1)
    warm, cold = LeadingValues(5), LeadingValues(5)
    warm.of("a", before[None])
    exact = torch.linalg.svdvals(after)[:5]
    of_warm, of_cold = warm.of("a", after[None])[0], cold.of("a", after[None])[0]
    assert (of_warm - exact).abs().max() < (of_cold - exact).abs().max()


def test_a_matrix_that_is_not_finite_gives_nan_and_leaves_the_others():
    matrices = torch.stack([matrix_of(np.ones(20), 30), matrix_of(np.ones(20), 30)])
    matrices[1, 2, 3] = torch.nan
    values, errors = LeadingValues(4).of("a", matrices)
    torch.testing.assert_close(values[0], torch.ones(4, dtype=torch.float64))
    assert values[1].isnan().all() and errors[1].isnan().all()


def test_a_matrix_without_any_gradient_has_values_of_zero():
    values, errors = LeadingValues(4).of("a", torch.zeros(1, 30, 20))
    assert (values == 0).all() and (errors == 0).all()


def half(side, *, first):
    """A matrix of known values whose rows lie in one half of the columns."""
    values = 2.0 ** -np.arange(side // 2)
    part = matrix_of(values, side + 10, seed=int(first))
    rest = torch.zeros(side + 10, side - side // 2, dtype=torch.float64)
    return torch.cat([part, rest] if first else [rest, part], 1)[None]


def with_border(rows=80, border=40):
    """A matrix without anything in its first columns, as of images with a black border."""
    return torch.cat([torch.zeros(rows, border).double(), matrix_of(np.ones(30), rows)], 1)[None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("nothing", [0.0, torch.inf, torch.nan])
def test_a_step_without_a_gradient_does_not_blind_the_steps_after_it(nothing, wide, dtype):
    matrices = with_border().to(dtype)
    matrices = matrices.mT.contiguous() if wide else matrices
    leading = LeadingValues(4)
    leading.of("a", torch.full_like(matrices, nothing))
    values, errors = leading.of("a", matrices)
    np.testing.assert_allclose(values, np.ones((1, 4)), rtol=1e-6)
    assert (errors <= 1e-4).all()


def test_the_step_after_an_infinite_gradient_starts_where_the_step_before_it_ended():
    matrices, leading = matrix_of(np.arange(1, 201) ** -0.7, 220)[None], LeadingValues(5)
    leading.of("a", matrices)
    undisturbed = copy.deepcopy(leading)
    leading.of("a", torch.full_like(matrices, torch.inf))
    for found, expected in zip(
        leading.of("a", matrices), undisturbed.of("a", matrices), strict=True
    ):
        assert torch.equal(found, expected)


def test_a_gradient_that_moves_to_other_inputs_is_followed():
    leading = LeadingValues(4)
    for step in range(4):
        values, errors = leading.of("a", half(60, first=step % 2 == 0))
        np.testing.assert_allclose(values[0], 2.0 ** -np.arange(4), atol=1e-4)
        assert (errors <= 1e-4).all()


def test_values_of_ranks_that_the_first_step_lacked_are_found():
    first, later = with_border(), with_border()
    first[0, 1:] = 0
    leading = LeadingValues(4)
    assert np.linalg.matrix_rank(first[0].numpy()) == 1
    leading.of("a", first)
    np.testing.assert_allclose(leading.of("a", later)[0], np.ones((1, 4)), rtol=1e-6)


def test_a_row_that_starts_again_leaves_the_bits_of_the_others():
    quiet = matrix_of(np.arange(1, 61) ** -1.0, 70)[None]
    together, alone = LeadingValues(4), LeadingValues(4)
    together.of("a", torch.cat([quiet, half(60, first=True)]))
    alone.of("a", torch.cat([quiet, quiet]))
    moved = together.of("a", torch.cat([quiet, half(60, first=False)]))[0]
    np.testing.assert_allclose(moved[1], 2.0 ** -np.arange(4), atol=1e-4)
    exact = torch.linalg.svdvals(quiet[0])[:4]
    torch.testing.assert_close(moved[0], exact, rtol=1e-6, atol=0)


def test_gradients_whose_squares_vanish_in_single_precision_have_their_values():
    matrices = (1e-25 * with_border()).float()
    values, errors = LeadingValues(4).of("a", matrices)
    np.testing.assert_allclose(values, np.full((1, 4), 1e-25), rtol=1e-6)
    assert (errors <= 1e-29).all()


def test_gradients_whose_squares_overflow_single_precision_have_their_values():
    values, errors = LeadingValues(4).of("a", (1e25 * with_border()).float())
    np.testing.assert_allclose(values, np.full((1, 4), 1e25), rtol=1e-6)
    assert (errors <= 1e21).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_matrices_in_half_precision_have_their_values(dtype):
    matrices = matrix_of(np.arange(1, 41) ** -1.0, 60)[None].to(dtype)
    exact = np.linalg.svd(matrices.double().numpy(), compute_uv=False)[:, :4]
    found, errors = LeadingValues(4).of("a", matrices)
    assert (np.abs(found.numpy() - exact) <= errors.numpy() + 1e-6).all()
    assert (errors <= 1e-4 * found[:, :1]).all()


def trained(steps, spectra_of, checkpoint_at=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(520, 530), nn.Tanh(), nn.Linear(530, 3))
    inputs = torch.randn(40, 16, 520)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    spectra = spectra_of(model)
    for step in range(steps):
        if step == checkpoint_at:
            state = copy.deepcopy(spectra.state_dict())
            spectra = spectra_of(model)
            spectra.load_state_dict(state)
        optimizer.zero_grad()
        with spectra:
            model(inputs).square().mean().backward()
        optimizer.step()
    return spectra.to_datatree()


def test_leading_values_of_large_weights_are_those_of_all_within_their_error():
    labels = np.arange(40) % 2
    leading = trained(3, lambda model: GradientSpectra(model, labels, leading=5))
    exact = trained(3, lambda model: GradientSpectra(model, labels))
    node = leading["0.weight"]
    assert node.sizes == {"step": 3, "group": 3, "rank": 5}
    difference = np.abs(node["gradient"] - exact["0.weight"]["gradient"].sel(rank=node["rank"]))
    largest = node["gradient"].sel(rank=1)
    assert (difference <= node["gradient_error"] + 1e-6 * largest).all()
    assert (node["gradient_error"] <= 1e-4 * largest).all()
    # Small weights are decomposed in full.
    assert leading["2.weight"].equals(exact["2.weight"])


def test_leading_values_go_on_from_a_saved_state_to_the_bit():
    def spectra_of(model):
        return GradientSpectra(model, np.arange(40) % 2, leading=5, quantities=["gradient"])

    assert trained(3, spectra_of, checkpoint_at=2).identical(trained(3, spectra_of))


def test_fewer_than_one_value_is_refused():
    with pytest.raises(BadInputError, match="leading: found 0"):
        GradientSpectra(nn.Linear(3, 3), leading=0)
