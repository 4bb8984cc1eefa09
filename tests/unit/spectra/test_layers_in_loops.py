"""Layers are recorded whatever a loop does with their outputs, and with their weights."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.spectra import GradientSpectra

GROUPS = [0, 1] * 4


def numbers(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def add_in_place(outputs):
    outputs += 1
    return outputs


def use_before_and_after(outputs):
    before = outputs * 3
    outputs.mul_(numbers(*outputs.shape))
    return before + outputs


class Changed(nn.Module):
    """A layer whose output is changed in place before it is used."""

    def __init__(self, layer, change):
        super().__init__()
        self.layer, self.change = layer.double(), change
        self.head = nn.Linear(6, 3).double()

    def forward(self, values):
        if isinstance(self.layer, nn.MultiheadAttention):
            outputs = self.layer(values, values, values)[0]
        elif isinstance(self.layer, nn.LSTM):
            outputs = self.layer(values)[0]
        else:
            outputs = self.layer(values)
        return self.head(self.change(outputs).sin())


LAYERS = {
    "linear": (lambda: nn.Linear(6, 6), True),
    "attention": (lambda: nn.MultiheadAttention(6, 2, batch_first=True), True),
    "attention, time first": (lambda: nn.MultiheadAttention(6, 2), False),
    "lstm": (lambda: nn.LSTM(6, 6, batch_first=True), True),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("change", [torch.relu_, add_in_place, use_before_and_after])
def test_an_output_changed_in_place_does_not_change_what_is_recorded(name, change):
    build, batch_first = LAYERS[name]
    torch.manual_seed(0)
    model, inputs = Changed(build(), change), numbers(8, 5, 6)
    inputs = inputs if batch_first else inputs.transpose(0, 1).contiguous()
    with GradientSpectra(model, GROUPS, batch_first=batch_first) as spectra:
        model(inputs).square().mean().backward()
    nodes = spectra.to_datatree()
    gradient = model.layer.get_parameter(
        {"linear": "weight", "lstm": "weight_hh_l0"}.get(name, "out_proj.weight")
    ).grad
    node = {"linear": "weight", "lstm": "weight_hh_l0[forget]"}.get(name, "out_proj.weight")
    expected = np.linalg.svd(gradient[6:12] if name == "lstm" else gradient, compute_uv=False)
    found = nodes[f"layer.{node}"]["gradient"].sel(step=0, group="all")
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)


def test_a_weight_used_twice_once_in_place_is_summed_over_both_uses():
    torch.manual_seed(0)
    layer, inputs = nn.Linear(6, 6).double(), numbers(8, 5, 6)
    with GradientSpectra(layer, GROUPS) as spectra:
        layer(layer(inputs).relu_()).square().mean().backward()
    found = spectra.to_datatree()["weight"]["gradient"].sel(step=0, group="all")
    np.testing.assert_allclose(found, np.linalg.svd(layer.weight.grad, compute_uv=False), rtol=1e-8)


def two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def largest(spectra, name, quantity="gradient"):
    return spectra.to_datatree()[name][quantity].sel(group="all", rank=1).values


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("frozen", [0, 2])
def test_a_weight_frozen_meanwhile_is_missing_until_it_trains_again(by_group, frozen):
    model, inputs = two_layers(), numbers(8, 6)
    weight = model[frozen].weight
    norms = []
    with GradientSpectra(model, GROUPS) as spectra:
        for trains in (True, False, True):
            weight.requires_grad_(trains)
            model.zero_grad()

            def loss_of(rows):
                return model(inputs[rows]).square().mean()

            if by_group:
                spectra.backward(loss_of)
            else:
                loss_of(slice(None)).backward()
            norms.append(np.nan if weight.grad is None else np.linalg.norm(weight.grad, 2))
    for quantity in ("gradient", "activation", "adjoint"):
        found = largest(spectra, f"{frozen}.weight", quantity)
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])
    np.testing.assert_allclose(largest(spectra, f"{frozen}.weight"), norms)
    assert np.isfinite(largest(spectra, f"{2 - frozen}.weight")).all()


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear(6, 5), (6,)), (nn.Conv1d(6, 5, 3), (6, 9))], ids=["row", "1-D"]
)
def test_a_single_sample_without_a_batch_is_recorded(layer, shape):
    layer = layer.double()
    with GradientSpectra(layer) as spectra:
        layer(numbers(*shape)).square().sum().backward()
    tree = spectra.to_datatree()
    expected = np.linalg.svd(layer.weight.grad.flatten(1), compute_uv=False)
    found = tree["weight"]["gradient"].sel(step=0, group="all")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * expected[0])
    assert tree["weight"].attrs["group_sizes"] == [1]
