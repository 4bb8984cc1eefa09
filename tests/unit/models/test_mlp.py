import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neurospect.models.mlp import mlp
from neurospect.models.registry import build_model


def build(seed=0, task="classification", widths=(5, 4), activation="relu", input_shape=(6,)):
    return build_model(
        "mlp",
        task=task,
        input_shape=input_shape,
        classes=3,
        seed=seed,
        widths=widths,
        activation=activation,
    )


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
@pytest.mark.parametrize("input_shape", [(6,), (2, 3), (1, 2, 3)])
def test_parameters_are_named_by_their_place_whatever_the_shape_of_examples(task, input_shape):
    names = [name for name, _ in build(task=task, input_shape=input_shape).named_parameters()]
    assert names == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]


def test_initial_weights_are_those_of_pytorch_under_the_seed():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        expected = nn.Sequential(
            nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
        ).state_dict()
    found = build(seed=7).state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("identity", lambda x: x),
    ],
)
def test_an_mlp_computes_what_matrix_products_do(activation, function):
    model = build(activation=activation).double()
    inputs = torch.randn(9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = inputs.numpy()
    weights = [parameter.detach().numpy() for parameter in model.parameters()]
    for layer in range(3):
        values = values @ weights[2 * layer].T + weights[2 * layer + 1]
        values = function(values) if layer < 2 else values
    np.testing.assert_allclose(model(inputs).detach(), values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_examples_of_several_dimensions_count_as_their_flat_values(task):
    flat, volume = build(task=task), build(task=task, input_shape=(1, 2, 3))
    inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    found = volume(inputs.reshape(4, 1, 2, 3))
    assert torch.equal(found.reshape(4, -1), flat(inputs))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 9), max_size=4),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from(["classification", "autoencoding"]),
)
def test_widths_are_those_asked_for(widths, input_shape, task):
    model = mlp(task, tuple(input_shape), 5, widths=widths, activation="tanh")
    shapes = [tuple(layer.weight.shape) for layer in model if isinstance(layer, nn.Linear)]
    inputs = math.prod(input_shape)
    sizes = [inputs, *widths, 5 if task == "classification" else inputs]
    assert shapes == list(zip(sizes[1:], sizes[:-1], strict=True))


def test_the_linear_model_has_one_weight_per_class_and_value():
    model = build_model(
        "linear", task="classification", input_shape=(2, 3), classes=4, seed=0
    ).double()
    inputs = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    weight, bias = (parameter.detach().numpy() for parameter in model.parameters())
    assert weight.shape == (4, 6)
    expected = inputs.numpy().reshape(5, 6) @ weight.T + bias
    np.testing.assert_allclose(model(inputs).detach(), expected, rtol=1e-12)
