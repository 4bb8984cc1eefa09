"""Which parameters are weights, whatever their shapes."""

import math

import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.initial_weights import draw_glorot_weights
from neurospect.models.weights import weights_of
from neurospect.training.loop import Examples, TrainingPlan
from neurospect.training.robust import train_regularised
from neurospect.training.weight_penalty import sum_of_squared_weights


class Scaled(nn.Module):
    """Channels that each have a factor and, at every place, a bias."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, 4, 1, 1), 2.0))
        self.bias = nn.Parameter(torch.full((4, 5, 5), 3.0))

    def forward(self, maps):
        return self.scale * maps + self.bias


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        Scaled(),
        nn.LayerNorm((4, 5, 5)),
        nn.Flatten(),
        nn.Linear(100, 1),
        nn.Linear(1, 3),
    )


def names(model):
    layers = {id(module): name for name, module in model.named_modules()}
    return [f"{layers[id(module)]}.{name}" for module, name, _ in weights_of(model)]


def test_factors_and_biases_of_any_shape_are_no_weights_and_single_outputs_have_one():
    assert names(network()) == ["0.weight", "4.weight", "5.weight"]


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_weights_on_one_feature_are_weights(layer):
    found = names(nn.Sequential(layer(1, 6, bidirectional=True)))
    assert sorted(found) == [
        f"0.weight_{of}_l0{way}" for of in ("hh", "ih") for way in ("", "_reverse")
    ]


def test_attention_has_its_projections_for_weights():
    attention = nn.MultiheadAttention(6, 2, add_bias_kv=True)
    assert names(nn.Sequential(attention)) == ["0.in_proj_weight", "0.out_proj.weight"]


def test_the_penalty_is_on_weights_alone():
    model = network()
    expected = sum(model[place].weight.detach().square().sum().item() for place in (0, 4, 5))
    penalty = sum_of_squared_weights(model)
    assert penalty.item() == pytest.approx(expected, rel=1e-6)
    penalty.backward()
    assert model[1].scale.grad is None and model[2].weight.grad is None


def test_glorots_weights_leave_factors_and_set_every_bias_to_zero():
    model = network()
    draw_glorot_weights(model, seed=0)
    assert (model[1].scale == 2).all() and (model[2].weight == 1).all()
    assert not model[1].bias.any() and not model[4].bias.any()
    assert 0 < model[4].weight.detach().abs().max() <= math.sqrt(6 / 101)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("form", ["weight_norm", "spectral_norm"])
def test_weights_made_by_hooks_are_refused_before_any_work(form):
    model = nn.Sequential(nn.Linear(4, 5), getattr(nn.utils, form)(nn.Linear(5, 3)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    words = (
        rf"layer 1: found its weight made by a hook, .*Use torch.nn.utils.parametrizations.{form}"
    )
    examples = Examples(torch.ones(6, 4), torch.arange(6) % 3)
    plan = TrainingPlan("classification", epochs=2, learning_rate=0.1)
    with pytest.raises(BadInputError, match=words):
        train_regularised(model, examples, plan, weight_penalty=0.1)
    with pytest.raises(BadInputError, match=words):
        sum_of_squared_weights(model)
    with pytest.raises(BadInputError, match=words):
        draw_glorot_weights(model, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("form", ["weight_norm", "spectral_norm"])
def test_a_weight_made_by_a_parametrization_counts_itself(form):
    model = getattr(nn.utils.parametrizations, form)(nn.Linear(5, 3)).eval()
    expected = model.weight.detach().square().sum().item()
    assert sum_of_squared_weights(model).item() == pytest.approx(expected, rel=1e-6)
