import numpy as np
import pytest
import torch
from torch import nn

from neurospect.models.recurrent import ElmanLayer, recurrent

FUNCTIONS = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}


def sequences(samples=5, steps=7, features=4):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, steps, features, dtype=torch.float64, generator=generator)


def states_by_hand(layer, inputs, function):
    """The recurrence written out, one sample and one step at a time."""
    w = layer.input_to_hidden.weight.detach().numpy()
    b = layer.input_to_hidden.bias.detach().numpy()
    u = layer.hidden_to_hidden.weight.detach().numpy()
    states = np.zeros((*inputs.shape[:2], len(w)))
    for sample, sequence in enumerate(inputs.numpy()):
        state = np.zeros(len(w))
        for step, x in enumerate(sequence):
            state = states[sample, step] = function(w @ x + b + u @ state)
    return states


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_an_elman_layer_follows_its_recurrence(activation):
    layer, inputs = ElmanLayer(4, 6, activation).double(), sequences()
    expected = states_by_hand(layer, inputs, FUNCTIONS[activation])
    np.testing.assert_allclose(layer(inputs).detach(), expected, rtol=1e-12, atol=1e-14)


def test_an_elman_layer_has_the_gradients_of_pytorchs():
    layer, inputs = ElmanLayer(4, 6, "tanh").double(), sequences()
    reference = nn.RNN(4, 6, batch_first=True).double()
    pairs = {
        "weight_ih_l0": layer.input_to_hidden.weight,
        "bias_ih_l0": layer.input_to_hidden.bias,
        "weight_hh_l0": layer.hidden_to_hidden.weight,
    }
    with torch.no_grad():
        reference.bias_hh_l0.zero_()
        for name, parameter in pairs.items():
            getattr(reference, name).copy_(parameter)
    layer(inputs).square().sum().backward()
    reference(inputs)[0].square().sum().backward()
    for name, parameter in pairs.items():
        torch.testing.assert_close(parameter.grad, getattr(reference, name).grad)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_both_directions_see_later_steps(cell, bidirectional):
    model = recurrent(
        cell, "autoencoding", (7, 4), 3, widths=[6], activation="tanh", bidirectional=bidirectional
    ).double()
    inputs = sequences()
    changed = inputs.clone()
    changed[:, 5] += 1
    moved = (model(changed) - model(inputs)).abs().amax((0, 2)) > 1e-12
    assert moved.tolist() == [bidirectional] * 5 + [True, True]


def test_both_directions_of_elman_are_one_layer_and_its_mirror():
    model = recurrent(
        "elman", "autoencoding", (7, 4), 3, widths=[6], activation="sigmoid", bidirectional=True
    ).double()
    inputs, layer = sequences(), model.layers[0]
    sigmoid = FUNCTIONS["sigmoid"]
    along = states_by_hand(layer.along, inputs, sigmoid)
    against = states_by_hand(layer.against, inputs.flip(1), sigmoid)[:, ::-1]
    np.testing.assert_allclose(
        layer(inputs).detach(), np.concatenate([along, against], -1), rtol=1e-12
    )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_gated_layer_is_pytorchs_with_an_activation_behind(kind):
    model = recurrent(
        kind.__name__.lower(), "autoencoding", (7, 4), 3, widths=[6, 5], activation="relu"
    ).double()
    inputs = sequences()
    first, second = (layer.cell for layer in model.layers)
    assert (type(first), first.hidden_size, second.hidden_size) == (kind, 6, 5)
    states = torch.relu(second(torch.relu(first(inputs)[0]))[0])
    torch.testing.assert_close(model(inputs), model.readout(states))


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_a_classifier_reads_the_mean_of_the_states_over_time(cell):
    model = recurrent(cell, "classification", (7, 4), 3, widths=[6], activation="tanh").double()
    inputs = sequences()
    by_step = torch.stack([model.readout(model.layers(inputs)[:, t]) for t in range(7)])
    torch.testing.assert_close(model(inputs), by_step.mean(0))
