import math

import pytest
import torch

from neurospect.models.initial_weights import draw_glorot_weights
from neurospect.models.registry import build_model


def built(family, shape, **architecture):
    return build_model(
        family, task="classification", input_shape=shape, classes=3, seed=0, **architecture
    )


def test_weights_lie_within_glorots_bound_and_fill_it():
    model = built("mlp", (40,), widths=[60])
    draw_glorot_weights(model, seed=1)
    weight = dict(model.named_parameters())["0.weight"]
    bound = math.sqrt(6 / (40 + 60))
    assert 0.95 * bound < float(weight.detach().abs().max()) <= bound
    assert not dict(model.named_parameters())["0.bias"].any()


def test_the_seed_alone_decides_and_the_global_state_stays():
    before = torch.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        model = built("mlp", (5,))
        draw_glorot_weights(model, seed)
        drawn.append(next(model.parameters()).detach().clone())
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_of_normalised_weights_the_weight_itself_is_drawn():
    shape, architecture = (6, 6, 6), {"widths": [4], "stride": 1}
    plain = built("cnn3d", shape, **architecture)
    normalised = built("cnn3d", shape, **architecture, weight_normalisation=True)
    for model in (plain, normalised):
        draw_glorot_weights(model, seed=3)
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(inputs), normalised(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "lstm"])
def test_scales_of_layer_norms_stay_and_models_still_compute(family):
    model = built(family, (7, 4))
    scales = [p.detach().clone() for n, p in model.named_parameters() if "norm" in n.lower()]
    draw_glorot_weights(model, seed=0)
    kept = [p for n, p in model.named_parameters() if "norm" in n.lower()]
    for old, new in zip(scales, kept, strict=True):
        assert torch.equal(old, new) or not new.any()
    assert torch.isfinite(model(torch.ones(2, 7, 4))).all()
