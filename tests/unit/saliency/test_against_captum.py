"""Every method against captum, which differentiates the softmax of one class at a time."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import nn

from neurospect.models.registry import build_model
from neurospect.saliency import saliency_maps

# captum says so for every input without one.
pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
CLASSES = 3
FAMILIES = {
    "mlp": ((6, 5), {"widths": [7]}),
    "cnn3d": (
        (8, 9, 8),
        {"widths": [3, 4], "stride": 1, "pooling": 2, "weight_normalisation": True},
    ),
    "lstm": ((7, 4), {}),
}


@pytest.fixture(params=FAMILIES)
def case(request):
    """A classifier, the same with a softmax behind it, and examples; in double precision."""
    shape, architecture = FAMILIES[request.param]
    model = build_model(
        request.param,
        task="classification",
        input_shape=shape,
        classes=CLASSES,
        seed=1,
        **architecture,
    )
    inputs = torch.randn(4, *shape, generator=torch.Generator().manual_seed(2)).double()
    model = model.double().eval()
    return model, nn.Sequential(model, nn.Softmax(1)), inputs


def of_every_class(attribute):
    return torch.stack([attribute(target=k) for k in range(CLASSES)], dim=1).detach()


def alike(found, expected):
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def test_the_gradient_is_captums_with_its_sign(case):
    model, probabilities, inputs = case
    captum = Saliency(probabilities)
    signed = of_every_class(lambda target: captum.attribute(inputs, target, abs=False))
    found = saliency_maps(model, inputs)
    alike(found, signed)
    alike(found.abs(), of_every_class(lambda target: captum.attribute(inputs, target)))


def test_gradient_x_input_is_captums(case):
    model, probabilities, inputs = case
    captum = InputXGradient(probabilities)
    expected = of_every_class(lambda target: captum.attribute(inputs, target))
    alike(saliency_maps(model, inputs, "gradient_x_input"), expected)


def test_integrated_gradients_are_captums_by_the_same_quadrature(case, monkeypatch):
    model, probabilities, inputs = case
    points, weights = np.polynomial.legendre.leggauss(15)
    # captum rounds the weights to single precision, whatever the inputs are.
    rounded = points, weights.astype(np.float32).astype(np.float64)
    monkeypatch.setattr(np.polynomial.legendre, "leggauss", lambda steps: rounded)
    baseline = torch.full_like(inputs[:1], 0.2)
    captum = IntegratedGradients(probabilities)
    expected = of_every_class(
        lambda target: captum.attribute(
            inputs, baseline, target, n_steps=15, method="gausslegendre"
        )
    )
    found = saliency_maps(model, inputs, "integrated_gradients", steps=15, baseline=baseline[0])
    alike(found, expected)


def test_smoothgrad_is_captums_under_the_very_same_noise(case, monkeypatch):
    model, probabilities, inputs = case
    samples, seen = 6, []
    hook = model.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    captum = NoiseTunnel(Saliency(probabilities))

    def attribute(target):
        torch.manual_seed(5)
        return captum.attribute(inputs, nt_samples=samples, stdevs=0.4, target=target, abs=False)

    expected = of_every_class(attribute)
    hook.remove()
    drawn = [points.unflatten(0, (len(inputs), samples)) - inputs[:, None] for points in seen]
    assert len(drawn) == CLASSES
    assert all(torch.equal(each, drawn[0]) for each in drawn)
    assert float(drawn[0].std()) == pytest.approx(0.4, rel=0.1)
    monkeypatch.setattr(
        "neurospect.saliency.maps.smoothing_noise", lambda *_, **__: iter(drawn[0].unbind(1))
    )
    alike(saliency_maps(model, inputs, "smoothgrad", samples=samples), expected)
