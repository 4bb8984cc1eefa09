"""The committed files of the config folder, held against the types that generate them."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from neurospect.settings import Config, Experiment, check_settings
from neurospect.settings.generated import generated_files, write_generated

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
CONFIG_FILES = sorted(CONFIG.glob("*.yaml"))
EXPERIMENT_FILES = sorted((CONFIG / "experiments").glob("*.yaml"))
SCHEMAS = {True: "saliency.schema.json", False: "experiment.schema.json"}


def stated(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(generated_files()))
def test_the_committed_file_is_the_generated_one(name):
    committed = (CONFIG / name).read_text(encoding="utf-8")
    assert committed == generated_files()[name], "run: make generated"


def test_the_generated_files_are_written_into_the_folder_given(tmp_path):
    write_generated(tmp_path)
    written = {
        str(path.relative_to(tmp_path)): path.read_text(encoding="utf-8")
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert written == generated_files()


def test_the_default_file_read_back_is_the_default_configuration():
    assert Config.model_validate(stated(CONFIG / "config.yaml")) == Config()


def test_every_line_of_the_default_file_is_explained_by_a_comment():
    lines = (CONFIG / "config.yaml").read_text(encoding="utf-8").splitlines()
    keys = [position for position, line in enumerate(lines) if line and "#" not in line]
    assert len(keys) > 20
    assert all(lines[position - 1].lstrip().startswith("#") for position in keys)


def test_committed_configurations_and_experiments_are_there_to_be_checked():
    assert {path.name for path in CONFIG_FILES} >= {"config.yaml", "demo.yaml", "paper.yaml"}
    assert EXPERIMENT_FILES


@pytest.mark.parametrize("path", CONFIG_FILES, ids=lambda path: path.name)
def test_every_committed_configuration_passes_the_check(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    files = [CONFIG / "config.yaml", path]
    settings = check_settings({**stated(files[0]), **stated(path)}, files)
    named = [*settings.experiments, *settings.saliency]
    assert sorted(named) == sorted(settings.config.experiments)


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda path: path.name)
def test_every_committed_experiment_passes_the_check(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    places = {
        "cobre": {"folder": "config"},
        "freesurfer": {"folder": "config", "participants": "config/config.yaml"},
        "hcp": {"folder": "config", "unrestricted": "config/config.yaml"},
    }
    settings = check_settings({"experiments": [path.stem], "cohorts": places})
    experiment = {**settings.experiments, **settings.saliency}[path.stem]
    assert experiment.title == stated(path)["title"]


@pytest.mark.parametrize(
    ("path", "schema"),
    [(path, "config.schema.json") for path in CONFIG_FILES]
    + [(path, SCHEMAS["decoders" in stated(path)]) for path in EXPERIMENT_FILES],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_schema_for_editors_accepts_every_committed_file(path, schema):
    schema = json.loads((CONFIG / "schemas" / schema).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(stated(path), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("schema", "content"),
    [
        ("config.schema.json", {"threads": 0}),
        ("config.schema.json", {"treads": 1}),
        ("config.schema.json", {"seeds": [0, 0]}),
        ("config.schema.json", {"cohorts": {"mnist": {"classes": ["0", "ten"]}}}),
        ("experiment.schema.json", {"panels": {"A": {"task": "autoencoding", "widths": [0]}}}),
        ("saliency.schema.json", {"decoders": {"a": {"model": "mlp", "epsilon": 0.0}}}),
        ("saliency.schema.json", {"maps": {"gradients": {}}}),
    ],
)
def test_the_schema_for_editors_refuses_what_the_check_refuses(schema, content):
    if not schema.startswith("config"):
        whole = next(
            path for path in EXPERIMENT_FILES if SCHEMAS["decoders" in stated(path)] == schema
        )
        content = {**stated(whole), **content}
    schema = json.loads((CONFIG / "schemas" / schema).read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_compared_groups_come_in_the_order_of_the_levels():
    content = stated(CONFIG / "experiments" / "mnist_mlp.yaml")
    content["panels"] = {
        "A": {"task": "autoencoding", "widths": [3]},
        "G": {"compares": "A", "groups": ["3", "0"]},
        "H": {"compares": "A", "groups": ["1", "3"]},
    }
    experiment = Experiment.model_validate(content)
    assert experiment.compared_groups("A") == ["0", "1", "3"]
    assert list(experiment.models) == ["A"]
    assert list(experiment.comparisons) == ["G", "H"]
