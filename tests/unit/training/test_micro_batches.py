"""Gradients accumulated over micro-batches, against autograd on the whole batch."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from interruptions import assert_an_interruption_changes_no_bit
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from neurospect.errors import BadInputError
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.input_noise import adversarial_noise, random_noise
from neurospect.training.loop import Examples, TrainingPlan, train
from neurospect.training.robust import train_pgd, train_random_noise, train_regularised

SAMPLES, EPSILON, PENALTY = 30, 0.7, 0.05
ONE_UPDATE = TrainingPlan("classification", epochs=1, learning_rate=0.02, seed=3)
PLAN = dataclasses.replace(
    ONE_UPDATE, epochs=4, batch_size=12, micro_batch_size=5, checkpoint_every=1
)


def task():
    rng = np.random.default_rng(0)
    classes = np.arange(SAMPLES) % 3
    inputs = 2 * np.eye(3, 6)[classes] + rng.normal(size=(SAMPLES, 6))
    return Examples(torch.from_numpy(inputs), torch.from_numpy(classes))


def model_of(outputs=3, normalisation=None):
    torch.manual_seed(0)
    layers = [nn.Linear(6, 5), normalisation, nn.Tanh(), nn.Linear(5, outputs)]
    return nn.Sequential(*[layer for layer in layers if layer is not None]).double()


def in_micro_batches(size):
    return dataclasses.replace(ONE_UPDATE, micro_batch_size=size)


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


def gradients_of_the_whole(inputs_of, penalty=PENALTY):
    """By autograd, in one pass, of the loss and its penalty written out."""
    model, examples = model_of(), task()
    torch.manual_seed(ONE_UPDATE.seed * 1_000_003 + 1)
    loss = cross_entropy(model(inputs_of(model, examples)), examples.classes)
    penalised = loss + penalty * (model[0].weight.square().sum() + model[2].weight.square().sum())
    return torch.autograd.grad(penalised, list(model.parameters())), loss.item()


def agree(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-13)


WAYS = {
    "plain": (train_regularised, {}, lambda model, own, size: own.inputs),
    "random noise, drawn for each micro-batch": (
        train_random_noise,
        {"epsilon": EPSILON},
        lambda model, own, size: torch.cat(
            [part + random_noise(part, EPSILON) for part in own.inputs.split(size)]
        ),
    ),
    "pgd": (
        train_pgd,
        {"epsilon": EPSILON, "steps": 2, "step_size": 0.4},
        lambda model, own, size: (
            own.inputs
            + adversarial_noise(
                model, own.inputs, own.classes, epsilon=EPSILON, steps=2, step_size=0.4
            )
        ),
    ),
    "algorithm 1": (
        train_algorithm1,
        {"epsilon": EPSILON, "hops": 1},
        lambda model, own, size: own.inputs,
    ),
}


@pytest.mark.parametrize("size", [1, 8, 15, 30, 64])
@pytest.mark.parametrize("way", WAYS)
def test_the_accumulated_gradient_is_that_of_the_whole_batch_with_one_penalty(way, size):
    train_it, options, inputs_of = WAYS[way]
    model = model_of()
    history = train_it(model, task(), in_micro_batches(size), weight_penalty=PENALTY, **options)
    expected, loss = gradients_of_the_whole(lambda *whole: inputs_of(*whole, size))
    agree(gradients(model), expected)
    assert history["train_loss"][0] == pytest.approx(loss, rel=1e-10)


@pytest.mark.parametrize("goal", ["classification", "autoencoding"])
def test_the_task_s_own_loss_is_accumulated_too(goal):
    whole, parts = (model_of(6 if goal == "autoencoding" else 3) for _ in range(2))
    plan = dataclasses.replace(in_micro_batches(7), task=goal)
    train(parts, task(), plan)
    outputs, examples = whole(task().inputs), task()
    is_class = goal == "classification"
    loss = (
        cross_entropy(outputs, examples.classes) if is_class else mse_loss(outputs, examples.inputs)
    )
    agree(gradients(parts), torch.autograd.grad(loss, list(whole.parameters())))


@pytest.mark.parametrize("one_pass", [False, True])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_algorithm_1_keeps_the_noise_of_each_micro_batch_from_update_to_update(one_pass, size):
    """Its draws come in the same order, so that it is the training in whole batches."""
    parts, whole = model_of(), model_of()
    own = {"epsilon": EPSILON, "hops": 3, "one_pass": one_pass, "weight_penalty": PENALTY}
    plan = dataclasses.replace(PLAN, micro_batch_size=size)
    found = train_algorithm1(parts, task(), plan, **own)
    expected = train_algorithm1(
        whole, task(), dataclasses.replace(plan, micro_batch_size=None), **own
    )
    np.testing.assert_allclose(found["train_loss"], expected["train_loss"], rtol=1e-9)
    for mine, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("way", "options"),
    [
        (train, {}),
        (train_random_noise, {"epsilon": EPSILON}),
        (train_pgd, {"epsilon": EPSILON}),
        (train_algorithm1, {"epsilon": EPSILON}),
    ],
)
def test_no_more_samples_than_a_micro_batch_go_through_the_model_at_once(way, options):
    model, sizes = model_of(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    way(model, task(), PLAN, validation=task(), **options)
    assert max(sizes) == 5
    if way is train:
        # Two batches of 12, one of 6; and the validation split.
        assert sizes[: len(sizes) - 6] == 4 * [5, 5, 2, 5, 5, 2, 5, 1]


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(5), nn.SyncBatchNorm(5)])
def test_a_model_that_normalises_over_the_batch_is_refused_before_any_work(layer):
    model = model_of(normalisation=layer)
    before = copy.deepcopy(model.state_dict())
    name = type(layer).__name__
    with pytest.raises(BadInputError, match=rf"micro_batch_size: found a model with {name} \(lay"):
        train_pgd(model, task(), PLAN, epsilon=EPSILON)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_model_that_normalises_each_sample_is_not_refused():
    parts, whole = (model_of(normalisation=nn.LayerNorm(5)) for _ in range(2))
    train(parts, task(), PLAN)
    train(whole, task(), dataclasses.replace(PLAN, micro_batch_size=None))
    for mine, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("way", [train_random_noise, train_algorithm1])
def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(tmp_path, way):
    assert_an_interruption_changes_no_bit(
        model_of,
        lambda model, checkpoint: way(model, task(), PLAN, epsilon=EPSILON, checkpoint=checkpoint),
        tmp_path / "checkpoint.pt",
    )


def test_the_checkpoint_of_other_micro_batches_is_not_used(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train_random_noise(model_of(), task(), PLAN, epsilon=EPSILON, checkpoint=checkpoint)
    found, expected = model_of(), model_of()
    other = dataclasses.replace(PLAN, micro_batch_size=3)
    train_random_noise(found, task(), other, epsilon=EPSILON, checkpoint=checkpoint)
    train_random_noise(expected, task(), other, epsilon=EPSILON)
    for mine, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine, theirs)
