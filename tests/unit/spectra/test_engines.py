"""Which of the two ways to record a backward pass takes, and that both tell the same."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra
from neurospect.spectra.recorder import BY_GROUP, IN_PASS


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(6, 4, batch_first=True)
        self.readout = nn.Linear(4, 6)

    def forward(self, inputs):
        return self.readout(self.cell(inputs[:, None])[0])[:, 0]


def linear(*between):
    return nn.Sequential(nn.Linear(6, 5), *between, nn.ReLU(), nn.Linear(5, 6))


def recorded(model, samples, engine="auto"):
    torch.manual_seed(0)
    inputs = torch.randn(samples, 6)
    labels = np.sort(np.arange(samples) % 2)
    with GradientSpectra(model, labels, engine=engine) as spectra:
        spectra.backward(lambda rows: (model(inputs[rows]) - inputs[rows]).square().mean())
    return spectra.to_datatree()


@pytest.mark.parametrize(
    ("model", "samples", "engine"),
    [
        (linear(), 20, IN_PASS),
        (linear(), 64, BY_GROUP),
        (Recurrent(), 20, BY_GROUP),
        (linear(nn.BatchNorm1d(5)), 64, IN_PASS),
        (linear(nn.Dropout(0.5)), 64, IN_PASS),
        (linear(nn.Dropout(0.5)).eval(), 64, BY_GROUP),
    ],
    ids=["few samples", "many", "recurrent", "batch norm", "dropout", "dropout at rest"],
)
def test_auto_takes_the_way_that_is_possible_and_costs_less_and_names_it(model, samples, engine):
    assert recorded(model, samples).attrs["engine"] == engine


@pytest.mark.parametrize("samples", [20, 64])
def test_both_ways_give_the_same_spectra(samples):
    torch.manual_seed(0)
    model = linear().double()
    torch.set_default_dtype(torch.float64)
    try:
        one, other = (recorded(model, samples, engine) for engine in ("by_group", "in_pass"))
    finally:
        torch.set_default_dtype(torch.float32)
    assert (one.attrs["engine"], other.attrs["engine"]) == (BY_GROUP, IN_PASS)
    for name in ("0.weight", "2.weight"):
        for quantity in ("gradient", "activation", "adjoint"):
            expected, found = one[name][quantity].values, other[name][quantity].values
            np.testing.assert_allclose(found, expected, atol=1e-12 * np.nanmax(expected))


def test_in_the_pass_the_gradients_are_bit_for_bit_those_of_the_unmonitored_step():
    torch.manual_seed(0)
    model, inputs = linear(), torch.randn(20, 6)

    def loss_of(rows):
        return (model(inputs[rows]) - inputs[rows]).square().mean()

    loss_of(slice(None)).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with GradientSpectra(model, np.repeat([0, 1], 10), engine="in_pass") as spectra:
        spectra.backward(loss_of)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_an_unknown_engine_is_refused():
    with pytest.raises(BadInputError, match=r"engine.*'fast'.*auto, by_group, in_pass"):
        GradientSpectra(linear(), [0, 0, 1, 1], engine="fast")
