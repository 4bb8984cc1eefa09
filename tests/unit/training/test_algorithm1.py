"""Algorithm 1 against its printed lines, and its interruption."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from interruptions import assert_an_interruption_changes_no_bit
from torch import nn

from neurospect.errors import BadInputError
from neurospect.saliency import train_algorithm1
from neurospect.training.loop import Examples, TrainingPlan, train

EPSILON, HOPS = 0.8, 3
PLAN = TrainingPlan(
    "classification", epochs=4, learning_rate=0.01, batch_size=8, seed=2, checkpoint_every=1
)


def task(samples=20, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    classes = np.arange(samples) % 3
    inputs = np.eye(3, 5)[classes] + 0.5 * rng.normal(size=(samples, 5))
    return Examples(torch.from_numpy(inputs).to(dtype), torch.from_numpy(classes))


def tiny(dtype=torch.float64):
    """A model that is not one of the registry's."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)


def printed_lines(model, examples, plan, epsilon, m, *, one_pass=False):
    """The algorithm as printed, one example at a time; with Adam for line 7, as the paper used.

    Random numbers come in the order in which the library draws them: the order of mini-batches from
    a generator of the epoch, and for each move of the noise that is used one ν per example.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    for epoch in range(1, plan.epochs + 1):
        seed = plan.seed * 1_000_003 + epoch
        steps = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(examples.inputs), generator=torch.Generator().manual_seed(seed))
        for minibatch in order.split(plan.batch_size):
            delta = {int(row): torch.zeros(5, dtype=torch.float64) for row in minibatch}
            for i in range(1, m + 1):
                before = copy.deepcopy(model)
                log_likelihood = 0.0
                for row in delta:
                    x, y = examples.inputs[row], int(examples.classes[row])
                    p = model(x + delta[row]).softmax(0)[y]
                    log_likelihood = log_likelihood + p.log() / len(delta)
                optimizer.zero_grad()
                (-log_likelihood).backward()
                optimizer.step()
                if i == m:
                    continue
                draws = torch.rand(len(delta), dtype=torch.float64, generator=steps)
                for row, draw in zip(delta, draws, strict=True):
                    x = (examples.inputs[row] + delta[row]).requires_grad_()
                    p = (before if one_pass else model)(x).softmax(0)[int(examples.classes[row])]
                    g_adv = torch.autograd.grad(p, x)[0]
                    if g_adv.norm() > 0:
                        nu = draw * epsilon
                        delta[row] = delta[row] - nu * g_adv / g_adv.norm()
                    if delta[row].norm() > epsilon:
                        delta[row] = epsilon * delta[row] / delta[row].norm()
    return model


@pytest.mark.parametrize("one_pass", [False, True])
def test_the_training_is_that_of_the_printed_lines(one_pass):
    trained, expected = tiny(), tiny()
    train_algorithm1(trained, task(), PLAN, epsilon=EPSILON, hops=HOPS, one_pass=one_pass)
    printed_lines(expected, task(), PLAN, EPSILON, HOPS, one_pass=one_pass)
    for mine, theirs in zip(trained.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


def test_one_hop_is_plain_training():
    trained, plain = tiny(), tiny()
    train_algorithm1(trained, task(), PLAN, epsilon=EPSILON, hops=1)
    train(plain, task(), PLAN)
    for mine, theirs in zip(trained.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("one_pass", [False, True])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_each_minibatch_starts_without_noise_which_then_grows_inside_the_ball(one_pass, batch_size):
    seen = []
    model, examples = tiny(), task()
    model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].detach().clone()) if module.training else None
    )
    plan = dataclasses.replace(PLAN, batch_size=batch_size)
    train_algorithm1(model, examples, plan, epsilon=EPSILON, hops=HOPS, one_pass=one_pass)
    passes = HOPS if one_pass else 2 * HOPS - 1
    batches = [seen[start : start + passes] for start in range(0, len(seen), passes)]
    assert len(batches) == PLAN.epochs * math.ceil(20 / (batch_size or 20))
    known = {tuple(row.tolist()) for row in examples.inputs}
    for batch in batches:
        assert all(tuple(row.tolist()) in known for row in batch[0])
        lengths = torch.stack([(inputs - batch[0]).norm(dim=1) for inputs in batch])
        assert lengths.max() <= EPSILON * (1 + 1e-12)
        assert (lengths[-1] > 0).all()


@pytest.mark.parametrize("one_pass", [False, True])
def test_noise_grows_for_examples_so_sure_that_their_probability_rounds_to_one(one_pass):
    model, seen = nn.Linear(5, 3), []
    with torch.no_grad():
        model.weight.copy_(2 * torch.eye(3, 5))
    examples = Examples(20 * torch.eye(3, 5), torch.arange(3))
    assert (model(examples.inputs).softmax(1).amax(1) == 1).all()
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    plan = TrainingPlan("classification", epochs=1, learning_rate=1e-9)
    train_algorithm1(model, examples, plan, epsilon=0.5, hops=2, one_pass=one_pass)
    assert ((seen[-1] - seen[0]).norm(dim=1) > 0).all()


@pytest.mark.parametrize("one_pass", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(
    tmp_path, one_pass, share
):
    assert_an_interruption_changes_no_bit(
        tiny,
        lambda model, checkpoint: train_algorithm1(
            model,
            task(),
            PLAN,
            epsilon=EPSILON,
            hops=HOPS,
            one_pass=one_pass,
            checkpoint=checkpoint,
        ),
        tmp_path / "checkpoint.pt",
        share,
    )


def test_the_checkpoint_of_another_epsilon_is_not_used(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train_algorithm1(tiny(), task(), PLAN, epsilon=0.1, checkpoint=checkpoint)
    found, expected = tiny(), tiny()
    train_algorithm1(found, task(), PLAN, epsilon=EPSILON, checkpoint=checkpoint)
    train_algorithm1(expected, task(), PLAN, epsilon=EPSILON)
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(found.parameters(), expected.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": 0}, "epsilon: found 0, expected a positive number"),
        ({"epsilon": -1.0}, "epsilon: found -1.0"),
        ({"epsilon": math.nan}, "epsilon: found nan"),
        ({"epsilon": 1.0, "hops": 0}, "hops: found 0"),
        ({"epsilon": 1.0, "hops": 1.5}, "hops: found 1.5, expected a whole number"),
        ({"epsilon": 1.0, "weight_penalty": -1}, "weight_penalty: found -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_any_work(options, words):
    model = tiny()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadInputError, match=words):
        train_algorithm1(model, task(), PLAN, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_autoencoding_has_no_probability_to_attack():
    plan = dataclasses.replace(PLAN, task="autoencoding")
    with pytest.raises(BadInputError, match="task: found autoencoding"):
        train_algorithm1(tiny(), task(), plan, epsilon=1.0)
