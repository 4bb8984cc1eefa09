"""Whatever stands wherever in a configuration or an experiment, faults are named, not raised."""

import copy
import datetime
from pathlib import Path

import pytest
import yaml

from neurospect.errors import BadInputsError
from neurospect.settings import Config, check_settings

EXPERIMENT = {"title": "Digits", "figure": "1", "cohort": "mnist", "target": "digit"}
SPECTRA = {
    **EXPERIMENT,
    "groups": {"column": "digit", "levels": ["0", "3"]},
    "model": "mlp",
    "permutation": {"within": ["site"]},
    "panels": {
        "A": {"task": "autoencoding", "widths": [8]},
        "G": {"compares": "A", "groups": ["0", "3"]},
    },
}
SALIENCY = {
    **EXPERIMENT,
    "decoders": {
        "regression": {"model": "linear"},
        "network": {"model": "bert", "architecture": {"heads": 2}, "maps": ["gradient"]},
    },
    "maps": {"gradient": {}, "smoothgrad": {"samples": 3}},
    "removal": {"fractions": [0.1]},
}
WRONG_VALUES = (None, 3, True, "wrong", [1], {1: 2}, {"wrong": {}})
WRONG_KEYS = (1, True, None, 1.5, datetime.date(2024, 1, 2))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    return tmp_path


def places(tree, place=()):
    """Every place of a tree of keys and lists."""
    if place:
        yield place
    if isinstance(tree, dict | list):
        for part in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[part], (*place, part))


def mistaken(tree):
    """Copies of a tree, each with a wrong value at one place, or with a key that is no text."""
    for *before, last in places(tree):
        for wrong in WRONG_VALUES:
            copied = copy.deepcopy(tree)
            inside(copied, before)[last] = wrong
            yield copied
        if isinstance(inside(tree, [*before, last]), dict):
            for wrong in WRONG_KEYS:
                copied = copy.deepcopy(tree)
                inside(copied, [*before, last])[wrong] = {}
                yield copied


def inside(tree, place):
    for part in place:
        tree = tree[part]
    return tree


def faults(stated, experiment):
    Path("experiments/mine.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    try:
        check_settings({"experiments": ["mine"], "experiments_folder": "experiments", **stated})
    except BadInputsError as error:
        return [fault.field for fault in error.faults]
    return []


@pytest.mark.parametrize("experiment", [SPECTRA, SALIENCY], ids=["spectra", "saliency"])
def test_a_mistake_anywhere_in_an_experiment_is_named(folder, experiment):
    assert faults({}, experiment) == []
    refused = [mistake for mistake in mistaken(experiment) if faults({}, mistake)]
    assert len(refused) > 100


def test_a_mistake_anywhere_in_a_configuration_is_named(folder):
    config = {
        name: value
        for name, value in Config().model_dump(by_alias=True).items()
        if name in {"results", "prepare", "seeds", "splits", "task_maps"}
    }
    config["overrides"] = {"mine": {"model": "mlp"}}
    assert faults(config, SPECTRA) == []
    refused = [mistake for mistake in mistaken(config) if faults(mistake, SPECTRA)]
    assert len(refused) > 100


@pytest.mark.parametrize("key", [1, True])
def test_a_name_that_is_no_text_does_not_hide_other_faults(folder, key):
    panels = {**SPECTRA["panels"], key: {"task": "autoencoding"}, "page": {"task": "autoencoding"}}
    found = faults({"threads": 0}, {**SPECTRA, "panels": panels})
    assert set(found) == {"threads", "panels.1", "panels.page"}


def test_an_empty_architecture_of_a_decoder_does_not_hide_other_faults(folder):
    decoders = {"network": {"model": "mlp", "architecture": None, "hops": 3}}
    found = faults({}, {**SALIENCY, "decoders": decoders})
    assert set(found) == {"decoders.network.architecture", "decoders.network.hops"}
