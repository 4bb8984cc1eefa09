"""Saliency maps against plain autograd in double precision, one class at a time."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks, synthetic_templates
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency import (
    class_informative_correlation,
    register_map_method,
    saliency_maps,
)
from neurospect.saliency.linear_start import linear_start
from neurospect.saliency.maps import METHODS, smoothing_noise
from neurospect.saliency.probability_gradients import ProbabilityGradients

FAMILIES = {
    "mlp": ((6, 5), {"widths": [7]}),
    "linear": ((6, 5), {}),
    "cnn1d": ((12, 3), {"widths": [4]}),
    "cnn2d": ((9, 8), {"widths": [4]}),
    "cnn3d": ((6, 7, 6), {"widths": [3, 4], "stride": 1, "pooling": 2}),
    "gru": ((7, 3), {}),
    "bert": ((7, 3), {}),
    "allconv2d": ((12, 12), {}),
}


def classifier(family="mlp", classes=4, dtype=torch.float64, seed=0, **more):
    shape, architecture = FAMILIES[family]
    model = build_model(
        family,
        task="classification",
        input_shape=shape,
        classes=classes,
        seed=seed,
        **{**architecture, **more},
    )
    return model.to(dtype), shape


def examples(shape, count=5, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, *shape))).to(dtype)


def gradients_by_autograd(model, inputs, temperature=1.0):
    """One backward pass through the softmax for each class."""
    maps = []
    for k in range(model(inputs[:1]).shape[1]):
        points = inputs.clone().requires_grad_()
        probability = (model(points) / temperature).softmax(1)[:, k]
        maps.append(torch.autograd.grad(probability.sum(), points)[0])
    return torch.stack(maps, dim=1)


class Converting(nn.Module):
    """Computes in a type of its own, and returns logits of a third."""

    def __init__(self, inside, logits):
        super().__init__()
        torch.manual_seed(0)
        self.inside, self.logits = inside, logits
        self.layers = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(inside)

    def forward(self, inputs):
        return self.layers(inputs.to(self.inside)).to(self.logits)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
@pytest.mark.parametrize(
    "types",
    [
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float32, torch.float32, torch.float64),
        (torch.float64, torch.float32, torch.float32),
        (torch.float32, torch.bfloat16, torch.float32),
    ],
)
def test_inputs_and_logits_may_be_of_different_types(types, method):
    given, inside, logits = types
    inputs = examples((5,), dtype=given)
    found = saliency_maps(Converting(inside, logits), inputs, method)
    assert found.dtype == given
    exact = Converting(torch.float64, torch.float64)
    exact.layers.load_state_dict(Converting(inside, logits).layers.state_dict())
    expected = saliency_maps(exact, inputs.double())
    if method == "gradient":
        rough = torch.bfloat16 in types
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.02 if rough else 1e-5)


def test_maps_inside_autocast_keep_the_type_of_the_inputs():
    model, shape = classifier(dtype=torch.float32)
    inputs = examples(shape, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = saliency_maps(model, inputs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, saliency_maps(model, inputs), rtol=0, atol=0.02)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_gradient_is_that_of_the_probability(family, temperature):
    model, shape = classifier(family)
    model.eval()
    inputs = examples(shape)
    found = saliency_maps(model, inputs, temperature=temperature)
    assert found.shape == (5, 4, *shape)
    torch.testing.assert_close(found, gradients_by_autograd(model, inputs, temperature))


def bare_softmax(classes):
    """A model whose logits are its inputs, bit by bit."""
    model = nn.Linear(classes, classes, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.eye(classes))
    return model


@given(st.lists(st.floats(-40, 40, width=32), min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_single_precision_agrees_with_double_to_a_millionth_however_sure_the_model(logits):
    found = saliency_maps(bare_softmax(len(logits)), torch.tensor([logits]))[0].double()
    for k, mine in enumerate(found):
        scores = np.array(logits, dtype=np.float64)
        rest = np.delete(np.arange(len(logits)), k)
        probability = np.exp(scores - np.logaddexp.reduce(scores))
        not_own = probability[rest].sum()
        expected = -probability[k] * probability
        expected[k] = probability[k] * not_own
        assert np.abs(mine.numpy() - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("margin", [17.5, 20, 40, 80])
def test_margins_at_which_autograd_returns_zero_keep_their_gradient(margin):
    inputs = torch.tensor([[margin, 0.0]], requires_grad=True)
    model = bare_softmax(2)
    model(inputs).softmax(1)[:, 0].sum().backward()
    expected = 1 / (1 + np.exp(-margin)) * np.exp(-margin) / (1 + np.exp(-margin))
    found = saliency_maps(model, inputs)[0, 0].double().numpy()
    assert inputs.grad[0, 0] == 0
    np.testing.assert_allclose(found, [expected, -expected], rtol=1e-6)


def test_the_maps_of_all_classes_sum_to_zero():
    model, shape = classifier()
    maps = saliency_maps(model, examples(shape))
    assert maps.sum(1).abs().max() < 1e-15 < maps.abs().max()


def test_gradient_x_input_is_their_product():
    model, shape = classifier()
    inputs = examples(shape)
    expected = gradients_by_autograd(model, inputs) * inputs[:, None]
    torch.testing.assert_close(saliency_maps(model, inputs, "gradient_x_input"), expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("points_at_once", [1, 4, 1000])
def test_smoothgrad_is_the_mean_gradient_under_the_same_noise(family, points_at_once):
    model, shape = classifier(family)
    model.eval()
    inputs = examples(shape, 3)
    found = saliency_maps(
        model,
        inputs,
        "smoothgrad",
        points_at_once=points_at_once,
        samples=6,
        standard_deviation=0.4,
        seed=9,
    )
    noise = smoothing_noise(inputs, range(3), standard_deviation=0.4, seed=9)
    noisy = [gradients_by_autograd(model, inputs + next(noise)) for _ in range(6)]
    torch.testing.assert_close(found, torch.stack(noisy).mean(0))


def test_smoothing_noise_is_gaussian_and_each_examples_own():
    inputs = torch.zeros(4, 50, 50, dtype=torch.float64)
    noise = smoothing_noise(inputs, range(4), standard_deviation=0.4, seed=1)
    first, second = next(noise), next(noise)
    assert float(first.std()) == pytest.approx(0.4, rel=0.03)
    values = torch.cat([first, second]).flatten(1)
    assert (torch.corrcoef(values) - torch.eye(8)).abs().max() < 0.1
    later = next(smoothing_noise(inputs[2:], range(2, 4), standard_deviation=0.4, seed=1))
    assert torch.equal(first[2:], later)
    other = next(smoothing_noise(inputs, range(4), standard_deviation=0.4, seed=2))
    assert not torch.equal(first, other)


def test_integrated_gradients_sum_to_the_change_of_probability():
    model, shape = classifier(activation="tanh")
    inputs, baseline = examples(shape), examples(shape, 1, seed=1)[0]
    found = saliency_maps(model, inputs, "integrated_gradients", steps=40, baseline=baseline)
    change = model(inputs).softmax(1) - model(baseline[None]).softmax(1)
    torch.testing.assert_close(found.sum((2, 3)), change.detach(), atol=1e-9, rtol=0)


def test_integrated_gradients_agree_with_a_fine_midpoint_sum():
    model, shape = classifier(activation="tanh")
    inputs = examples(shape, 3)
    middles = (torch.arange(500) + 0.5) / 500
    mean = sum(gradients_by_autograd(model, share * inputs) for share in middles) / 500
    found = saliency_maps(model, inputs, "integrated_gradients", steps=50)
    torch.testing.assert_close(found, mean * inputs[:, None], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "integrated_gradients"])
@pytest.mark.parametrize("classes", [[2], [3, 0], [0, 1, 2], [1, 3, 0, 2]])
def test_chosen_classes_are_those_of_all_in_the_order_asked_for(method, classes):
    model, shape = classifier()
    inputs = examples(shape)
    everything = saliency_maps(model, inputs, method)
    torch.testing.assert_close(
        saliency_maps(model, inputs, method, classes), everything[:, classes]
    )


def test_chosen_classes_may_stand_in_an_array():
    model, shape = classifier()
    inputs = examples(shape)
    listed = saliency_maps(model, inputs, classes=[3, 0])
    for chosen in (np.array([3, 0]), torch.tensor([3, 0])):
        assert torch.equal(saliency_maps(model, inputs, classes=chosen), listed)


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", "smoothgrad"])
def test_how_many_points_go_together_changes_nothing_but_rounding(method):
    model, shape = classifier()
    inputs = examples(shape, 7)
    whole = saliency_maps(model, inputs, method)
    torch.testing.assert_close(saliency_maps(model, inputs, method, points_at_once=2), whole)


def test_equal_calls_give_equal_bits_whatever_the_global_random_state():
    model, shape = classifier(dtype=torch.float32)
    inputs = examples(shape, dtype=torch.float32)
    maps = saliency_maps(model, inputs, "smoothgrad", seed=3)
    torch.rand(5)
    assert torch.equal(maps, saliency_maps(model, inputs, "smoothgrad", seed=3))
    assert not torch.equal(maps, saliency_maps(model, inputs, "smoothgrad", seed=4))


class WithSkip(nn.Module):
    """The input reaches the logits beside the first layer, too."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.last(self.first(inputs).tanh() + inputs**2)


