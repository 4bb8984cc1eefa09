"""Maps of models that learned nothing differ from those of models that did."""

import copy
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency.linear_maps import linear_weights
from neurospect.saliency.maps import METHODS, register_map_method
from neurospect.saliency.sanity_checks import (
    RANDOMISED_COLUMNS,
    layers_in_order,
    map_similarity,
    randomise_labels,
    randomise_parameters,
)
from neurospect.training.loop import Examples, TrainingPlan, train


def synthetic(per_class=150, seed=0):
    cohort = make_synthetic_tasks(per_class, 0.5, seed)
    return Examples(
        torch.from_numpy(cohort.array), torch.from_numpy(np.repeat(np.arange(3), per_class))
    )


def network(seed=0):
    return build_model(
        "mlp", task="classification", input_shape=(32, 32), classes=3, seed=seed, widths=[20, 10]
    )


@pytest.fixture(scope="module")
def trained():
    model = network()
    train(model, synthetic(), TrainingPlan("classification", 60, 3e-3))
    return model


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_maps_of_a_trained_model_are_lost_with_its_parameters(trained, mode):
    table = randomise_parameters(trained, synthetic(20, seed=1).inputs, mode=mode)
    assert list(table.columns) == list(RANDOMISED_COLUMNS)
    assert table["layer"].tolist() == ["4", "2", "0"]
    assert table["correlation"].abs().max() < 0.6
    assert abs(table["correlation"].iloc[-1]) < 0.1
    assert (table["undefined"] == 0).all()


def test_a_method_that_shows_the_input_alone_is_found_out(trained):
    @register_map_method("input_alone")
    def input_alone(gradients, inputs, places):
        return inputs[:, None].expand(-1, 3, -1, -1)

    try:
        table = randomise_parameters(trained, synthetic(5, seed=1).inputs, method="input_alone")
    finally:
        del METHODS["input_alone"]
    np.testing.assert_allclose(table["correlation"], 1)
    np.testing.assert_allclose(table["rank_correlation_of_size"], 1)


def test_cascading_goes_on_from_the_layers_before_and_independent_starts_anew(trained):
    inputs = synthetic(5, seed=1).inputs
    cascading = randomise_parameters(trained, inputs, mode="cascading", shuffling_seed=3)
    independent = randomise_parameters(trained, inputs, mode="independent", shuffling_seed=3)
    assert cascading["correlation"][0] == independent["correlation"][0]
    assert (cascading["correlation"][1:] != independent["correlation"][1:]).all()


def test_the_model_is_left_as_it_was(trained):
    before = copy.deepcopy(trained.state_dict())
    randomise_parameters(trained, synthetic(2, seed=1).inputs)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_equal_seeds_give_equal_tables(trained):
    inputs = synthetic(4, seed=1).inputs
    tables = [randomise_parameters(trained, inputs, shuffling_seed=seed) for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_maps_follow_the_labels_that_were_learned():
    plan = TrainingPlan("classification", 60, 3e-3)
    found = randomise_labels(network(), synthetic(60), plan, synthetic(10, seed=1).inputs)
    assert found["training_accuracy"] > 0.95
    assert found["training_accuracy_shuffled"] > 0.95
    assert abs(found["correlation"]) < 0.3


def test_labels_that_stay_the_same_leave_the_maps_alike():
    """Shuffling the labels of one class alone changes none."""
    examples = synthetic(20)
    same = Examples(examples.inputs, torch.zeros_like(examples.classes))
    found = randomise_labels(
        network(), same, TrainingPlan("classification", 5, 1e-3), examples.inputs[:4]
    )
    assert found["correlation"] == pytest.approx(1)


def test_similarity_is_the_mean_of_scipys_correlations_and_counts_constant_maps():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 2, 4, 5))
    a[1, 0] = 0
    found = map_similarity(torch.from_numpy(a), torch.from_numpy(b))
    pairs = [(a[i, k].ravel(), b[i, k].ravel()) for i in range(3) for k in range(2)]
    pairs.pop(2)
    assert found["undefined"] == 1
    assert found["correlation"] == pytest.approx(
        np.mean([stats.pearsonr(x, y).statistic for x, y in pairs])
    )
    assert found["rank_correlation_of_size"] == pytest.approx(
        np.mean([stats.spearmanr(np.abs(x), np.abs(y)).statistic for x, y in pairs])
    )


class SaidBackwards(nn.Module):
    """Declares its layers in the order opposite to that in which it calls them."""

    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(4, 3), nn.Linear(5, 4)

    def forward(self, inputs):
        return self.last(self.first(inputs).relu())


def test_layers_are_ordered_as_inputs_pass_them_not_as_they_are_declared():
    assert layers_in_order(SaidBackwards(), torch.zeros(1, 5)) == ["first", "last"]


def parametrised(module):
    return module.parametrizations.parameters() if hasattr(module, "parametrizations") else []


def test_a_layer_that_shuffling_cannot_change_is_no_evidence():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3))
    table = randomise_parameters(model, torch.randn(4, 6), mode="independent")
    assert table["layer"].tolist() == ["3", "0"]
    with torch.no_grad():
        model[1].weight.copy_(torch.arange(5.0))
    table = randomise_parameters(model, torch.randn(4, 6), mode="independent")
    assert table["layer"].tolist() == ["3", "1", "0"]
    assert (table["correlation"] < 0.999).all()


