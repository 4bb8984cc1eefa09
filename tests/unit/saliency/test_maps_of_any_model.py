"""Maps of models that are not ours, of inputs as they come, and what is refused of both."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.saliency.maps import METHODS, register_map_method, saliency_maps


def inputs_of(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def dense(*more, dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3), *more).to(dtype)


def gradients_by_autograd(model, inputs):
    """One backward pass through the softmax for each class."""
    maps = []
    for k in range(3):
        points = inputs.clone().requires_grad_()
        probability = model(points * 1).softmax(1)[:, k]
        maps.append(torch.autograd.grad(probability.sum(), points)[0])
    return torch.stack(maps, dim=1)


class FromFunction(nn.Module):
    """Applies a function of logits and inputs to the logits of a dense model."""

    def __init__(self, function):
        super().__init__()
        self.inner, self.function = dense(), function

    def forward(self, inputs):
        return self.function(self.inner(inputs), inputs)


class Routed(nn.Module):
    """Convolves each example with one of two kernels, which the sign of its mean chooses."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.kernels = nn.Parameter(torch.randn(2, 3, 5, dtype=torch.float64))

    def forward(self, inputs):
        chosen = self.kernels[(inputs.mean(1) > 0).long()]
        joined = inputs.reshape(1, *inputs.shape)
        convolved = nn.functional.conv1d(joined, chosen.flatten(0, 1)[:, None], groups=len(inputs))
        return convolved.reshape(len(inputs), 3, -1).tanh().sum(-1)


@pytest.mark.parametrize("count", [2, 6])
def test_a_model_that_chooses_its_weights_by_the_input_is_not_taken_for_linear(count):
    model, inputs = Routed(), 0.1 * inputs_of(count, 12)
    one_by_one = torch.cat(
        [
            saliency_maps(model, inputs[k : k + 1], "smoothgrad", samples=8, first_place=k)
            for k in range(count)
        ]
    )
    together = saliency_maps(model, inputs, "smoothgrad", samples=8, points_at_once=count)
    generators = [torch.Generator().manual_seed(place) for place in range(count)]
    expected = torch.zeros_like(together)
    for _ in range(8):
        noise = [torch.randn(12, generator=g, dtype=torch.float64) for g in generators]
        expected += gradients_by_autograd(model, inputs + 0.3 * torch.stack(noise)) / 8
    torch.testing.assert_close(together, expected)
    torch.testing.assert_close(one_by_one, expected)


@pytest.mark.parametrize(
    "start", [nn.ReLU(inplace=True), nn.Hardtanh(-1, 1, inplace=True), nn.Dropout(inplace=True)]
)
def test_a_model_may_begin_in_place_and_the_inputs_stay_as_they_were(start):
    model, inputs = nn.Sequential(start, dense()), inputs_of(4, 6)
    before = inputs.clone()
    found = saliency_maps(model, inputs)
    assert torch.equal(inputs, before)
    torch.testing.assert_close(found, gradients_by_autograd(model.eval(), inputs))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", ["channels last", "Fortran", "strided"])
def test_the_layout_in_memory_changes_nothing_but_rounding(method, layout):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)).double()
    inputs = inputs_of(3, 2, 6, 5)
    laid_out = {
        "channels last": inputs.contiguous(memory_format=torch.channels_last),
        "Fortran": torch.from_numpy(np.asfortranarray(inputs.numpy())),
        "strided": inputs.repeat_interleave(2, dim=-1)[..., ::2],
    }[layout]
    assert laid_out.stride() != inputs.stride()
    torch.testing.assert_close(
        saliency_maps(model, laid_out, method), saliency_maps(model, inputs, method)
    )


def test_maps_are_made_where_autograd_is_off():
    model, inputs = dense(), inputs_of(4, 6)
    expected = saliency_maps(model, inputs, "smoothgrad")
    with torch.no_grad():
        assert torch.equal(saliency_maps(model, inputs, "smoothgrad"), expected)
    with torch.inference_mode():
        own = inputs.clone()
        assert own.is_inference()
        assert torch.equal(saliency_maps(model, own, "smoothgrad"), expected)


