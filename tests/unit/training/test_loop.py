import copy
import dataclasses
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.training.loop import (
    HISTORY_COLUMNS,
    Examples,
    TrainingPlan,
    TrainingStoppedError,
    evaluate,
    train,
)


def blobs(samples=60, classes=3, features=5, spread=0.3, seed=0):
    """Classes that a plane can part."""
    rng = np.random.default_rng(seed)
    codes = np.arange(samples) % classes
    inputs = 3 * np.eye(classes, features)[codes] + spread * rng.normal(size=(samples, features))
    return Examples(torch.tensor(inputs, dtype=torch.float32), torch.from_numpy(codes))


def model_for(task, seed=0, dropout=0.0):
    model = build_model(
        "mlp", task=task, input_shape=(5,), classes=3, seed=seed, widths=[8], activation="tanh"
    )
    return nn.Sequential(*model, nn.Dropout(dropout)) if dropout else model


def plan(task="classification", epochs=5, **options):
    return TrainingPlan(task=task, epochs=epochs, learning_rate=0.02, **options)


def loss_by_hand(outputs, examples, task):
    """Losses written out, without PyTorch's own."""
    if task == "autoencoding":
        return ((outputs - examples.inputs) ** 2).mean()
    chosen = outputs[torch.arange(len(outputs)), examples.classes]
    return (outputs.exp().sum(1).log() - chosen).mean()


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_full_batch_training_is_plain_adam(task):
    examples, trained = blobs(), model_for(task)
    reference = copy.deepcopy(trained)
    history = train(trained, examples, plan(task, epochs=6))
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.02)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = loss_by_hand(reference(examples.inputs), examples, task)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    np.testing.assert_allclose(history["train_loss"], losses, rtol=1e-5)
    for found, expected in zip(trained.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_learning_lowers_the_loss(task):
    history = train(model_for(task), blobs(), plan(task, epochs=150))
    assert history["train_loss"].iloc[-1] < 0.2 * history["train_loss"].iloc[0]


@pytest.mark.parametrize("batch_size", [None, 16])
def test_classes_that_can_be_parted_are_learnt_for_unseen_samples(batch_size):
    history = train(
        model_for("classification"),
        blobs(),
        plan(epochs=100, batch_size=batch_size),
        validation=blobs(seed=1),
    )
    assert history["validation_accuracy"].iloc[-1] > 0.95
    assert history["validation_loss"].iloc[-1] < 0.2


def test_the_history_has_one_row_an_epoch_and_its_documented_columns():
    history = train(model_for("classification"), blobs(), plan(epochs=4))
    assert list(history.columns) == list(HISTORY_COLUMNS)
    assert history["epoch"].tolist() == [1, 2, 3, 4]


def test_the_validation_split_is_looked_at_now_and_then_and_at_the_end():
    history = train(
        model_for("classification"),
        blobs(),
        plan(epochs=8, evaluate_every=3),
        validation=blobs(seed=1),
    )
    looked_at = history.loc[history["validation_loss"].notna(), "epoch"]
    assert looked_at.tolist() == [3, 6, 8]
    assert history["validation_accuracy"].notna().sum() == 3


def test_accuracy_is_undefined_for_autoencoding():
    loss, accuracy = evaluate(model_for("autoencoding"), blobs(), "autoencoding")
    assert loss > 0
    assert np.isnan(accuracy)


def test_evaluation_is_by_the_model_at_rest_and_leaves_its_mode():
    model, examples = model_for("classification", dropout=0.5), blobs()
    model.train()
    loss, accuracy = evaluate(model, examples, "classification")
    assert model.training
    outputs = model[:-1](examples.inputs).detach()
    assert loss == pytest.approx(float(loss_by_hand(outputs, examples, "classification")), rel=1e-5)
    assert accuracy == float((outputs.argmax(1) == examples.classes).double().mean())


def with_frozen_statistics():
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    model[1].eval()
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_evaluation_leaves_each_layer_in_its_mode_whatever_happens():
    model = with_frozen_statistics()
    evaluate(model, blobs(), "classification")
    assert modes(model) == [True, True, False, True, True]
    with pytest.raises(RuntimeError):
        evaluate(model, Examples(torch.zeros(2, 99), torch.zeros(2).long()), "classification")
    assert modes(model) == [True, True, False, True, True]


def test_layers_frozen_in_a_model_in_training_mode_stay_so():
    model = with_frozen_statistics()
    passed = []
    for module in model:
        module.register_forward_hook(lambda own, *_: passed.append((type(own), own.training)))
    train(model, blobs(), plan(evaluate_every=1), validation=blobs(seed=1))
    assert (nn.BatchNorm1d, False) in passed and (nn.BatchNorm1d, True) not in passed
    assert passed.count((nn.Dropout, True)) == passed.count((nn.Dropout, False)) == 5
    assert model[1].num_batches_tracked == 0
    assert modes(model) == [True, True, False, True, True]


@pytest.mark.parametrize("learning_rate", [0.02, 1e30])
@pytest.mark.parametrize("mode", [True, False])
def test_a_training_leaves_the_model_in_its_mode_also_where_it_is_ended(mode, learning_rate):
    own = TrainingPlan("autoencoding", epochs=50, learning_rate=learning_rate)
    model = model_for("autoencoding", dropout=0.5).train(mode)
    with pytest.raises(TrainingStoppedError) if learning_rate > 1 else nullcontext():
        train(model, blobs(), own)
    assert modes(model) == [mode] * 5


def test_evaluation_does_not_touch_the_training():
    def trained(**validation):
        model = model_for("classification", dropout=0.5)
        history = train(model, blobs(), plan(epochs=7, evaluate_every=1), **validation)
        return history["train_loss"].tolist(), model.state_dict()

    (losses, weights), (other_losses, other_weights) = (
        trained(),
        trained(validation=blobs(seed=1)),
    )
    assert losses == other_losses
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


@pytest.mark.parametrize(("batch_size", "sizes"), [(16, [16, 16, 16, 12]), (59, [59, 1])])
def test_every_epoch_goes_once_through_all_samples_in_a_new_order(batch_size, sizes):
    drawn = []
    train(
        model_for("classification"),
        blobs(),
        plan(epochs=3, batch_size=batch_size),
        before_batch=lambda index: drawn.append(index.tolist()),
    )
    assert [len(batch) for batch in drawn] == sizes * 3
    order = [sample for batch in drawn for sample in batch]
    per_epoch = [order[:60], order[60:120], order[120:]]
    assert all(sorted(epoch) == list(range(60)) for epoch in per_epoch)
    assert per_epoch[0] != per_epoch[1] != per_epoch[2]


def test_indices_told_before_a_batch_are_those_of_its_samples():
    model, examples, told, fed = model_for("classification"), blobs(), [], []
    model.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0].clone()))
    train(model, examples, plan(epochs=2, batch_size=25), before_batch=told.append)
    assert len(told) == len(fed) == 6
    for index, inputs in zip(told, fed, strict=True):
        assert torch.equal(inputs, examples.inputs[index])


