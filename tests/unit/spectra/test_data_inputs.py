"""The spectrum of data is computed once, and anew as soon as the data are others."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.spectra import GradientSpectra, step_record

LABELS = np.repeat([0, 1], [12, 8])


@pytest.fixture
def decompositions(monkeypatch):
    """Weights whose activations were decomposed, one entry each time."""
    counted, compute = [], step_record.activation_spectra

    def counting(uses, *, whole):
        counted.append(uses.by_group()[0][0].activation.shape[-1])
        return compute(uses, whole=whole)

    monkeypatch.setattr(step_record, "activation_spectra", counting)
    return counted


def train(change=lambda inputs, step: inputs, *, by_group, labels=LABELS, steps=3):
    torch.manual_seed(0)
    inputs = torch.randn(20, 6, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 6)).double()
    seen = []
    with GradientSpectra(model, labels) as spectra:
        for step in range(steps):
            inputs = change(inputs, step)
            seen.append(inputs.numpy().copy())

            def loss_of(rows, inputs=inputs):
                return (model(inputs[rows]) - inputs[rows]).square().mean()

            if by_group:
                spectra.backward(loss_of)
            else:
                loss_of(slice(None)).backward()
    return spectra.to_datatree()["0.weight"]["activation"], seen


@pytest.mark.parametrize("by_group", [True, False])
def test_data_that_stay_are_decomposed_once(decompositions, by_group):
    activation, _ = train(by_group=by_group)
    assert decompositions.count(6) == 1
    assert decompositions.count(4) == 3
    assert (activation == activation[0]).all()


@pytest.mark.parametrize("by_group", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda inputs, step: inputs.mul_(1 + step),
        lambda inputs, step: inputs * (1 + step),
        lambda inputs, step: inputs.roll(step, 0),
    ],
    ids=["in place", "another tensor", "other rows"],
)
def test_changed_data_are_decomposed_anew(change, by_group):
    activation, seen = train(change, by_group=by_group)
    for step, inputs in enumerate(seen):
        for group in (0, 1):
            expected = np.linalg.svd(inputs[group == LABELS], compute_uv=False)[:4]
            found = activation.sel(step=step, group=str(group)).values
            np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_data_picked_out_of_the_batch_are_known_again(decompositions):
    """Mixed groups are picked out of the batch anew at each step."""
    mixed = np.arange(20) % 2
    activation, seen = train(by_group=True, labels=mixed)
    assert decompositions.count(6) == 1
    expected = np.linalg.svd(seen[0][mixed == 1], compute_uv=False)[:4]
    np.testing.assert_allclose(activation.sel(step=2, group="1").values, expected, rtol=1e-10)


@pytest.mark.parametrize("labels", [LABELS, np.arange(20) % 2], ids=["sorted", "mixed"])
@pytest.mark.parametrize("way", ["in pass", "by group", "accumulated"])
def test_memory_that_is_filled_anew_holds_other_data(way, labels):
    """Neither the address nor the version counter of a tensor tells."""
    memory = np.zeros((20, 6))
    torch.manual_seed(0)
    model = nn.Linear(6, 4).double()
    seen, norms = [], []
    with GradientSpectra(model, labels) as spectra:
        for step in range(3):
            model.zero_grad()
            draws = np.random.default_rng(step).normal(size=(20, 6))

            def loss_of(rows, draws=draws):
                picked = draws[rows]
                memory[: len(picked)] = picked
                return model(torch.from_numpy(memory[: len(picked)])).square().mean()

            if way == "by group":
                spectra.backward(loss_of)
            elif way == "in pass":
                loss_of(slice(None)).backward()
            else:
                with spectra.one_step():
                    for half in (np.arange(20) % 4 < 2, np.arange(20) % 4 > 1):
                        spectra.groups = labels[half]
                        (loss_of(half) / 2).backward()
            seen.append(draws)
            norms.append(np.linalg.norm(model.weight.grad, 2))
    node = spectra.to_datatree()["weight"]
    np.testing.assert_allclose(node["gradient"].sel(group="all", rank=1), norms)
    for step, draws in enumerate(seen):
        expected = np.linalg.svd(draws, compute_uv=False)[:4]
        np.testing.assert_allclose(node["activation"].sel(step=step, group="all"), expected)