class TimeFirst(nn.Module):
    """Swaps examples and time, both of one size, before its first linear layer."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.last(self.first(inputs.transpose(0, 1)).tanh().mean(0))


class NegativeTranspose(TimeFirst):
    """The same swap, said from the far end."""

    def forward(self, inputs):
        return self.last(self.first(inputs.transpose(-3, -2)).tanh().mean(0))


class JoinedTime(TimeFirst):
    """Joins examples and time into one dimension for its first layer."""

    def forward(self, inputs):
        joined = self.first(inputs.flatten(0, 1)).tanh()
        return self.last(joined.unflatten(0, inputs.shape[:2]).mean(1))


class OwnWeights(nn.Module):
    """Multiplies the input with itself in what looks like a linear layer."""

    def forward(self, inputs):
        return torch.addmm(torch.zeros(3, dtype=inputs.dtype), inputs, inputs[:6, :3])


class Normalised(nn.Module):
    """Not linear before its first layer."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.last(self.first(nn.functional.layer_norm(inputs, (6,))).relu())


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (WithSkip, (6,)),
        (Normalised, (6,)),
        (TimeFirst, (5, 4)),
        (NegativeTranspose, (5, 4)),
        (JoinedTime, (5, 4)),
    ],
)
def test_a_model_of_ones_own_with_any_wiring_gives_right_maps(kind, shape):
    torch.manual_seed(0)
    model = kind().double()
    inputs = examples(shape, 5)
    noise = smoothing_noise(inputs, range(5), standard_deviation=0.3, seed=0)
    noisy = [gradients_by_autograd(model, inputs + next(noise)) for _ in range(4)]
    found = saliency_maps(model, inputs, "smoothgrad", samples=4, points_at_once=5)
    torch.testing.assert_close(found, torch.stack(noisy).mean(0))
    torch.testing.assert_close(saliency_maps(model, inputs), gradients_by_autograd(model, inputs))


