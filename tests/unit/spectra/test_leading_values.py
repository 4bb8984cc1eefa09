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