@pytest.mark.parametrize(
    "wrapped",
    [torch.jit.script, lambda model: torch.jit.trace(model, torch.zeros(2, 6)), nn.DataParallel],
    ids=["scripted", "traced", "in parallel"],
)
@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_models_that_cannot_be_called_with_other_parameters_have_maps(wrapped, method):
    model, inputs = dense(dtype=torch.float32), inputs_of(4, 6, dtype=torch.float32)
    other = wrapped(model)
    torch.testing.assert_close(
        saliency_maps(other, inputs, method), saliency_maps(model, inputs, method)
    )
    assert all(parameter.grad is None for parameter in other.parameters())


def test_a_masked_class_has_a_probability_of_zero_and_so_a_map_of_zeros():
    masked = FromFunction(lambda logits, _: logits.masked_fill(torch.eye(3)[0] > 0, -torch.inf))
    inputs = inputs_of(4, 6)
    found = saliency_maps(masked, inputs)
    assert (found[:, 0] == 0).all()
    torch.testing.assert_close(found, gradients_by_autograd(masked, inputs))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda logits, _: (logits, None), "output: found tuple"),
        (lambda logits, _: {"logits": logits}, "output: found dict"),
        (lambda logits, _: logits.detach(), "found logits without a gradient"),
        (lambda logits, inputs: torch.ones(len(inputs), 3), "found logits without a gradient"),
        (lambda logits, _: logits / 0, "found logits that are NaN or infinite"),
        (lambda logits, _: logits * torch.nan, "found logits that are NaN or infinite"),
        (lambda logits, _: logits + torch.tensor([0, -torch.inf, -torch.inf]), "NaN or infinite"),
    ],
)
@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
def test_what_is_no_logits_is_refused(function, words, method):
    with pytest.raises(BadInputError, match=words):
        saliency_maps(FromFunction(function), inputs_of(4, 6), method)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"method": "smoothgrad", "samples": 2.5}, "samples: found 2.5, expected a whole number"),
        ({"method": "smoothgrad", "samples": True}, "samples: found True"),
        ({"method": "smoothgrad", "seed": 1.5}, "seed: found 1.5"),
        ({"method": "integrated_gradients", "steps": 2.5}, "steps: found 2.5"),
        ({"points_at_once": 2.5}, "points_at_once: found 2.5"),
        ({"method": "integrated_gradients", "baseline": np.nan}, "baseline: found NaN"),
        ({"method": "integrated_gradients", "baseline": np.ones(1)}, r"found shape \(1,\)"),
        ({"method": "integrated_gradients", "baseline": np.ones((4, 6))}, r"found shape \(4, 6\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(call, words):
    with pytest.raises(BadInputError, match=words):
        saliency_maps(dense(), inputs_of(4, 6), **call)


def test_numbers_may_come_from_numpy():
    model, inputs = dense(), inputs_of(4, 6)
    expected = saliency_maps(model, inputs, "smoothgrad", samples=3, seed=2)
    found = saliency_maps(model, inputs, "smoothgrad", samples=np.int64(3), seed=np.int64(2))
    assert torch.equal(found, expected)
    from_array = saliency_maps(model, inputs, "integrated_gradients", baseline=np.full(6, 0.5))
    assert torch.equal(
        from_array, saliency_maps(model, inputs, "integrated_gradients", baseline=0.5)
    )


def test_a_method_of_ones_own_may_take_any_option_but_must_give_maps(monkeypatch):
    monkeypatch.setattr("neurospect.saliency.maps.METHODS", {})

    @register_map_method("scaled")
    def scaled(gradients, inputs, places, **options):
        return options["factor"] * gradients(inputs)

    @register_map_method("summed")
    def summed(gradients, inputs, places):
        return gradients(inputs).sum(1)

    model, inputs = dense(), inputs_of(4, 6)
    expected = 2 * gradients_by_autograd(model, inputs)
    torch.testing.assert_close(saliency_maps(model, inputs, "scaled", factor=2), expected)
    with pytest.raises(BadInputError, match=r"method summed: found maps of shape \(4, 6\)"):
        saliency_maps(model, inputs, "summed")
