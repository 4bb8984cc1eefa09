"""Weights that are wider than the batch has rows, group by group: their rows are decomposed."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.spectra import GradientSpectra, step_record

LABELS = np.repeat([0, 1, 2], [3, 4, 2])


def wide_network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 30)).to(dtype)


def batch(*tokens, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(LABELS), *tokens, 30, generator=generator, dtype=dtype)


def recorded(model, inputs, extra=lambda: 0.0, **options):
    def loss_of(rows):
        return (model(inputs[rows]) - inputs[rows]).square().mean() + extra()

    with GradientSpectra(model, LABELS, quantities=["gradient"], **options) as spectra:
        spectra.backward(loss_of)
    return spectra.to_datatree(), loss_of


def group_spectra(model, loss_of, weight):
    """Of the batch and of each group, by plain autograd."""
    shares = [(label == LABELS).mean() for label in (0, 1, 2)]
    gradients = [
        share * torch.autograd.grad(loss_of(label == LABELS), weight)[0]
        for label, share in zip((0, 1, 2), shares, strict=True)
    ]
    return [torch.linalg.svdvals(g).numpy() for g in (sum(gradients), *gradients)]


@pytest.fixture
def decomposed_rows(monkeypatch):
    counted, compute = [], step_record.gradient_spectra

    def counting(uses, *, whole):
        counted.append(uses)
        return compute(uses, whole=whole)

    monkeypatch.setattr(step_record, "gradient_spectra", counting)
    return counted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectra_are_those_of_the_group_gradients(decomposed_rows, dtype):
    model, inputs = wide_network(dtype), batch(dtype=dtype)
    tree, loss_of = recorded(model, inputs)
    for name, weight in (("0.weight", model[0].weight), ("2.weight", model[2].weight)):
        expected = group_spectra(model, loss_of, weight)
        tolerance = 1e-10 if dtype == torch.float64 else 1e-6
        np.testing.assert_allclose(
            tree[name]["gradient"].values[0], expected, atol=tolerance * expected[0][0]
        )
    assert len(decomposed_rows) == 2


def test_as_many_rows_as_inputs_are_not_decomposed(decomposed_rows):
    model, inputs = wide_network(), batch(3)  # three tokens each: 27 rows
    tree, loss_of = recorded(model, inputs)
    expected = group_spectra(model, loss_of, model[0].weight)
    np.testing.assert_allclose(tree["0.weight"]["gradient"].values[0], expected, atol=1e-12)
    assert not decomposed_rows


def test_a_penalty_outside_the_layer_is_in_the_spectra():
    model, inputs = wide_network(), batch()
    tree, loss_of = recorded(model, inputs, extra=lambda: 0.1 * model[0].weight.square().sum())
    expected = group_spectra(model, loss_of, model[0].weight)
    np.testing.assert_allclose(tree["0.weight"]["gradient"].values[0], expected, atol=1e-10)


def test_accumulated_batches_add_up():
    model, inputs = wide_network(), batch()
    tree, _ = recorded(model, inputs)
    model.zero_grad()
    halves = [np.arange(start, len(LABELS), 2) for start in (0, 1)]
    with (
        GradientSpectra(model, LABELS, quantities=["gradient"], smallest_group=1) as spectra,
        spectra.one_step(),
    ):
        for half in halves:
            spectra.groups = LABELS[half]
            part = inputs[half]

            def loss_of_half(rows, part=part):
                error = (model(part[rows]) - part[rows]).square().mean()
                return error * (len(part) / len(inputs))

            spectra.backward(loss_of_half)
    found = spectra.to_datatree()
    for name in ("0.weight", "2.weight"):
        np.testing.assert_allclose(found[name]["gradient"], tree[name]["gradient"], atol=1e-12)


def test_a_weight_used_twice_has_the_rows_of_both_uses():
    torch.manual_seed(0)
    layer = nn.Linear(30, 30).double()
    inputs = batch()

    def loss_of(rows):
        return (layer(torch.tanh(layer(inputs[rows]))) - inputs[rows]).square().mean()

    with GradientSpectra(layer, LABELS, quantities=["gradient"]) as spectra:
        spectra.backward(loss_of)
    expected = group_spectra(layer, loss_of, layer.weight)
    np.testing.assert_allclose(
        spectra.to_datatree()["weight"]["gradient"].values[0], expected, atol=1e-12
    )
