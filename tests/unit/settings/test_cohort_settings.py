"""What a user's mistakes in the settings of cohorts look like to the user."""

import re
from pathlib import Path

import pytest
import yaml

from neurospect.errors import BadInputsError
from neurospect.settings import Config, check_settings

EXPERIMENT = {
    "title": "Recurrent networks on time courses",
    "figure": "5",
    "cohort": "simulated-rest",
    "array": "time_courses",
    "target": "diagnosis",
    "groups": {"column": "diagnosis", "levels": ["patient", "control"]},
    "model": "mlp",
    "panels": {"A": {"task": "classification", "widths": [8]}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there/file.csv").touch()
    Path("config/experiments").mkdir(parents=True)


def faults(config, **experiment):
    Path("config/experiments/rest.yaml").write_text(yaml.safe_dump({**EXPERIMENT, **experiment}))
    with pytest.raises(BadInputsError) as raised:
        check_settings({"experiments": ["rest"], **config})
    return {fault.field: str(fault) for fault in raised.value.faults}


def test_a_cohort_without_an_experiment_can_be_prepared():
    settings = check_settings({"experiments": [], "prepare": ["simulated-hcp"]})
    assert settings.config.prepare == ["simulated-hcp"]
    assert settings.config.cohorts.of("simulated-hcp") is settings.config.cohorts.simulated_hcp


def test_every_cohort_has_settings_under_its_own_name():
    by_name = Config().cohorts.model_dump(by_alias=True)
    for name in (
        "simulated-rest",
        "simulated-hcp",
        "abide",
        "cobre",
        "hcp",
        "simulated-freesurfer",
    ):
        assert Config().cohorts.of(name).model_dump() == by_name[name]


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"experiments": []}, "experiments", "nothing to run and nothing to prepare"),
        ({"prepare": ["hpc"]}, "prepare.0", "Did you mean hcp"),
        ({"prepare": ["mnist", "mnist"]}, "prepare", "mnist more than once"),
        (
            {"cohorts": {"simulated-rest": {"participant": 9}}},
            "cohorts.simulated-rest.participant",
            "Did you mean participants",
        ),
        ({"prepare": ["cobre"]}, "cohorts.cobre.folder", "found nothing.*docs/cohorts.md"),
        (
            {"prepare": ["cobre"], "cohorts": {"cobre": {"folder": "nowhere"}}},
            "cohorts.cobre.folder",
            "nowhere, which is not a folder",
        ),
        (
            {"cohorts": {"cobre": {"session": "a;rm -rf"}}},
            "cohorts.cobre.session",
            "expected text that matches",
        ),
        (
            {"prepare": ["hcp"], "cohorts": {"hcp": {"folder": "there"}}},
            "cohorts.hcp.unrestricted",
            "found nothing",
        ),
        (
            {
                "prepare": ["freesurfer"],
                "cohorts": {
                    "freesurfer": {
                        "folder": "there",
                        "table": "there/file.csv",
                        "participants": "there/file.csv",
                    }
                },
            },
            "cohorts.freesurfer.folder",
            "found folder and table",
        ),
        (
            {
                "prepare": ["freesurfer"],
                "cohorts": {
                    "freesurfer": {
                        "table": "there/file.csv",
                        "participants": "there/file.csv",
                        "categorical": ["site"],
                    }
                },
            },
            "cohorts.freesurfer.categorical",
            "found site, expected some of the covariates",
        ),
        (
            {
                "prepare": ["simulated-freesurfer"],
                "cohorts": {"simulated-freesurfer": {"covariates": ["age", "education"]}},
            },
            "cohorts.simulated-freesurfer.covariates",
            "found education, expected some of age, sex, site",
        ),
        (
            {"components": {"template": "a.nii"}},
            "components.template",
            "a.nii, which is not a file",
        ),
        (
            {"components": {"time_courses": {"high_pass_hz": 0.1, "low_pass_hz": 0.01}}},
            "components.time_courses.low_pass_hz",
            "more than high_pass_hz",
        ),
        (
            {"splits": {"stratify_by": {"simulated-rest": ["sex", "sex"]}}},
            "splits.stratify_by.simulated-rest",
            "sex more than once",
        ),
        (
            {"splits": {"sizes": {"hcp": {"training": 788, "test": 95}}}},
            "splits.sizes.hcp.validation",
            "found nothing",
        ),
        (
            {"splits": {"sizes": {"hcp": {"training": 1, "test": 1, "validation": 1, "tests": 3}}}},
            "splits.sizes.hcp.tests",
            "Did you mean test",
        ),
    ],
)
def test_a_fault_names_its_field(config, field, words):
    found = faults(config)
    assert list(found) == [field]
    assert re.search(words, found[field])


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ({"array": None}, r"found nothing.*\(time_courses, spatial_maps\)"),
        ({"array": "time_course"}, "Did you mean time_courses"),
        ({"cohort": "simulated-hcp"}, r"found time_courses.*\(task_maps\)"),
    ],
)
def test_an_array_that_the_cohort_does_not_hold_is_named(experiment, words):
    found = faults({}, **experiment)
    assert list(found) == ["array"]
    assert re.search(words, found["array"])


def test_the_only_array_of_a_cohort_need_not_be_named():
    content = {**EXPERIMENT, "cohort": "simulated-hcp", "array": None}
    Path("config/experiments/maps.yaml").write_text(yaml.safe_dump(content))
    assert check_settings({"experiments": ["maps"]}).experiments["maps"].array is None
