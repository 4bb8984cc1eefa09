"""Examples whose classes are none are refused in words, before the first update."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.loop import Examples, TrainingPlan, evaluate, train
from neurospect.training.robust import train_pgd, train_random_noise

PLAN = TrainingPlan("classification", epochs=2, learning_rate=0.02, batch_size=4)
INPUTS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(12) % 3
WAYS = [train_random_noise, train_pgd, train_algorithm1]
FAULTS = {
    "booleans": (CLASSES == 1, "classes: found torch.bool, expected for each example the index"),
    "floats": (CLASSES.float(), "classes: found torch.float32"),
    "none": (torch.where(CLASSES == 1, -100, CLASSES), "classes: found class -100"),
    "column": (CLASSES[:, None], r"found 12 inputs and classes of shape \(12, 1\)"),
    "too few": (CLASSES[:5], "found 12 inputs and 5 classes"),
    "numpy": (CLASSES.numpy(), "found inputs of type Tensor, classes of ndarray, expected tensors"),
}
every_fault = pytest.mark.parametrize(("classes", "words"), FAULTS.values(), ids=FAULTS)


def linear():
    torch.manual_seed(0)
    return nn.Linear(5, 3)


@pytest.mark.parametrize("way", WAYS)
@every_fault
def test_classes_that_are_none_are_refused_before_any_work(way, classes, words, tmp_path):
    model = linear()
    before, file = copy.deepcopy(model.state_dict()), tmp_path / "checkpoint.pt"
    with pytest.raises(BadInputError, match=words):
        way(model, Examples(INPUTS, classes), PLAN, epsilon=0.5, checkpoint=file)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not file.exists()


@every_fault
def test_so_are_those_of_the_validation_split_and_of_evaluation(classes, words):
    model, other = linear(), Examples(INPUTS, classes)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadInputError, match=f"digits: validation.*{words}"):
        train(model, Examples(INPUTS, CLASSES), PLAN, validation=other, name="digits")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(BadInputError, match=f"evaluation: examples.*{words}"):
        evaluate(model, other, "classification")


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_a_split_without_examples_is_refused(task):
    empty = Examples(INPUTS[:0], CLASSES[:0])
    with pytest.raises(BadInputError, match="validation: found 0 inputs and 0 classes"):
        train(nn.Linear(5, 5), Examples(INPUTS, CLASSES), PLAN, validation=empty)
    with pytest.raises(BadInputError, match="evaluation: examples: found 0 inputs"):
        evaluate(nn.Linear(5, 5), empty, task)
    with pytest.raises(BadInputError, match="examples: found 0 inputs and 0 classes"):
        train_pgd(linear(), empty, PLAN, epsilon=0.5)


def test_inputs_of_numpy_are_refused():
    examples = Examples(INPUTS.numpy(), CLASSES)
    with pytest.raises(BadInputError, match=r"found inputs of type ndarray.*as_tensor"):
        train_pgd(linear(), examples, PLAN, epsilon=0.5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_whole_numbers_of_any_size_are_classes(way, kind):
    models = [linear(), linear()]
    for model, classes in zip(models, (CLASSES, CLASSES.to(kind)), strict=True):
        examples = Examples(INPUTS, classes)
        way(model, examples, PLAN, epsilon=0.5, validation=examples)
        assert evaluate(model, examples, "classification") == evaluate(
            model, Examples(INPUTS, CLASSES), "classification"
        )
    assert torch.equal(models[0].weight, models[1].weight)


def test_classes_of_auto_encoding_are_not_looked_at():
    plan = TrainingPlan("autoencoding", epochs=1, learning_rate=0.1)
    train(nn.Linear(5, 5), Examples(INPUTS, torch.full((12,), np.nan)), plan)
