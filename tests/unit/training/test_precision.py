"""Mixed precision: what it changes, what it leaves, and that it resumes to the same bits."""

import dataclasses

import numpy as np
import pytest
import torch
from interruptions import assert_an_interruption_changes_no_bit

from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.loop import Examples, TrainingPlan, train
from neurospect.training.precision import computing_in

PLAN = TrainingPlan(
    "classification", epochs=6, learning_rate=0.01, batch_size=8, precision="bfloat16"
)
CPU = torch.device("cpu")


def network(task="classification"):
    return build_model(
        "cnn3d",
        task=task,
        input_shape=(8, 9, 8),
        classes=3,
        seed=0,
        widths=[4, 5],
        stride=1,
        pooling=2 if task == "classification" else 1,
        weight_normalisation=True,
    )


def volumes(count=24):
    """Classes that differ in one corner of the volume."""
    rng = np.random.default_rng(0)
    codes = np.arange(count) % 3
    inputs = rng.normal(size=(count, 8, 9, 8))
    for code in range(3):
        inputs[codes == code, 2 * code : 2 * code + 2, :3, :3] += 3
    return Examples(torch.tensor(inputs, dtype=torch.float32), torch.from_numpy(codes))


def gradients_in(precision):
    model, examples = network(), volumes()
    kept = []
    model.encoder[3].register_forward_hook(lambda _, __, output: kept.append(output.dtype))
    with computing_in(precision, model, CPU):
        logits = model(examples.inputs)
        loss = torch.nn.functional.cross_entropy(logits, examples.classes)
    loss.backward()
    gradients = torch.cat([each.grad.flatten() for each in model.parameters()])
    return gradients, logits, kept[0]


def test_convolutions_compute_in_half_the_bits_and_losses_in_full():
    gradients, logits, kept = gradients_in("bfloat16")
    assert kept == torch.bfloat16
    assert logits.dtype == torch.float32
    assert gradients.dtype == torch.float32


def test_gradients_are_those_of_single_precision_but_for_rounding():
    (exact, *_), (rounded, *_) = gradients_in("float32"), gradients_in("bfloat16")
    off = (rounded - exact).norm() / exact.norm()
    # bfloat16 has eight binary digits.
    assert 1e-4 < off < 0.05


def test_behind_it_the_model_computes_as_before():
    model, examples = network(), volumes()
    before = model(examples.inputs)
    with computing_in("bfloat16", model, CPU):
        assert not torch.equal(model(examples.inputs), before)
    assert torch.equal(model(examples.inputs), before)


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_single_precision_is_left_alone(task):
    model, examples = network(task), volumes()
    with computing_in("float32", model, CPU):
        inside = model(examples.inputs)
    assert torch.equal(inside, model(examples.inputs))


def test_a_precision_that_is_not_known_is_refused():
    computing = computing_in("float16", network(), CPU)
    with pytest.raises(BadInputError, match="precision: found 'float16'"), computing:
        pass


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_both_precisions_learn_alike(task):
    losses = []
    for precision in ("float32", "bfloat16"):
        plan = dataclasses.replace(PLAN, task=task, epochs=12, precision=precision)
        model = network(task)
        history = train(model, volumes(), plan, validation=volumes())
        assert all(each.dtype == torch.float32 for each in model.parameters())
        losses.append(history[["train_loss", "validation_loss"]].iloc[-1].to_numpy())
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05, atol=0.02)
    assert losses[0][0] != losses[1][0]


@pytest.mark.parametrize("way", [train, train_algorithm1])
def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(tmp_path, way):
    options = {} if way is train else {"epsilon": 1.0, "hops": 2}
    plan = dataclasses.replace(PLAN, checkpoint_every=1)
    assert_an_interruption_changes_no_bit(
        network,
        lambda model, checkpoint: way(
            model, volumes(), plan, validation=volumes(), checkpoint=checkpoint, **options
        ),
        tmp_path / "checkpoint.pt",
    )


def test_the_checkpoint_of_another_precision_is_not_used(tmp_path):
    file = tmp_path / "training.pt"
    train(network(), volumes(), dataclasses.replace(PLAN, checkpoint_every=1), checkpoint=file)
    again, fresh = network(), network()
    plan = dataclasses.replace(PLAN, checkpoint_every=1, precision="float32", epochs=6)
    found = train(again, volumes(), plan, checkpoint=file)
    assert found.equals(train(fresh, volumes(), plan))
