import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.models.mlp import mlp
from neurospect.models.registry import build_model


def build(seed=0, task="classification", widths=(5, 4), activation="relu", family="mlp"):
    return build_model(
        family, task=task, features=6, classes=3, seed=seed, widths=widths, activation=activation
    )


def test_parameters_are_named_by_their_place_in_the_sequence():
    names = [name for name, _ in build().named_parameters()]
    assert names == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("autoencoding", 6)])
def test_the_task_decides_what_comes_out(task, outputs):
    assert build(task=task)(torch.zeros(7, 6)).shape == (7, outputs)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
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


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_widths_are_those_asked_for(widths, inputs, outputs):
    model = mlp(inputs, outputs, widths=widths, activation="tanh")
    shapes = [tuple(layer.weight.shape) for layer in model if isinstance(layer, torch.nn.Linear)]
    sizes = [inputs, *widths, outputs]
    assert shapes == list(zip(sizes[1:], sizes[:-1], strict=True))


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    first = build(seed=4).state_dict()
    torch.rand(11)
    second = build(seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights():
    assert not torch.equal(build(seed=4)[0].weight, build(seed=5)[0].weight)


def test_the_global_random_state_is_left_as_it_was():
    torch.manual_seed(9)
    expected = torch.rand(5)
    torch.manual_seed(9)
    build(seed=1)
    assert torch.equal(torch.rand(5), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "transformer"}, "family: found 'transformer', expected one of mlp"),
        ({"activation": "gelu"}, "activation: found 'gelu', expected one of relu, tanh, sigmoid"),
    ],
)
def test_what_is_not_there_is_refused(change, words):
    with pytest.raises(BadInputError, match=words):
        build(**change)
