"""What judging a decoder says of maps and masks that are none."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency.decoder_checks import check_labels, check_maps
from neurospect.saliency.decoders import Decoder
from neurospect.saliency.decoding_data import decoding_data
from neurospect.saliency.judged_maps import (
    CONSTANT,
    NOT_FINITE,
    UNDEFINED_COLUMNS,
    judged_maps,
    undefined_counts,
)
from neurospect.saliency.map_targets import map_targets
from neurospect.saliency.maps import METHODS, register_map_method
from neurospect.training.loop import TrainingPlan

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    cohort = make_synthetic_tasks(8, 0.5, 0)
    splits = np.resize(["training", "validation", "test", "test"], len(cohort.participants))
    return decoding_data(cohort.participants.assign(split=splits), cohort.array, "task")


@pytest.fixture(scope="module")
def model():
    return build_model("linear", task="classification", input_shape=(32, 32), classes=3, seed=0)


@pytest.fixture
def broken():
    """Maps of which the first example's own class is constant, and the second's has a NaN."""

    @register_map_method("broken")
    def broken(gradients, inputs, places):
        maps = gradients(inputs)
        maps[0] = 0.5
        maps[1, :, 3, 4] = torch.nan
        maps[2, :, 3, 4] = torch.inf
        return maps

    yield "broken"
    del METHODS["broken"]


def test_maps_with_nan_are_said_to_have_it_and_not_counted_as_constant(data, model, broken, caplog):
    with caplog.at_level(logging.WARNING):
        judged = judged_maps(model, data, map_targets(data), {broken: {}}, device=CPU)
        counts = undefined_counts(judged)
    for _, own in judged.groupby("criterion"):
        order = own.set_index("example").loc[data.places["test"]]["undefined"]
        assert order.tolist()[:3] == [CONSTANT, NOT_FINITE, NOT_FINITE]
        assert order.iloc[3:].isna().all()
    assert counts["constant"].tolist() == [1, 1]
    assert counts["lacking"].tolist() == [0, 0]
    assert list(counts) == list(UNDEFINED_COLUMNS)[2:]
    said = caplog.records[-1].getMessage()
    assert "undefined for 3 of 12 examples (1: constant map or target; 2: NaN" in said


def test_nan_outside_the_mask_makes_nothing_undefined(data, model, broken, tmp_path):
    mask = np.ones((32, 32), dtype=np.uint8)
    mask[3, 4] = 0
    np.save(tmp_path / "mask.npy", mask)
    targets = map_targets(data, mask=tmp_path / "mask.npy")
    judged = judged_maps(model, data, targets, {broken: {}}, device=CPU)
    assert judged["undefined"].tolist().count(CONSTANT) == judged["correlation"].isna().sum() == 2


@pytest.mark.parametrize("value", [-1.0, 2.0, 255.0, np.nan])
def test_a_mask_in_a_file_is_of_booleans_or_zeros_and_ones(data, tmp_path, value):
    mask = np.ones((32, 32))
    mask[5, 5] = value
    np.save(tmp_path / "mask.npy", mask)
    with pytest.raises(
        BadInputError, match=f"mask.npy: mask: found float64, with values as {value}"
    ):
        map_targets(data, mask=tmp_path / "mask.npy")


class TrainedAnyway(Exception):
    """Stands for a training that should not have begun."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"examples": 0}, "examples: found 0, expected a whole number, 1 or more"),
        ({"examples": 2.5}, r"examples: found 2\.5"),
        ({"seed": 1.5}, r"seed: found 1\.5, expected a whole number"),
    ],
)
def test_checks_of_no_examples_or_seed_are_refused_before_any_training(
    data, model, change, words, monkeypatch
):
    def train_anyway(*given, **more):
        raise TrainedAnyway

    monkeypatch.setattr(nn.Module, "train", train_anyway)
    call = {"examples": 4, "seed": 0, "device": CPU, **change}
    with pytest.raises(BadInputError, match=words):
        check_maps(model, data, {"gradient": {}}, **call)
    plan = TrainingPlan("classification", 1, 0.01)
    with pytest.raises(BadInputError, match=words):
        check_labels(model, data, Decoder("linear"), plan, {"gradient": {}}, **call)