def test_a_weight_made_from_the_input_is_not_taken_for_a_linear_layer():
    inputs = examples((6,), 6).requires_grad_()
    assert linear_start(inputs, OwnWeights()(inputs)).operations == ()


def test_the_model_is_left_as_it_was():
    model, shape = classifier("cnn3d", weight_normalisation=True)
    model.train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    modes = [module.training for module in model.modules()]
    saliency_maps(model, examples(shape), "smoothgrad", samples=2)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all((parameter.grad == 1).all() for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_maps_are_those_of_the_model_at_rest():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)).double().train()
    inputs = examples((6,))
    found = saliency_maps(model, inputs)
    torch.testing.assert_close(found, gradients_by_autograd(model.eval(), inputs))


def test_maps_are_made_where_gradients_are_switched_off_too():
    model, shape = classifier()
    inputs = examples(shape)
    with torch.no_grad():
        found = saliency_maps(model, inputs)
    assert torch.equal(found, saliency_maps(model, inputs))
    assert not found.requires_grad


def test_a_registered_function_is_a_method():
    @register_map_method("squared")
    def squared(gradients, inputs, places, *, power=2):
        return gradients(inputs) ** power

    try:
        model, shape = classifier()
        inputs = examples(shape)
        expected = gradients_by_autograd(model, inputs) ** 3
        torch.testing.assert_close(saliency_maps(model, inputs, "squared", power=3), expected)
    finally:
        del METHODS["squared"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"method": "lrp"}, "method: found 'lrp', expected one of gradient,"),
        ({"samples": 3}, "options of gradient: found samples, expected none"),
        ({"method": "smoothgrad", "sigma": 1}, "found sigma, expected some of samples"),
        ({"method": "smoothgrad", "samples": 0}, "samples: found 0"),
        ({"method": "smoothgrad", "standard_deviation": 0}, "standard_deviation: found 0"),
        ({"method": "integrated_gradients", "steps": 0}, "steps: found 0"),
        ({"temperature": 0}, "temperature: found 0"),
        ({"temperature": float("nan")}, "temperature: found nan"),
        ({"points_at_once": 0}, "points_at_once: found 0"),
        ({"of": "logits"}, "of: found 'logits', expected probability or log_odds"),
        ({"classes": [4]}, r"classes: found \[4\], expected a list of numbers from 0 to 3"),
        ({"classes": [-1]}, r"classes: found \[-1\]"),
        ({"classes": []}, r"classes: found \[\]"),
        ({"classes": [0.5]}, r"classes: found \[0.5\]"),
        ({"classes": 1}, "classes: found 1"),
        ({"classes": "every"}, "classes: found 'every'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(call, words):
    model, shape = classifier()
    with pytest.raises(BadInputError, match=words):
        saliency_maps(model, examples(shape), **call)


def test_inputs_that_are_not_finite_are_refused_by_example():
    model, shape = classifier()
    inputs = examples(shape)
    inputs[3, 0, 0] = torch.nan
    with pytest.raises(BadInputError, match="inputs, example 3: found NaN"):
        saliency_maps(model, inputs)


def test_inputs_that_are_no_numbers_with_a_gradient_are_refused():
    model, shape = classifier()
    with pytest.raises(BadInputError, match=r"2 examples of torch\.int64"):
        saliency_maps(model, torch.zeros(2, *shape, dtype=torch.long))


@pytest.mark.parametrize("outputs", [1, (3, 2)])
def test_a_model_that_does_not_classify_is_refused(outputs):
    model = (
        nn.Linear(6, 1)
        if outputs == 1
        else nn.Sequential(nn.Linear(6, 6), nn.Unflatten(1, outputs))
    )
    with pytest.raises(BadInputError, match="output: found shape"):
        saliency_maps(model.double(), examples((6,)))


def test_a_model_as_good_as_can_be_keeps_its_maps_where_autograd_loses_them():
    """Bayes-optimal logits lie some 72 nats apart; through the softmax, half the map is gone."""
    templates = synthetic_templates()
    optimal = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 3))
    with torch.no_grad():
        optimal[1].weight.copy_(torch.from_numpy(templates.reshape(3, -1) / 0.5**2))
        optimal[1].bias.copy_(torch.from_numpy(-(templates**2).sum((1, 2)) / (2 * 0.5**2)))
    inputs = torch.from_numpy(make_synthetic_tasks(per_class=60, noise_sd=0.5, seed=0).array)
    classes = np.repeat(np.arange(3), 60)

    def score(maps):
        return class_informative_correlation(maps, classes, templates).mean()

    exact = score(saliency_maps(optimal.double(), inputs.double()))
    optimal.float()
    assert score(saliency_maps(optimal, inputs)) == pytest.approx(exact, abs=1e-5)
    assert score(saliency_maps(optimal, inputs, of="log_odds")) == pytest.approx(exact, abs=1e-5)
    assert exact > 0.87
    assert score(gradients_by_autograd(optimal, inputs)) < 0.3


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_log_odds_have_the_gradient_of_the_probability_over_its_variance(temperature):
    model, shape = classifier()
    inputs = examples(shape)
    probability = (model(inputs).detach() / temperature).softmax(1)[..., None, None]
    expected = gradients_by_autograd(model, inputs, temperature) / probability / (1 - probability)
    found = saliency_maps(model, inputs, of="log_odds", temperature=temperature)
    torch.testing.assert_close(found, expected)


