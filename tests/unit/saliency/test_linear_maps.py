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


def layer(weight, bias):
    made = nn.Linear(len(weight[0]), len(weight))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
        made.bias.fill_(bias)
    return made


class Clamp(nn.Module):
    """Cuts its inputs off at a bound."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def forward(self, inputs):
        return inputs.clamp(-self.bound, self.bound)


ONE_WAY, OTHER_WAY = [[0.3, -0.2, 0.1]], [[-0.3, 0.2, -0.1]]


@pytest.mark.parametrize(
    "start",
    [
        [layer(ONE_WAY, 10.0), nn.ReLU()],
        [layer(OTHER_WAY, 10.0), nn.ReLU()],
        [layer(ONE_WAY, -10.0), nn.Softplus()],
        [layer(ONE_WAY, 100.0), nn.LeakyReLU(0.99)],
        [Clamp(5.0), layer(ONE_WAY, 0.0)],
        [Clamp(50.0), layer(ONE_WAY, 0.0)],
        [Clamp(500.0), layer(ONE_WAY, 0.0)],
    ],
)
def test_a_model_that_bends_far_from_zero_is_not_linear(start):
    with pytest.raises(BadInputError, match="a gradient that depends on the input"):
        linear_weights(nn.Sequential(*start, nn.Linear(1, 2)), (3,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(40, 30), nn.Dropout(), nn.Linear(30, 20), nn.Linear(20, 5)], (40,)),
        ([nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(256, 3)], (1, 6, 6, 6)),
    ],
)
def test_models_of_many_linear_layers_are_linear_in_every_precision(layers, shape, dtype):
    model = nn.Sequential(*layers).to(dtype)
    weights = linear_weights(model, shape)
    model.eval()
    ones = torch.ones(1, *shape, dtype=dtype)
    change = (model(ones) - model(torch.zeros_like(ones)))[0].double()
    loose = 0.1 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(weights.double().flatten(1).sum(1), change, rtol=loose, atol=loose)


def test_the_random_numbers_of_others_are_not_drawn_and_equal_calls_give_equal_bits():
    model, before = nn.Linear(5, 3), torch.get_rng_state()
    first, second = linear_weights(model, (5,)), linear_weights(model, (5,))
    assert torch.equal(first, second)
    assert torch.equal(first, model.weight)
    assert torch.equal(torch.get_rng_state(), before)


class Returning(nn.Module):
    """Gives what is made of its inputs and its logits."""

    def __init__(self, made):
        super().__init__()
        self.layer, self.made = nn.Linear(3, 2), made

    def forward(self, inputs):
        return self.made(inputs, self.layer(inputs))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda x, z: (z, x), "output: found tuple, expected logits"),
        (lambda x, z: {"logits": z}, "output: found dict, expected logits"),
        (lambda x, z: z[0], r"output: found shape \(2,\), expected logits"),
        (lambda x, z: z.detach(), "output: found logits without a gradient"),
    ],
)
def test_weights_of_what_gives_no_logits_are_refused(made, words):
    with pytest.raises(BadInputError, match=words):
        linear_weights(Returning(made), (3,))


def test_a_linear_model_may_begin_in_place_and_have_no_parameters():
    model = Returning(lambda x, z: x.mul_(2)[:, :2])
    torch.testing.assert_close(linear_weights(model, (3,)), 2 * torch.eye(2, 3))
    torch.testing.assert_close(linear_weights(nn.Flatten(), (2, 1)), torch.eye(2)[..., None])


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


@pytest.mark.parametrize("cut", [lambda x: x, lambda x: [x[:7], x[7:]], lambda x: iter([x])])
def test_arrays_and_batches_of_them_have_the_patterns_of_tensors(cut):
    rng = np.random.default_rng(0)
    inputs, weights = rng.normal(size=(20, 2, 3)), rng.normal(size=(3, 2, 3))
    expected = haufe_patterns(torch.from_numpy(weights), torch.from_numpy(inputs))
    found = haufe_patterns(weights, cut(inputs))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": []}, "inputs: found 0 in all, expected two examples or more"),
        ({"inputs": torch.ones(1, 2)}, "inputs: found 1 in all"),
        ({"inputs": torch.ones(0, 2)}, "inputs: found 0 in all"),
        ({"inputs": torch.ones(4, 3)}, r"inputs: found shape \(4, 3\), expected shape \(examples"),
        ({"inputs": [torch.ones(2)]}, r"inputs: found shape \(2,\)"),
        (
            {"inputs": [torch.ones(4, 2), torch.tensor([[0, 1], [0, np.nan]])]},
            "inputs, example 5: found NaN or infinity",
        ),
        ({"weights": torch.tensor([[1.0, np.inf], [0, 0]])}, r"shape \(2, 2\), 1 not finite"),
        ({"weights": torch.ones(1, 2)}, r"weights: found shape \(1, 2\)"),
        ({"weights": torch.ones(2)}, r"weights: found shape \(2,\)"),
    ],
)
def test_patterns_of_what_has_no_covariance_are_refused(change, words):
    call = {"weights": torch.ones(2, 2), "inputs": torch.rand(4, 2), **change}
    with pytest.raises(BadInputError, match=words):
        haufe_patterns(**call)