@pytest.mark.parametrize(
    ("family", "shape", "more"),
    [
        ("cnn3d", (6, 6, 6), {"weight_normalisation": True}),
        ("bert", (5, 3), {}),
        ("gru", (5, 3), {}),
    ],
)
def test_every_parameter_of_every_family_is_reached(family, shape, more):
    model = build_model(family, task="classification", input_shape=shape, classes=3, seed=0, **more)
    names = layers_in_order(model.eval(), torch.zeros(1, *shape))
    reached = sum(
        parameter.numel()
        for name in names
        for parameter in model.get_submodule(name).parameters(recurse=False)
    )
    made_from = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if "parametrizations" in name
    )
    assert reached + made_from == sum(p.numel() for p in model.parameters())
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    table = randomise_parameters(model, inputs)
    varied = [
        name
        for name in names[::-1]
        if any(
            p.unique().numel() > 1
            for own in [model.get_submodule(name)]
            for p in [*own.parameters(recurse=False), *parametrised(own)]
        )
    ]
    assert table["layer"].tolist() == varied
    assert (table["correlation"] < 0.999).all()


def test_looking_at_a_model_in_training_leaves_it_as_it_was():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3)).train()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    assert layers_in_order(model, torch.randn(1, 6, generator=torch.Generator())) == ["0", "2"]
    assert linear_weights(model, (6,)).shape == (3, 6)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in model.modules())


def test_an_unknown_mode_is_refused():
    with pytest.raises(BadInputError, match="mode: found 'all', expected one of cascading"):
        randomise_parameters(network(), synthetic(2).inputs, mode="all")


@pytest.mark.parametrize("seed", [1.5, "0", None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    plan = TrainingPlan("classification", 1, 1e-3)
    with pytest.raises(BadInputError, match=r"seed: found .*, expected a whole number"):
        randomise_parameters(network(), synthetic(2).inputs, shuffling_seed=seed)
    with pytest.raises(BadInputError, match=r"seed: found .*, expected a whole number"):
        randomise_labels(network(), synthetic(2), plan, synthetic(2).inputs, shuffling_seed=seed)


class Remembering(nn.Module):
    """Keeps what passed it: the last, or all."""

    def __init__(self, keep):
        super().__init__()
        self.layer, self.last, self.kept, self.keep = nn.Linear(6, 3), None, [], keep

    def forward(self, inputs):
        self.last = self.layer(inputs).tanh()
        if self.keep:
            self.kept.append(self.last)
        return self.last


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_a_model_that_keeps_its_last_activation_is_checked_like_any_other(mode):
    torch.manual_seed(0)
    model, inputs = Remembering(keep=False), torch.randn(4, 6)
    plain = nn.Sequential(copy.deepcopy(model.layer), nn.Tanh())
    model(inputs)
    assert model.last.requires_grad
    found = randomise_parameters(model, inputs, mode=mode)
    expected = randomise_parameters(plain, inputs, mode=mode)
    assert found["layer"].tolist() == ["layer"]
    assert found["correlation"].tolist() == expected["correlation"].tolist()


def test_a_model_that_cannot_be_copied_is_refused_in_words():
    model, inputs = Remembering(keep=True), torch.randn(4, 6)
    plan = TrainingPlan("classification", 1, 1e-3)
    model(inputs)
    words = "model: copy: found RuntimeError .*keep them detached"
    with pytest.raises(BadInputError, match=words):
        randomise_parameters(model, inputs)
    with pytest.raises(BadInputError, match=words):
        randomise_labels(model, Examples(inputs, torch.arange(4) % 3), plan, inputs)


def tied(share):
    """Two layers of equal weights, which are or are not the same parameter."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 3))
    weight = model[0].weight
    model[2].weight = weight if share else nn.Parameter(weight.detach().clone())
    return model


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_layers_that_share_a_parameter_are_shuffled_one_at_a_time_and_named(mode, caplog):
    inputs = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    model = tied(share=True)
    with caplog.at_level(logging.WARNING):
        found = randomise_parameters(model, inputs, mode=mode)
    assert "layers 0 and 2 share the parameter weight: each is shuffled alone" in caplog.text
    assert model[0].weight is model[2].weight
    pd.testing.assert_frame_equal(found, randomise_parameters(tied(False), inputs, mode=mode))


def test_order_is_found_without_writing_to_the_inputs():
    inputs = -torch.ones(2, 5)
    layers_in_order(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 3)), inputs)
    assert (inputs == -1).all()


def test_maps_that_are_not_finite_are_not_called_constant(caplog):
    a, b = torch.rand(2, 3, 2, 4).unbind()
    a[0, 0], b[1, 1, 2], b[2, 0, 0] = 0, torch.nan, torch.inf
    with caplog.at_level(logging.WARNING):
        found = map_similarity(a, b)
    assert found["undefined"] == 3
    assert "2 of 6 maps are NaN or infinite in either model" in caplog.text


@pytest.mark.parametrize("change", [torch.Tensor.bfloat16, torch.Tensor.requires_grad_])
def test_maps_of_any_precision_are_compared_with_a_gradient_and_without(change):
    a, b = torch.rand(2, 3, 2, 8).bfloat16().float().unbind()
    assert map_similarity(change(a), change(b)) == map_similarity(a.detach(), b.detach())


def test_maps_of_other_shapes_are_not_compared():
    with pytest.raises(BadInputError, match=r"maps: found shapes \(3, 2, 8\) and \(3, 1, 8\)"):
        map_similarity(torch.rand(3, 2, 8), torch.rand(3, 1, 8))
