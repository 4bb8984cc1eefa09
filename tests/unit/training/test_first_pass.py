"""Models that overwrite what they are given, or return something else, are refused in words."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.saliency.decoders import logits_of
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.input_noise import adversarial_noise
from neurospect.training.loop import Examples, TrainingPlan, evaluate, train
from neurospect.training.robust import train_pgd, train_random_noise, train_regularised

PLAN = TrainingPlan("classification", epochs=2, learning_rate=0.02, batch_size=8)
FULL = TrainingPlan("classification", epochs=2, learning_rate=0.02)
WAYS = {
    "plain": train,
    "penalised": partial(train_regularised, weight_penalty=0.1),
    "random noise": partial(train_random_noise, epsilon=0.5),
    "pgd": partial(train_pgd, epsilon=0.5),
    "algorithm 1": partial(train_algorithm1, epsilon=0.5),
    "algorithm 1 in one pass": partial(train_algorithm1, epsilon=0.5, one_pass=True),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
every_plan = pytest.mark.parametrize("plan", [PLAN, FULL], ids=["batches", "full batch"])


def task(samples=20):
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.normal(size=(samples, 5)), dtype=torch.float32)
    return Examples(inputs, torch.arange(samples) % 3)


def linear():
    torch.manual_seed(0)
    return nn.Linear(5, 3)


class Centred(nn.Module):
    """Subtracts a mean in place, as `x -= mean` does."""

    def __init__(self):
        super().__init__()
        self.last = linear()

    def forward(self, inputs):
        inputs -= 0.3
        return self.last(inputs)


def cut_off_in_place():
    return nn.Sequential(nn.ReLU(inplace=True), linear())


class Returning(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.last, self.kind = linear(), kind

    def forward(self, inputs):
        return self.kind(self.last(inputs))


@every_way
@every_plan
@pytest.mark.parametrize("model_of", [Centred, cut_off_in_place])
def test_a_model_that_overwrites_its_inputs_is_refused_and_they_stay_as_they_were(
    way, plan, model_of
):
    model, examples, kept = model_of(), task(), task()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadInputError, match="model: found a first operation that overwrites the"):
        way(model, examples, plan)
    assert torch.equal(examples.inputs, kept.inputs)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("batch_size", [None, 8])
def test_evaluation_by_a_model_that_overwrites_its_inputs_is_refused(batch_size):
    examples = task()
    with pytest.raises(BadInputError, match="evaluation: model: found a first operation"):
        evaluate(Centred(), examples, "classification", batch_size)
    with pytest.raises(BadInputError, match="logits: model: found a first operation"):
        logits_of(Centred(), examples, batch_size or 20)
    assert torch.equal(examples.inputs, task().inputs)


def test_operations_in_place_behind_the_first_are_no_fault():
    def trained(inplace):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(inplace=inplace), nn.Linear(4, 3))
        train_pgd(model, task(), PLAN, epsilon=0.5, validation=task())
        return model.state_dict()

    first, second = trained(True), trained(False)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adversarial_noise_is_found_for_a_model_that_overwrites_its_inputs():
    examples, same = task(), Centred()
    bias = (same.last.bias - 0.3 * same.last.weight.sum(1)).detach()
    shifted = nn.Linear(5, 3)
    shifted.load_state_dict({"weight": same.last.weight, "bias": bias})
    own = {"epsilon": 0.5, "steps": 2, "step_size": 0.3}
    found = adversarial_noise(same, examples.inputs, examples.classes, **own)
    torch.testing.assert_close(
        found, adversarial_noise(shifted, examples.inputs, examples.classes, **own)
    )
    assert torch.equal(examples.inputs, task().inputs)


@every_way
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (lambda logits: (logits, 0), "outputs that are a tuple, expected logits"),
        (lambda logits: {"logits": logits}, "outputs that are a dict"),
        (lambda logits: logits[:, 0], r"outputs of shape \(8,\)"),
        (lambda logits: logits[:1], r"outputs of shape \(1, 3\)"),
        (lambda logits: logits[:, :2], r"outputs of shape \(8, 2\), expected .* 3 or more"),
    ],
)
def test_a_model_that_returns_no_logits_for_all_classes_is_refused(way, kind, words):
    model = Returning(kind)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadInputError, match=f"digits: model: found {words}"):
        way(model, task(), PLAN, name="digits")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_class_of_the_validation_split_without_a_logit_is_refused_before_the_first_update():
    examples = task()
    known = Examples(examples.inputs, examples.classes.clamp(max=1))
    with pytest.raises(BadInputError, match=r"expected logits, .* 4 or more"):
        train(linear(), known, PLAN, validation=Examples(examples.inputs, examples.classes + 1))


def test_evaluation_and_logits_of_other_outputs_are_refused():
    model = Returning(lambda logits: (logits, 0))
    with pytest.raises(BadInputError, match="evaluation: model: found outputs that are a tuple"):
        evaluate(model, task(), "classification")
    with pytest.raises(BadInputError, match="logits: model: found outputs that are a tuple"):
        logits_of(model, task(), 8)


def test_an_auto_encoder_returns_what_it_was_given():
    plan = TrainingPlan("autoencoding", epochs=1, learning_rate=0.1)
    with pytest.raises(BadInputError, match=r"outputs of shape \(20, 3\), expected .* \(20, 5\)"):
        train(linear(), task(), plan)


def test_a_loss_of_ones_own_takes_from_an_auto_encoder_what_it_likes():
    model = Returning(lambda code: (code, code.square().mean()))
    plan = TrainingPlan("autoencoding", epochs=1, learning_rate=0.1)
    examples = task()
    train(model, examples, plan, loss_of=lambda batch: lambda rows: model(batch.inputs[rows])[1])


@pytest.mark.parametrize("plan", [PLAN, FULL])
def test_the_model_is_left_without_hooks_and_can_be_copied_before_every_batch(plan):
    model, copies = linear(), []
    train(model, task(), plan, before_batch=lambda _: copies.append(copy.deepcopy(model)))
    for each in (model, *copies):
        assert not each._forward_hooks and not each._forward_pre_hooks


@every_way
@every_plan
def test_no_gradient_gathers_in_inputs_that_ask_for_one(way, plan):
    asking, plain = task(), task()
    asking.inputs.requires_grad_()
    found, expected = linear(), linear()
    way(found, asking, plan, validation=asking)
    way(expected, plain, plan, validation=plain)
    assert asking.inputs.grad is None
    assert torch.equal(found.weight, expected.weight)


@pytest.mark.parametrize("at_once", [0, -1, 2.5])
def test_logits_of_so_many_examples_at_once_are_refused(at_once):
    with pytest.raises(BadInputError, match=f"at_once: found {at_once}"):
        logits_of(linear(), task(), at_once)
