"""What a saliency experiment may say, and how a user's mistakes in it are named."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from neurospect.errors import BadInputsError
from neurospect.settings import Experiment, SaliencyExperiment, check_settings

FILE = Path("experiments/maps.yaml")
LINEAR = {"model": "linear"}
NETWORK = {"model": "mlp", "widths": [8]}
GOOD = {
    "title": "Maps of digits",
    "figure": "S1",
    "cohort": "mnist",
    "target": "digit",
    "decoders": {
        "regression": LINEAR,
        "network": NETWORK,
        "robust": {**NETWORK, "training": "pgd", "epsilon": 1.0, "steps": 2},
    },
    "maps": {"gradient": {}, "smoothgrad": {"samples": 3}, "weights": {}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILE.parent.mkdir()
    np.save("mask.npy", np.ones((28, 28), dtype=bool))
    return tmp_path


def check(content, **config):
    FILE.write_text(yaml.safe_dump(content), encoding="utf-8")
    stated = {"experiments": ["maps"], "experiments_folder": "experiments", **config}
    return check_settings(stated)


def faults(content, **config):
    with pytest.raises(BadInputsError) as raised:
        check(content, **config)
    return raised.value.faults


def with_decoder(**changes):
    return {**GOOD, "decoders": {"regression": LINEAR, "network": {**NETWORK, **changes}}}


def test_a_file_with_decoders_is_a_saliency_experiment_and_no_other(folder):
    settings = check(GOOD)
    assert settings.experiments == {}
    assert list(settings.saliency) == ["maps"]
    assert isinstance(settings.saliency["maps"], SaliencyExperiment)
    assert settings.cohorts == {"mnist": "array"}


def test_both_kinds_of_experiments_are_checked_together(folder):
    panels = {"A": {"task": "autoencoding"}}
    groups = {"column": "digit", "levels": ["0", "1"]}
    kept = {key: GOOD[key] for key in ("title", "figure", "cohort", "target")}
    spectra = {**kept, "groups": groups, "model": "mlp", "panels": panels}
    Path("experiments/spectra.yaml").write_text(yaml.safe_dump(spectra), encoding="utf-8")
    settings = check(GOOD, experiments=["maps", "spectra"])
    assert list(settings.saliency) == ["maps"]
    assert isinstance(settings.experiments["spectra"], Experiment)
    broken = {**spectra, "target": "colour"}
    Path("experiments/spectra.yaml").write_text(yaml.safe_dump(broken), encoding="utf-8")
    found = faults({**GOOD, "target": "colour"}, experiments=["maps", "spectra"])
    assert {fault.where for fault in found} == {str(FILE), str(FILE.with_name("spectra.yaml"))}


def test_experiments_come_in_the_order_in_which_they_are_named(folder):
    names = [f"maps{number}" for number in (5, 3, 8, 1, 7, 2, 6, 4)]
    for name in names:
        FILE.with_stem(name).write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    assert list(check(GOOD, experiments=names).saliency) == names


def test_decoders_of_a_sweep_are_told_apart_by_their_penalties(folder):
    penalties = [0.0, 1.0, 1e-4, 1e-5, 0.1234567, 0.1234568]
    sweep = {"decoders": {"network": NETWORK}, "maps": {"gradient": {}}}
    content = {**GOOD, **sweep, "regularisation": {"penalties": penalties}}
    penalised = check(content).saliency["maps"].penalised
    assert list(penalised.values()) == [("network", penalty) for penalty in penalties]
    assert [name.removeprefix("network-penalty-") for name in penalised] == [
        *("0", "1", "0.0001", "1e-05"),
        *("0.1234567", "0.1234568"),
    ]


def test_maps_of_linear_models_are_made_of_linear_decoders_only(folder):
    experiment = check(GOOD).saliency["maps"]
    assert list(experiment.maps_of("regression")) == ["gradient", "smoothgrad", "weights"]
    assert list(experiment.maps_of("network")) == ["gradient", "smoothgrad"]
    assert experiment.maps_of("network")["smoothgrad"]["samples"] == 3
    assert experiment.maps_of("network")["smoothgrad"]["standard_deviation"] == 0.3


def test_a_decoder_may_have_some_of_the_maps_only(folder):
    experiment = check(with_decoder(maps=["smoothgrad"])).saliency["maps"]
    assert list(experiment.maps_of("network")) == ["smoothgrad"]


def test_a_way_of_training_gets_what_was_stated_for_it_and_no_more(folder):
    experiment = check(GOOD).saliency["maps"]
    assert experiment.decoders["robust"].training_options == {"epsilon": 1.0, "steps": 2}
    assert experiment.decoders["network"].training_options == {}


def test_an_override_reaches_a_single_option_and_turns_a_method_off(folder):
    changes = {"maps": {"smoothgrad": {"samples": 2}, "weights": None}}
    experiment = check(GOOD, overrides={"maps": changes}).saliency["maps"]
    assert experiment.maps.options == {
        "gradient": {},
        "smoothgrad": {"samples": 2, "standard_deviation": 0.3, "seed": 0},
    }


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        (with_decoder(training="pgd", epsilon=0.0), "decoders.network.epsilon", "more than 0"),
        (with_decoder(training="pgd", epsilon=-1.0), "decoders.network.epsilon", "more than 0"),
        (with_decoder(training="pgd"), "decoders.network.epsilon", "found nothing"),
        (with_decoder(training="fgsm"), "decoders.network.training", "'plain', 'random_noise'"),
        (with_decoder(epsilon=1.0), "decoders.network.epsilon", "training: plain does not have"),
        (
            with_decoder(training="pgd", epsilon=1.0, hops=3),
            "decoders.network.hops",
            "expected some of epsilon, steps, step_size",
        ),
        (
            with_decoder(training="algorithm1", epsilon=1.0, step_size=0.5),
            "decoders.network.step_size",
            "expected some of epsilon, hops, one_pass",
        ),
        (
            with_decoder(architecture={"heads": 2}),
            "decoders.network.architecture.heads",
            "a setting that mlp does not have",
        ),
        (
            {**GOOD, "decoders": {"regression": {"model": "linear", "widths": [3]}}},
            "decoders.regression.widths",
            "a setting that linear does not have",
        ),
        (with_decoder(model="perceptron"), "decoders.network.model", "expected 'mlp'"),
        (with_decoder(hop=2), "decoders.network.hop", "Did you mean hops?"),
        (with_decoder(maps=["weights"]), "decoders.network.maps", "weights, of a decoder of"),
        (
            with_decoder(maps=["gradient", "integrated_gradients"]),
            "decoders.network.maps",
            "integrated_gradients, not among the experiment's maps",
        ),
        (with_decoder(maps=["gradient", "gradient"]), "decoders.network.maps", "more than once"),
        ({**GOOD, "decoders": {}}, "decoders", "1 or more in the list"),
        ({**GOOD, "decoders": {"summary": NETWORK, "a": LINEAR}}, "decoders.summary", "another"),
        (
            {**GOOD, "decoders": {"network": NETWORK}},
            "maps.weights",
            "no decoder that is one, expected a decoder with model: linear",
        ),
        ({**GOOD, "maps": {"gradients": {}}}, "maps.gradients", "Did you mean gradient?"),
        ({**GOOD, "maps": {}}, "maps", "found no map"),
        (
            {**GOOD, "maps": {"smoothgrad": {"sigma": 2.0}}},
            "maps.smoothgrad.sigma",
            "expected one of samples, standard_deviation, seed",
        ),
        (
            {**GOOD, "maps": {"smoothgrad": {"standard_deviation": 0.0}}},
            "maps.smoothgrad.standard_deviation",
            "more than 0",
        ),
        ({**GOOD, "maps": {"gradient": {"steps": 3}}}, "maps.gradient.steps", "unknown key"),
        ({**GOOD, "criteria": {"mask": "absent.nii"}}, "criteria.mask", "absent.nii, which is no"),
        ({**GOOD, "criteria": {"mask": "experiments"}}, "criteria.mask", "no such file"),
        ({**GOOD, "criteria": {"temperature": 0.0}}, "criteria.temperature", "more than 0"),
        ({**GOOD, "criteria": {"temperatures": [1.0, 1.0]}}, "criteria.temperatures", "1.0 more"),
        ({**GOOD, "criteria": {"templates": "subject"}}, "criteria.templates", "one example each"),
        ({**GOOD, "criteria": {"templates": "own"}}, "criteria.templates", "'all' or 'subject'"),
        (
            {**GOOD, "regularisation": {"penalties": [0.0, -1.0]}},
            "regularisation.penalties.1",
            "0.0 or more",
        ),
        ({**GOOD, "training": {"weight_penalty": -1.0}}, "training.weight_penalty", "or more"),
        ({**GOOD, "training": {"micro_batch_size": 0}}, "training.micro_batch_size", "1 or more"),
        (
            {**GOOD, "training": {"batch_size": 8, "micro_batch_size": 9}},
            "training.micro_batch_size",
            r"expected batch_size (8) or less",
        ),
        ({**GOOD, "sanity_checks": {"example": 3}}, "sanity_checks.example", "mean examples?"),
        ({**GOOD, "removal": {"fractions": [0.5, 2.0]}}, "removal.fractions.1", "1.0 or less"),
        (
            {**GOOD, "removal": {"method": "integrated_gradients"}},
            "removal.method",
            "expected one of the experiment's maps",
        ),
        ({**GOOD, "significance": {"surrogates": 3}}, "significance.surrogates", "19 or more"),
        ({**GOOD, "target": "task"}, "target", "digit"),
        ({**GOOD, "array": "task_maps"}, "array", "expected an array of cohort mnist"),
        ({**GOOD, "panels": {}}, "decoders", "an unknown key"),
    ],
)
def test_a_fault_is_named_with_its_field(folder, content, field, words):
    found = {fault.field: str(fault) for fault in faults(content)}
    assert field in found, found
    assert words in found[field]


def test_a_sound_experiment_with_everything_is_accepted(folder):
    everything = {
        **GOOD,
        "criteria": {"temperature": 2.0, "temperatures": [], "mask": "mask.npy"},
        "regularisation": {"penalties": [0.0, 0.1], "learning_rate": 0.01},
        "sanity_checks": {},
        "removal": {"fractions": [0.5], "method": "smoothgrad"},
        "significance": {"surrogates": 19},
    }
    experiment = check(everything).saliency["maps"]
    assert experiment.sanity_checks is not None and experiment.sanity_checks.labels
    assert check(GOOD).saliency["maps"].sanity_checks is None


def test_subject_templates_go_with_cohorts_of_task_maps(folder):
    content = {**GOOD, "cohort": "simulated-hcp", "target": "task"}
    content = {**content, "criteria": {"templates": "subject"}}
    assert check(content).saliency["maps"].criteria.templates == "subject"


def test_all_faults_come_at_once(folder):
    content = {**with_decoder(training="pgd", hops=1), "maps": {"gradient": {}, "saliency": {}}}
    found = faults({**content, "criteria": {"mask": "absent.npy"}, "target": "task"})
    assert {fault.field for fault in found} == {
        "decoders.network.hops",
        "decoders.network.epsilon",
        "maps.saliency",
        "criteria.mask",
        "target",
    }


def test_a_misspelt_list_of_decoders_is_still_understood(folder):
    content = {key: value for key, value in GOOD.items() if key != "decoders"}
    found = {fault.field: fault.remedy for fault in faults({**content, "decoder": {}})}
    assert found["decoder"] == "Did you mean decoders?"