def test_the_loss_of_an_epoch_weighs_every_sample_alike():
    """With a model that hardly moves, it is the loss on all samples, however they are cut."""
    examples, model = blobs(), model_for("classification")
    outputs = model(examples.inputs).detach()
    expected = float(loss_by_hand(outputs, examples, "classification"))
    still = TrainingPlan("classification", epochs=1, learning_rate=1e-12, batch_size=59)
    assert train(model, examples, still)["train_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_all_samples_is_the_full_batch():
    histories = [
        train(model_for("classification"), blobs(), plan(batch_size=size))
        for size in (None, 60, 99)
    ]
    for history in histories[1:]:
        pd.testing.assert_frame_equal(history, histories[0], check_exact=True)


@pytest.mark.parametrize("options", [{"batch_size": 16}, {"dropout": 0.5}])
def test_the_seed_alone_decides_what_is_drawn(options):
    dropout = options.pop("dropout", 0.0)

    def losses(seed):
        torch.rand(3)
        model = model_for("classification", dropout=dropout)
        return train(model, blobs(), plan(seed=seed, **options))["train_loss"].tolist()

    assert losses(3) == losses(3)
    assert losses(3) != losses(4)


def test_the_global_random_state_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    train(model_for("classification", dropout=0.5), blobs(), plan(batch_size=16))
    assert torch.equal(torch.rand(4), expected)


def test_a_model_left_at_rest_is_trained_in_training_mode():
    def losses(mode):
        model = model_for("classification", dropout=0.5).train(mode)
        return train(model, blobs(), plan())["train_loss"].tolist()

    assert losses(True) == losses(False)


def test_inputs_that_are_not_numbers_end_the_training_and_the_epoch_is_named():
    examples = blobs()
    examples.inputs[7, 2] = torch.nan
    with pytest.raises(BadInputError, match=r"digits panel A: loss at epoch 1: found nan"):
        train(model_for("classification"), examples, plan(), name="digits panel A")


def test_a_training_that_diverges_is_ended_where_it_does():
    steep = TrainingPlan("autoencoding", epochs=50, learning_rate=1e30)
    with pytest.raises(BadInputError, match=r"loss at epoch \d+: found (inf|nan)") as raised:
        train(model_for("autoencoding"), blobs(), steep)
    assert raised.value.field != "loss at epoch 1"


@pytest.mark.parametrize(
    ("inputs", "classes", "words"),
    [(0, 0, "0 inputs and 0 classes"), (3, 2, "3 inputs and 2 classes")],
)
def test_examples_without_inputs_or_classes_are_refused(inputs, classes, words):
    examples = Examples(torch.zeros(inputs, 5), torch.zeros(classes, dtype=torch.long))
    with pytest.raises(BadInputError, match=words):
        train(model_for("classification"), examples, plan())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"micro_batch_size": -1}, "micro_batch_size: found -1, expected a whole number, 1 or"),
        ({"micro_batch_size": 0}, "micro_batch_size: found 0"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"batch_size": -5}, "batch_size: found -5"),
        ({"batch_size": 2.5}, "batch_size: found 2.5"),
        ({"evaluate_every": 0}, "evaluate_every: found 0"),
        ({"evaluate_every": None}, "evaluate_every: found None"),
        ({"checkpoint_every": 0}, "checkpoint_every: found 0"),
        ({"epochs": True}, "epochs: found True"),
        ({"precision": "float16"}, "precision: found 'float16', expected one of float32, bfloat16"),
        ({"task": "clasification"}, "task: found 'clasification', expected one of autoencoding"),
        ({"seed": 1.5}, "seed: found 1.5, expected a whole number"),
        ({"seed": True}, "seed: found True"),
        ({"seed": 10**13}, "seed: found 10000000000000, expected a whole number, no further than"),
        ({"learning_rate": -0.1}, "learning_rate: found -0.1, expected a positive number"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_before_any_work(tmp_path, options, words):
    model = model_for("classification")
    before = copy.deepcopy(model.state_dict())
    wrong = dataclasses.replace(plan(), **options)
    file = tmp_path / "checkpoint.pt"
    with pytest.raises(BadInputError, match=f"digits: {words}"):
        train(model, blobs(), wrong, validation=blobs(), checkpoint=file, name="digits")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not file.exists()


def test_whole_numbers_of_numpy_are_whole_numbers():
    sizes = plan(batch_size=np.int64(16), micro_batch_size=np.int32(8))
    found = train(model_for("classification"), blobs(), sizes)
    expected = train(model_for("classification"), blobs(), plan(batch_size=16, micro_batch_size=8))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("seed", [np.int64(3), 9 * 10**12, -9 * 10**12])
def test_the_seed_may_be_of_numpy_and_as_large_as_generators_allow(seed):
    found = train(model_for("classification"), blobs(), plan(seed=seed, batch_size=16))
    expected = train(model_for("classification"), blobs(), plan(seed=int(seed), batch_size=16))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("batch_size", [0, -5, 1.5])
def test_evaluation_in_batches_of_no_size_is_refused(batch_size):
    with pytest.raises(BadInputError, match=f"batch_size: found {batch_size}"):
        evaluate(model_for("classification"), blobs(), "classification", batch_size)