def test_a_model_too_sure_for_single_precision_still_has_log_odds():
    inputs = torch.tensor([[300.0, 0.0, -20.0]])
    assert (saliency_maps(bare_softmax(3), inputs) == 0).all()
    found = saliency_maps(bare_softmax(3), inputs, of="log_odds")[0, 0]
    torch.testing.assert_close(found, torch.tensor([1.0, -1, 0]))


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "integrated_gradients"])
@pytest.mark.parametrize(("bound", "most"), [(4 * 6 * 5 * 3, 3), (1, 2)])
def test_by_default_no_more_points_go_together_than_the_bound_allows_but_two(
    monkeypatch, method, bound, most
):
    monkeypatch.setattr("neurospect.saliency.maps.VALUES_AT_ONCE", bound)
    model, shape = classifier("mlp")
    inputs, seen = examples(shape, 7), []
    expected = saliency_maps(model, inputs, method, points_at_once=100)
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    torch.testing.assert_close(saliency_maps(model, inputs, method), expected)
    assert max(seen) == most


def test_the_bound_counts_what_lies_behind_the_first_layer_where_that_is_more():
    model, shape = classifier("cnn2d", widths=[6], stride=1)
    gradients = ProbabilityGradients(model.eval())
    assert gradients.values_per_point(examples(shape, 1)) == 6 * 9 * 8 * 4
