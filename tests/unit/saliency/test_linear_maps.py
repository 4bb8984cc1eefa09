"""Weights and patterns of a linear model."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency.linear_maps import haufe_patterns, linear_weights


def test_the_weights_are_those_of_the_layer_in_the_inputs_shape():
    model = build_model("linear", task="classification", input_shape=(4, 5), classes=3, seed=0)
    torch.testing.assert_close(linear_weights(model, (4, 5)), model[-1].weight.view(3, 4, 5))


def test_linear_layers_after_each_other_are_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3)).double()
    torch.testing.assert_close(linear_weights(model, (6,)), model[1].weight @ model[0].weight)


def test_a_model_that_is_not_linear_is_refused():
    model = build_model("mlp", task="classification", input_shape=(4, 5), classes=3, seed=0)
    with pytest.raises(BadInputError, match="layers: found a gradient that depends on the input"):
        linear_weights(model, (4, 5))


def test_patterns_are_the_covariance_of_the_inputs_times_weights_over_that_of_the_logits():
    """Haufe et al. (2014), eq. 6, with the covariances by numpy."""
    rng = np.random.default_rng(0)
    inputs, weights = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(3, 6))
    relative = weights - weights.mean(0)
    of_logits = np.cov(inputs @ relative.T, rowvar=False)
    expected = np.cov(inputs, rowvar=False) @ relative.T @ np.linalg.pinv(of_logits)
    found = haufe_patterns(torch.from_numpy(weights), torch.from_numpy(inputs))
    np.testing.assert_allclose(found.numpy(), expected.T, rtol=1e-8, atol=1e-10)


def test_what_is_added_to_all_logits_changes_no_pattern():
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(100, 2, 3)))
    weights = torch.from_numpy(rng.normal(size=(3, 2, 3)))
    common = torch.from_numpy(rng.normal(size=(2, 3)))
    found = haufe_patterns(weights + common, inputs)
    assert found.shape == (3, 2, 3)
    torch.testing.assert_close(found, haufe_patterns(weights, inputs))


def test_a_voxel_that_only_cancels_noise_has_weight_but_no_pattern():
    """The example of the paper: x1 = signal + distractor, x2 = distractor."""
    rng = np.random.default_rng(0)
    signal, distractor = rng.normal(size=(2, 100_000))
    inputs = torch.from_numpy(np.stack([signal + distractor, distractor], axis=1))
    weights = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    patterns = haufe_patterns(weights, inputs)
    assert abs(patterns[0, 1] / patterns[0, 0]) < 0.02
