"""Training with noise and with a weight penalty, against plain loops."""

import copy
import logging

import numpy as np
import pytest
import torch
from interruptions import assert_an_interruption_changes_no_bit
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency import train_algorithm1, train_pgd, train_random_noise
from neurospect.training.input_noise import adversarial_noise, random_noise
from neurospect.training.loop import Examples, TrainingPlan, train
from neurospect.training.robust import train_regularised
from neurospect.training.weight_penalty import sum_of_squared_weights

PLAN = TrainingPlan("classification", epochs=5, learning_rate=0.02, seed=3, checkpoint_every=1)


def task(samples=30, seed=0):
    rng = np.random.default_rng(seed)
    classes = np.arange(samples) % 3
    inputs = 2 * np.eye(3, 6)[classes] + rng.normal(size=(samples, 6))
    return Examples(torch.from_numpy(inputs), torch.from_numpy(classes))


def model_of(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def same(first, second):
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def plain_loop(model, examples, inputs_of, penalty=0.0):
    """Full-batch Adam on inputs that the epoch's own random numbers change."""
    optimizer = torch.optim.Adam(model.parameters(), lr=PLAN.learning_rate)
    for epoch in range(1, PLAN.epochs + 1):
        torch.manual_seed(PLAN.seed * 1_000_003 + epoch)
        inputs = inputs_of(model)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), examples.classes)
        for name, weight in model.named_parameters():
            if name.endswith("weight"):
                loss = loss + penalty * (weight**2).sum()
        loss.backward()
        optimizer.step()


def test_random_noise_training_is_adam_on_noisy_inputs():
    examples, trained, expected = task(), model_of(), model_of()
    train_random_noise(trained, examples, PLAN, epsilon=0.7)
    plain_loop(expected, examples, lambda _: examples.inputs + random_noise(examples.inputs, 0.7))
    assert same(trained, expected)
    assert not same(trained, model_of())


def test_pgd_training_is_adam_on_adversarial_inputs():
    examples, trained, expected = task(), model_of(), model_of()
    train_pgd(trained, examples, PLAN, epsilon=0.7, steps=2, step_size=0.4)

    def attacked(model):
        return examples.inputs + adversarial_noise(
            model, examples.inputs, examples.classes, epsilon=0.7, steps=2, step_size=0.4
        )

    plain_loop(expected, examples, attacked)
    assert same(trained, expected)


def normalising_over_the_batch():
    torch.manual_seed(0)
    layers = [nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)]
    return nn.Sequential(*layers).double()


