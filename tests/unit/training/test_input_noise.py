"""Noise on the inputs: how it is spread, where it stays, and what it does to the model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from neurospect.errors import BadInputError
from neurospect.training.input_noise import adversarial_noise, random_noise, within_ball


def classifier(features=6, classes=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 7), nn.ReLU(), nn.Linear(7, classes))


@given(
    epsilon=st.floats(1e-3, 1e3),
    step=st.floats(1e-3, 10),
    steps=st.integers(1, 6),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_adversarial_noise_never_leaves_the_ball(epsilon, step, steps, scale, seed):
    model, rng = classifier(seed=seed), np.random.default_rng(seed)
    inputs = torch.tensor(scale * rng.normal(size=(5, 2, 3)), dtype=torch.float32)
    noise = adversarial_noise(
        model,
        inputs,
        torch.arange(5) % 3,
        epsilon=epsilon,
        steps=steps,
        step_size=step * epsilon,
    )
    assert torch.isfinite(noise).all()
    assert noise.double().flatten(1).norm(dim=1).max() <= epsilon * (1 + 1e-6)


def test_in_a_linear_model_of_two_classes_the_worst_noise_is_known():
    """Whatever the input, it is as long as allowed and points from the class to the other."""
    model = nn.Linear(6, 2)
    inputs, classes = torch.randn(8, 6), torch.arange(8) % 2
    noise = adversarial_noise(model, inputs, classes, epsilon=0.7, steps=4, step_size=0.3)
    away = (model.weight[1 - classes] - model.weight[classes]).detach()
    torch.testing.assert_close(noise, 0.7 * away / away.norm(dim=1, keepdim=True))


def test_adversarial_noise_lowers_the_probability_more_than_random_noise_as_long():
    model, inputs = classifier(), torch.randn(200, 6)
    classes = model(inputs).argmax(1)
    adversarial = adversarial_noise(model, inputs, classes, epsilon=0.5, steps=3, step_size=0.25)
    chance = random_noise(inputs, 0.5)

    def probability(noise):
        return model(inputs + noise).softmax(1)[torch.arange(200), classes].detach()

    clean = probability(torch.zeros_like(inputs))
    assert (probability(adversarial) < clean).double().mean() > 0.95
    assert (clean - probability(adversarial)).mean() > 3 * (clean - probability(chance)).mean()


def test_a_model_so_sure_that_its_probability_rounds_to_one_is_still_attacked():
    model = nn.Linear(4, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[60.0, 0, 0, 0], [0, 60.0, 0, 0]]))
        model.bias.zero_()
    inputs = torch.tensor([[1.0, 0, 0, 0]])
    assert model(inputs).softmax(1)[0, 0] == 1
    noise = adversarial_noise(model, inputs, torch.tensor([0]), epsilon=1.0, steps=2, step_size=0.5)
    torch.testing.assert_close(noise, torch.tensor([[-1.0, 1, 0, 0]]) / 2**0.5)


def test_gradients_of_the_parameters_are_not_touched():
    model = classifier()
    adversarial_noise(
        model, torch.randn(3, 6), torch.arange(3), epsilon=1.0, steps=2, step_size=0.5
    )
    assert all(parameter.grad is None for parameter in model.parameters())


def test_running_statistics_are_not_touched_and_hooks_see_every_pass():
    model, seen = (
        nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 3)),
        [],
    )
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model[1].register_forward_hook(lambda *_: seen.append(1))
    adversarial_noise(
        model, torch.randn(8, 6), torch.arange(8) % 3, epsilon=1.0, steps=3, step_size=0.5
    )
    assert model.training and len(seen) == 3
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_random_noise_is_uniform_in_the_ball():
    """Then (length / ε) to the power of the dimensions is uniform, and directions are isotropic."""
    torch.manual_seed(0)
    noise = random_noise(torch.zeros(4000, 3, dtype=torch.float64), 2.0).numpy()
    length = np.linalg.norm(noise, axis=1)
    assert length.max() <= 2
    assert stats.kstest((length / 2) ** 3, "uniform").pvalue > 1e-3
    # On a sphere in three dimensions, every coordinate is uniform.
    for coordinate in (noise / length[:, None]).T:
        assert stats.kstest(coordinate, stats.uniform(-1, 2).cdf).pvalue > 1e-3


@given(st.integers(0, 100), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_the_ball_is_the_nearest_place_for_what_lies_outside(seed, epsilon):
    noise = torch.from_numpy(np.random.default_rng(seed).normal(scale=3, size=(6, 4)))
    inside = within_ball(noise, epsilon)
    for before, after in zip(noise, inside, strict=True):
        shorter = before if before.norm() <= epsilon else epsilon * before / before.norm()
        torch.testing.assert_close(after, shorter)


@pytest.mark.parametrize(
    "options",
    [{"epsilon": 0.0}, {"epsilon": -1.0}, {"step_size": 0.0}, {"steps": 0}, {"steps": 1.5}],
)
def test_noise_without_length_or_steps_is_refused(options):
    numbers = {"epsilon": 1.0, "steps": 2, "step_size": 0.5, **options}
    with pytest.raises(BadInputError, match=f"{next(iter(options))}: found"):
        adversarial_noise(classifier(), torch.randn(2, 6), torch.arange(2), **numbers)