def test_running_statistics_of_pgd_training_are_those_of_the_updates_alone():
    examples, trained, expected = task(), *(normalising_over_the_batch() for _ in range(2))
    train_pgd(trained, examples, PLAN, epsilon=0.7, steps=2, step_size=0.4)

    def attacked(model):
        return examples.inputs + adversarial_noise(
            copy.deepcopy(model), examples.inputs, examples.classes,
            epsilon=0.7, steps=2, step_size=0.4,
        )  # fmt: skip

    plain_loop(expected, examples, attacked)
    assert same(trained, expected)
    for mine, theirs in zip(trained.buffers(), expected.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert trained[1].num_batches_tracked == PLAN.epochs


@pytest.mark.parametrize("one_pass", [False, True])
def test_running_statistics_of_algorithm_1_count_each_update_once(one_pass):
    model, seen = normalising_over_the_batch(), []
    model[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    train_algorithm1(model, task(), PLAN, epsilon=0.7, hops=3, one_pass=one_pass)
    # Behind the first, every update's own pass is the second of two where the noise takes one.
    of_a_batch = [0, 1, 2] if one_pass else [0, 2, 4]
    epochs = [seen[start :: len(seen) // PLAN.epochs] for start in of_a_batch]
    mean = torch.zeros(5, dtype=torch.float64)
    for hops in zip(*epochs, strict=True):
        for values in hops:
            mean = 0.9 * mean + 0.1 * values.mean(0)
    torch.testing.assert_close(model[1].running_mean, mean)
    assert model[1].num_batches_tracked == 3 * PLAN.epochs


def test_the_weight_penalty_is_added_to_the_loss_but_not_to_what_is_reported():
    examples, trained, expected = task(), model_of(), model_of()
    history = train_regularised(trained, examples, PLAN, weight_penalty=0.1)
    plain_loop(expected, examples, lambda _: examples.inputs, penalty=0.1)
    for mine, theirs in zip(trained.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    first = nn.functional.cross_entropy(model_of()(examples.inputs), examples.classes)
    assert history["train_loss"][0] == pytest.approx(first.item(), rel=1e-10)


def test_without_a_penalty_it_is_the_plain_training():
    examples, trained, expected = task(), model_of(), model_of()
    train_regularised(trained, examples, PLAN, weight_penalty=0.0)
    train(expected, examples, PLAN)
    assert same(trained, expected)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_penalty_counts_every_weight_once_and_no_bias(normalised):
    model = build_model(
        "cnn3d",
        task="classification",
        input_shape=(6, 6, 6),
        classes=3,
        seed=0,
        widths=[2],
        weight_normalisation=normalised,
    )
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv3d, nn.Linear))]
    expected = sum(float((layer.weight.detach() ** 2).sum()) for layer in layers)
    assert len(layers) == 2
    assert float(sum_of_squared_weights(model)) == pytest.approx(expected, rel=1e-6)
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    once = float((tied[0].weight.detach() ** 2).sum())
    assert float(sum_of_squared_weights(tied)) == pytest.approx(once)


def test_adversarial_training_makes_the_model_robust():
    examples, plan = task(90), TrainingPlan("classification", epochs=150, learning_rate=0.02)
    test = task(300, seed=1)

    def accuracy_under_attack(model):
        noise = adversarial_noise(
            model, test.inputs, test.classes, epsilon=1.0, steps=5, step_size=0.4
        )
        return float((model(test.inputs + noise).argmax(1) == test.classes).double().mean())

    plain, robust = model_of(), model_of()
    train(plain, examples, plan)
    train_pgd(robust, examples, plan, epsilon=1.0)
    assert accuracy_under_attack(robust) > accuracy_under_attack(plain) + 0.05


@pytest.mark.parametrize("way", [train_random_noise, train_pgd])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(
    tmp_path, way, batch_size
):
    plan = TrainingPlan("classification", 4, 0.02, batch_size, seed=3, checkpoint_every=1)
    assert_an_interruption_changes_no_bit(
        model_of,
        lambda model, checkpoint: way(model, task(), plan, epsilon=0.5, checkpoint=checkpoint),
        tmp_path / "checkpoint.pt",
    )


@pytest.mark.parametrize("way", [train_random_noise, train_pgd])
def test_the_checkpoint_of_another_epsilon_is_not_used(tmp_path, way):
    checkpoint = tmp_path / "checkpoint.pt"
    way(model_of(), task(), PLAN, epsilon=0.1, checkpoint=checkpoint)
    found, expected = model_of(), model_of()
    way(found, task(), PLAN, epsilon=0.9, checkpoint=checkpoint)
    way(expected, task(), PLAN, epsilon=0.9)
    assert same(found, expected)


@pytest.mark.parametrize("epsilon", [0, -0.5, float("inf"), float("nan")])
@pytest.mark.parametrize("way", [train_random_noise, train_pgd])
def test_a_ball_without_a_radius_is_refused_before_any_work(way, epsilon):
    model = model_of()
    before = copy.deepcopy(model)
    with pytest.raises(BadInputError, match="epsilon: found"):
        way(model, task(), PLAN, epsilon=epsilon)
    assert same(model, before)


@pytest.mark.parametrize("steps", [0, 0.5, 2.5])
def test_a_search_of_no_whole_number_of_steps_is_refused_before_any_work(steps):
    asked = []
    model = model_of()
    model.register_forward_pre_hook(lambda *_: asked.append(1))
    with pytest.raises(BadInputError, match=f"training with noise: steps: found {steps}"):
        train_pgd(model, task(), PLAN, epsilon=0.5, steps=steps)
    assert not asked


@pytest.mark.parametrize(
    ("way", "options", "misspelt"),
    [
        (train_pgd, {"epsilon": 0.5, "step": 0.01}, "step"),
        (train_algorithm1, {"epsilon": 0.5, "hop": 9}, "hop"),
        (train_random_noise, {"epsilon": 0.5, "validaton": task()}, "validaton"),
        (train_regularised, {"weight_penalty": 0.0, "steps": 3, "epsilon": 5.0}, "epsilon, steps"),
    ],
)
def test_a_misspelt_option_is_refused_before_any_work(way, options, misspelt):
    model = model_of()
    before = copy.deepcopy(model)
    with pytest.raises(BadInputError, match=f"options: found {misspelt}, expected options of this"):
        way(model, task(), PLAN, **options)
    assert same(model, before)


@pytest.mark.parametrize("way", [train_random_noise, train_pgd, train_algorithm1])
def test_the_log_says_what_share_of_the_whole_input_the_noise_is(way, caplog):
    examples = Examples(torch.zeros(4, 5, 5), torch.arange(4) % 2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 2))
    with caplog.at_level(logging.INFO):
        way(model, examples, PLAN, epsilon=2.5)
    assert "epsilon is 0.5 times the root of the 25 values of an example" in caplog.messages
