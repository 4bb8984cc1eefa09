"""What a user's mistakes in YAML look like to the user."""

from pathlib import Path

import pytest
import yaml

from neurospect.cohorts.registry import load_cohort
from neurospect.errors import BadInputsError
from neurospect.settings import Config, check_settings
from neurospect.settings.layers import read_yaml

GOOD = {
    "title": "Multi-layer perceptrons on digits",
    "figure": "1",
    "cohort": "mnist",
    "target": "digit",
    "groups": {"column": "digit", "levels": ["0", "1", "2", "3"]},
    "model": "mlp",
    "panels": {
        "A": {"task": "autoencoding", "widths": [8]},
        "G": {"compares": "A", "groups": ["0", "3"]},
    },
}
PANEL = GOOD["panels"]["A"]
SINE_WAVES = {
    **GOOD,
    "cohort": "sinusoid",
    "target": "frequency",
    "groups": {"column": "frequency", "levels": ["1", "4"]},
    "panels": {"A": {"task": "autoencoding", "widths": [8]}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the experiments `digits` and `waves`, both sound."""
    monkeypatch.chdir(tmp_path)
    for name in ("experiments", "workflow", "config", "src"):
        Path(name).mkdir()
    write("workflow/Snakefile", "")
    write("experiments/digits.yaml", GOOD)
    write("experiments/waves.yaml", SINE_WAVES)
    return tmp_path


def write(path, content):
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    Path(path).write_text(text, encoding="utf-8")


def laid_over(below, above):
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def check(*configs, command_line=None):
    """Check as the workflow does: files laid over each other, the command line over all."""
    raw = {}
    names = []
    for number, content in enumerate(
        [{"experiments": ["digits"], "experiments_folder": "experiments"}, *configs]
    ):
        names.append(f"config-{number}.yaml")
        write(names[-1], content)
        raw = laid_over(raw, yaml.safe_load(Path(names[-1]).read_text(encoding="utf-8")))
    return check_settings(laid_over(raw, command_line or {}), names)


def faults(*configs, **options):
    with pytest.raises(BadInputsError) as raised:
        check(*configs, **options)
    return raised.value.faults


def only_fault(*configs, **options):
    found = faults(*configs, **options)
    assert len(found) == 1, [str(fault) for fault in found]
    return found[0]


def test_sound_settings_come_back_typed(folder):
    settings = check({"experiments": ["waves", "digits"], "seeds": [3]})
    assert list(settings.experiments) == ["waves", "digits"]
    assert settings.config.seeds == [3]
    assert settings.experiments["digits"].models["A"].widths == [8]
    assert settings.experiments["digits"].training.learning_rate == 1e-3


def test_what_is_not_stated_has_its_default(folder):
    assert check().config.splits == Config().splits


def test_overrides_replace_single_fields_of_an_experiment(folder):
    write("experiments/digits.yaml", {**GOOD, "training": {"epochs": 7, "evaluate_every": 3}})
    experiment = check({"overrides": {"digits": {"training": {"epochs": 2}}}}).experiments["digits"]
    assert (experiment.training.epochs, experiment.training.evaluate_every) == (2, 3)


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"treads": 2}, "treads", "unknown key.* Did you mean threads?"),
        ({"splits": {"trainig": 0.8}}, "splits.trainig", "Did you mean training?"),
        ({"threads": 0}, "threads", "found 0, expected 1 or more"),
        ({"threads": "2"}, "threads", 'found "2", expected a whole number'),
        ({"threads": True}, "threads", "found true, expected a whole number"),
        ({"threads": 2.0}, "threads", "found 2.0, expected a whole number"),
        ({"seeds": [0, -1]}, "seeds.1", "found -1, expected 0 or more"),
        ({"seeds": [2**32]}, "seeds.0", "found 4294967296, expected 4294967295 or less"),
        ({"splits": {"seed": 10**20}}, "splits.seed", "expected 4294967295 or less"),
        ({"threads": float("nan")}, "threads", "found NaN, expected a whole number"),
        ({"splits": {"test": float("nan")}}, "splits.test", "found NaN, expected a finite number"),
        ({"seeds": []}, "seeds", r"found \[\], expected 1 or more in the list"),
        ({"seeds": [1, 2, 1]}, "seeds", "1 more than once"),
        ({"seeds": None}, "seeds", "found null, expected a list"),
        ({"device": "gpu"}, "device", "expected 'auto', 'cpu' or 'cuda'"),
        ({"results": 3}, "results", "found 3, expected text. Put it in quotes"),
        ({"results": ""}, "results", "expected text that is not empty"),
        ({"results": "a{b}"}, "results", "no braces, which stand for wildcards"),
        ({"results": "a\0b"}, "results", r"found 'a\\x00b', .* no control characters"),
        ({"results": "a\nb"}, "results", "no control characters"),
        ({"results": "~/res"}, "results", r"found ~/res, .* without ~"),
        ({"results": "/"}, "results", "found /: / holds the folder in which you work"),
        ({"results": "."}, "results", "holds the folder in which you work"),
        ({"results": "res/../.."}, "results", "holds the folder in which you work"),
        (
            {"results": "config"},
            "results",
            "config is a folder of the workflow itself, expected a folder of",
        ),
        ({"results": "res/../src/"}, "results", "src is a folder of the workflow itself"),
        (
            {"cohorts": {"mnist": {"source": "openml", "folder": "a{b"}}},
            "cohorts.mnist.folder",
            "no braces, which stand for wildcards",
        ),
        (
            {"cohorts": {"mnist": {"source": "openml", "folder": "~/mnist"}}},
            "cohorts.mnist.folder",
            "without ~, which only a shell takes for a home directory",
        ),
        ({"experiments": ["digits", "digits"]}, "experiments", "digits more than once"),
        ({"experiments": ["digit"]}, "experiments.0", "digits, waves. Did you mean digits?"),
        ({"experiments": ["a-b"]}, "experiments.0", "expected text that matches"),
        ({"experiments": "digits"}, "experiments", 'found "digits", expected a list'),
        ({"experiments_folder": "nowhere"}, "experiments_folder", "nowhere, which is not a folder"),
        ({"overrides": {"waves": {}}}, "overrides.waves", "not run, expected one of digits"),
        (
            {"experiments": [], "prepare": ["sinusoid"], "overrides": {"digits": {}}},
            "overrides.digits",
            "not run, expected none, as no experiment is run",
        ),
        ({"overrides": {"digits": 3}}, "overrides.digits", "expected keys with values"),
        ({"splits": {"training": 0.9}}, "splits", "sum to 1.1, expected shares that sum to 1"),
        ({"splits": {"training": 1.0}}, "splits.training", "expected less than 1"),
        ({"splits": {"training": float("inf")}}, "splits.training", "a finite number"),
        ({"cohorts": {"mnist": 3}}, "cohorts.mnist", "expected keys with values"),
        ({"cohorts": {"mnist": {"source": "idx"}}}, "cohorts.mnist.folder", "for source idx"),
        ({"cohorts": {"mnist": {"source": "openml"}}}, "cohorts.mnist.folder", "found nothing"),
        (
            {"cohorts": {"mnist": {"source": "idx", "folder": "absent"}}},
            "cohorts.mnist.folder",
            "absent, which is not a folder",
        ),
        (
            {"cohorts": {"mnist": {"classes": ["0", "1", "2", 3]}}},
            "cohorts.mnist.classes.3",
            "found 3, .* Put it in quotes",
        ),
        (
            {"cohorts": {"sinusoid": {"classes": [1, 25]}}},
            "cohorts.sinusoid.classes",
            "25 Hz, expected between 0 and 25 Hz",
        ),
        (
            {"cohorts": {"sinusoid": {"classes_by": "phase"}}},
            "cohorts.sinusoid.frequency_hz",
            "found nothing, expected the one frequency",
        ),
        (
            {"cohorts": {"sinusoid": {"frequency_hz": 2}}},
            "cohorts.sinusoid.frequency_hz",
            "found 2, expected null",
        ),
        (
            {"cohorts": {"sinusoid": {"noise_sd": "1e-3"}}},
            "cohorts.sinusoid.noise_sd",
            "YAML reads 1e-3 as text: write 0.001",
        ),
    ],
)
def test_a_fault_of_the_configuration_names_file_and_field(folder, config, field, words):
    fault = only_fault(config)
    assert (fault.where, fault.field) == ("config-1.yaml", field)
    assert _matches(fault, words)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (
            {"panels": {"A": {"task": "autoencoding", "widths": [0]}}},
            "panels.A.widths.0",
            "found 0",
        ),
        ({"panels": {"A": {"task": "autoencoding", "widths": []}}}, "panels.A.widths", "1 or more"),
        ({"panels": {"A": 3}}, "panels.A", "found 3, expected keys with values"),
        ({"panels": {}}, "panels", "1 or more"),
        ({"panels": {"page": PANEL}}, "panels.page", "Rename the panel"),
        ({"model": "mlpp"}, "model", "found \"mlpp\", expected 'mlp', .* Did you mean mlp?"),
        ({"model": None}, "model", "found null"),
        (
            {"panels": {"A": {**PANEL, "architecture": {"heads": 2}}}},
            "panels.A.architecture.heads",
            "a setting that mlp does not have, expected some of widths, activation",
        ),
        (
            {"model": "cnn2d", "panels": {"A": {**PANEL, "architecture": {"kernal": 3}}}},
            "panels.A.architecture.kernal",
            "Did you mean kernel",
        ),
        (
            {"model": "linear", "panels": {"A": {"task": "classification", "widths": [3]}}},
            "panels.A.widths",
            "a setting that linear does not have, expected none",
        ),
        (
            {"model": "linear", "panels": {"A": {"task": "autoencoding"}}},
            "panels.A.task",
            "expected classification, all that linear learns",
        ),
        ({"cohort": "minst"}, "cohort", "Did you mean mnist"),
        ({"training": {"epoch": 3}}, "training.epoch", "Did you mean epochs?"),
        ({"training": {"learning_rate": "1e-3"}}, "training.learning_rate", "write 0.001"),
        ({"training": {"learning_rate": "1e-10"}}, "training.learning_rate", "write 1.0e-10"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate", "a number. Write a"),
        ({"training": {"batch_size": 10}}, "training.batch_size", "panel G compares groups"),
        ({"spectra": {"every": 3}}, "spectra.factors_every", "found 50, expected a multiple of"),
        ({"spectra": {"over_ties": True}}, "spectra.over_ties", "found true, for mlp, expected"),
        ({"permutation": {"alpha": 0.001, "permutations": 500}}, "permutation.permutations", "999"),
        ({"permutation": {"retrainings": 18}}, "permutation.retrainings", "19 or more, for a p"),
        ({"permutation": {"within": ["site", "site"]}}, "permutation.within", "site more than"),
        ({"permutation": {"within": ["digit"]}}, "permutation.within", "the column of the groups"),
        ({"target": "digits"}, "target", "found digits, .*digit"),
        (
            {"groups": {"column": "sex", "levels": ["0", "3"]}},
            "groups.column",
            "found sex, expected the column of classes of cohort mnist, digit",
        ),
        (
            {"groups": {"column": "digit", "levels": ["0", "3", "7"]}},
            "groups.levels",
            r"found 7, expected classes that cohort mnist keeps \(0, 1, 2, 3\)",
        ),
        (
            {"groups": {"column": "digit", "levels": ["0", "3", "0"]}},
            "groups.levels",
            "found 0 more than once",
        ),
        (
            {"groups": {"column": "digit", "levels": [0, "0", "3"]}},
            "groups.levels.0",
            "found 0, expected text. Put it in quotes",
        ),
        (
            {"panels": {**GOOD["panels"], "G": {"compares": "AA", "groups": ["0", "3"]}}},
            "panels.G.compares",
            r"found AA, expected a panel with a model \(A\). Did you mean A\?",
        ),
        (
            {"panels": {**GOOD["panels"], "H": {"compares": "G", "groups": ["0", "3"]}}},
            "panels.H.compares",
            "found G, expected a panel with a model",
        ),
        (
            {"panels": {**GOOD["panels"], "G": {"compares": "A", "groups": ["0", "9"]}}},
            "panels.G.groups",
            r"found 9, expected two of groups.levels \(0, 1, 2, 3\)",
        ),
        (
            {"panels": {**GOOD["panels"], "G": {"compares": "A", "groups": ["0", "0"]}}},
            "panels.G.groups",
            "0 more than once",
        ),
        (
            {"panels": {**GOOD["panels"], "G": {"compares": "A", "groups": ["0", "1", "2"]}}},
            "panels.G.groups",
            "2 or fewer",
        ),
    ],
)
def test_a_fault_of_an_experiment_names_its_file_and_field(folder, change, field, words):
    write("experiments/digits.yaml", {**GOOD, **change})
    fault = only_fault()
    assert (fault.where, fault.field) == (str(Path("experiments/digits.yaml")), field)
    assert _matches(fault, words)


@pytest.mark.parametrize(
    "key", ["title", "figure", "cohort", "target", "groups", "model", "panels"]
)
def test_a_missing_key_is_named(folder, key):
    write("experiments/digits.yaml", {k: v for k, v in GOOD.items() if k != key})
    fault = only_fault()
    assert (fault.field, fault.found, fault.remedy) == (key, "nothing", "Add the key.")


def test_a_misspelt_comparison_is_still_understood_as_one(folder):
    panels = {**GOOD["panels"], "G": {"compare": "A", "groups": ["0", "3"]}}
    write("experiments/digits.yaml", {**GOOD, "panels": panels})
    found = {fault.field: fault.remedy for fault in faults()}
    assert found == {
        "panels.G.compares": "Add the key.",
        "panels.G.compare": "Did you mean compares?",
    }


def test_all_faults_of_a_configuration_and_several_experiments_come_at_once(folder):
    panels = {
        "A": {"task": "autoencoding", "widths": [0]},
        "G": {"compares": "Z", "groups": ["0", "9"]},
    }
    levels = {"column": "digit", "levels": ["0", "3", "7"]}
    write("experiments/digits.yaml", {**GOOD, "panels": panels, "groups": levels})
    write("experiments/waves.yaml", {**SINE_WAVES, "training": {"epochs": "10"}, "titel": "x"})
    write("taken", "a file where the results folder should be")
    found = faults(
        {
            "experiments": ["digits", "waves", "missing"],
            "results": "taken/results",
            "treads": 3,
            "threads": "two",
            "seeds": [0, 0, -1],
            "splits": {"training": 0.5},
            "overrides": {"digits": {"training": {"learning_rate": "1e-3"}}, "others": {}},
            "cohorts": {"mnist": {"source": "idx", "per_class": 0}},
        }
    )
    digits, waves = (str(Path(f"experiments/{name}.yaml")) for name in ("digits", "waves"))
    assert {(fault.where, fault.field) for fault in found} == {
        ("config-1.yaml", "experiments.2"),
        ("config-1.yaml", "results"),
        ("config-1.yaml", "treads"),
        ("config-1.yaml", "threads"),
        ("config-1.yaml", "seeds"),
        ("config-1.yaml", "seeds.2"),
        ("config-1.yaml", "splits"),
        ("config-1.yaml", "overrides.digits.training.learning_rate"),
        ("config-1.yaml", "overrides.others"),
        ("config-1.yaml", "cohorts.mnist.folder"),
        ("config-1.yaml", "cohorts.mnist.per_class"),
        (digits, "panels.A.widths.0"),
        (digits, "panels.G.compares"),
        (digits, "panels.G.groups"),
        (digits, "groups.levels"),
        (waves, "training.epochs"),
        (waves, "titel"),
    }
    assert len(found) == 17
    with pytest.raises(BadInputsError, match=r"^17 faults in the input:\n"):
        raise BadInputsError(found)


def test_one_fault_does_not_breed_others(folder):
    """What a faulty value was meant to be is unknown, so nothing is compared with it."""
    write("experiments/digits.yaml", {**GOOD, "groups": {"column": "digit", "level": ["0", "7"]}})
    assert {fault.field for fault in faults()} == {"groups.level", "groups.levels"}
    write("experiments/digits.yaml", GOOD)
    assert only_fault({"splits": {"training": "0.8", "test": 0.3}}).field == "splits.training"
    classes = {"clases": ["0", "1"]}
    assert only_fault({"cohorts": {"mnist": classes}}).field == "cohorts.mnist.clases"


def test_the_file_on_top_is_blamed_where_two_state_the_same_field(folder):
    assert only_fault({"threads": 2, "seeds": [0]}, {"threads": 0}).where == "config-2.yaml"


def test_the_file_below_is_blamed_where_only_it_states_the_field(folder):
    assert only_fault({"threads": 0}, {"seeds": [1]}).where == "config-1.yaml"


def test_the_order_in_which_the_files_are_named_does_not_matter(folder):
    """Snakemake names the files of the command line before the default file that they cover."""
    below = {"experiments": ["digits"], "experiments_folder": "experiments", "threads": 1}
    write("below.yaml", below)
    write("above.yaml", {"threads": 0})
    for files in (["below.yaml", "above.yaml"], ["above.yaml", "below.yaml"]):
        with pytest.raises(BadInputsError) as raised:
            check_settings({**below, "threads": 0}, files)
        assert [fault.where for fault in raised.value.faults] == ["above.yaml"]


def test_values_given_on_the_command_line_are_blamed_there(folder):
    command_line = {"threads": 0, "splits": {"test": 0.3}}
    found = faults({"threads": 2}, command_line=command_line)
    assert {(fault.where, fault.field) for fault in found} == {
        ("--config", "threads"),
        ("--config", "splits"),
    }


def test_numbers_in_lists_and_mappings_of_the_command_line_are_numbers(folder):
    """Snakemake reads `seeds=[0,1]` as a list of texts."""
    override = {"training": {"epochs": "3", "learning_rate": "1e-3"}}
    command_line = {
        "seeds": ["0", "1"],
        "splits": {"training": "0.7", "test": "0.2"},
        "cohorts": {"mnist": {"classes": ["0", "3"], "per_class": "5"}},
        "overrides": {"digits": {**override, "groups": {"levels": ["0", "3"]}}},
    }
    settings = check({"experiments": ["digits"]}, command_line=command_line)
    assert settings.config.seeds == [0, 1]
    assert (settings.config.splits.training, settings.config.splits.test) == (0.7, 0.2)
    assert settings.config.cohorts.mnist.classes == ["0", "3"]
    assert settings.config.cohorts.mnist.per_class == 5
    training = settings.experiments["digits"].training
    assert (training.epochs, training.learning_rate) == (3, 0.001)


def test_text_on_the_command_line_that_is_no_number_is_refused(folder):
    fault = only_fault({"threads": 2}, command_line={"seeds": ["0", "first"]})
    assert (fault.where, fault.field) == ("--config", "seeds.1")


def test_odd_text_on_the_command_line_is_refused_in_plain_words(folder):
    command_line = {"seeds": ["[0", ": @"], "cohorts": {"mnist": {"per_class": "a: b: c"}}}
    found = faults({"threads": 2}, command_line=command_line)
    assert {(fault.where, fault.field) for fault in found} == {
        ("--config", "seeds.0"),
        ("--config", "seeds.1"),
        ("--config", "cohorts.mnist.per_class"),
    }


def test_text_for_a_number_in_a_file_stays_refused(folder):
    fault = only_fault({"seeds": ["0"]}, command_line={"threads": 2})
    assert (fault.where, fault.field) == ("config-1.yaml", "seeds.0")


def test_without_files_the_configuration_is_blamed(folder):
    with pytest.raises(BadInputsError, match="config: threads: found 0"):
        check_settings({"threads": 0, "experiments_folder": "experiments"})


def test_an_override_is_blamed_in_the_file_that_states_it(folder):
    override = {"groups": {"levels": ["0", "3", "8"]}}
    fault = only_fault({"overrides": {"digits": override}}, {"threads": 2})
    assert (fault.where, fault.field) == ("config-1.yaml", "overrides.digits.groups.levels")


def test_an_override_leaves_other_faults_with_the_experiment(folder):
    write("experiments/digits.yaml", {**GOOD, "training": {"epochs": 0, "evaluate_every": 0}})
    fault = only_fault({"overrides": {"digits": {"training": {"epochs": 3}}}})
    assert fault.where == str(Path("experiments/digits.yaml"))
    assert fault.field == "training.evaluate_every"


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("title: [unclosed\nfigure: 1\n", "line 2", "expected YAML"),
        ("title: x\n\tfigure: 1\n", "line 2", "expected YAML"),
        ("title: one\nfigure: '1'\ntitle: two\n", "line 3", "'title' a second time"),
        ("panels:\n  A: {}\n  A: {}\n", "line 3", "'A' a second time"),
        ("- a\n- b\n", "the file as a whole", "found a list, expected keys with values"),
        ("title: \x07\n", "syntax", "expected YAML"),
    ],
)
def test_broken_yaml_names_file_and_line(folder, text, field, words):
    write("experiments/digits.yaml", text)
    fault = only_fault()
    assert (fault.where, fault.field) == (str(Path("experiments/digits.yaml")), field)
    assert _matches(fault, words)


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("day: 2024-13-45", "line 2", "found 2024-13-45, which is no date"),
        ("count: 0x_", "line 2", "found 0x_, which is no whole number"),
        ("count: !!int abc", "line 2", "found abc, which is no whole number"),
        ("count: !!float ''", "line 2", "which is no number"),
        ("flag: !!bool maybe", "line 2", "found maybe, which is no bool"),
        ("day: !!timestamp soon", "line 2", "found soon, which is no date"),
        ("count: " + 5000 * "9", "line 2", "found 9{80}, which is no whole number"),
        ("deep: " + 5000 * "[", "the file as a whole", "nested too deeply"),
        ("self: &self [*self]", "line 2", "found a list or a mapping that holds itself"),
        ("self: &self {a: {b: [*self]}}", "line 2", "a mapping that holds itself"),
        ("count: 010", "line 2", "found 010, which YAML reads as 8"),
        ("count: 1:30", "line 2", "found 1:30, which YAML reads as 90"),
    ],
)
def test_yaml_that_cannot_be_what_it_looks_like_is_refused_in_words(folder, text, field, words):
    write("experiments/digits.yaml", f"title: Digits\n{text}\n")
    fault = only_fault({"experiments": ["digits"]})
    assert (fault.where, fault.field) == (str(Path("experiments/digits.yaml")), field)
    assert _matches(fault, words)


@pytest.mark.parametrize("text", ["0x1F", "1_000", "0", "-5", "0b101", "&five 5"])
def test_numbers_that_mean_what_they_say_are_read_as_yaml_reads_them(folder, text):
    write("one.yaml", f"count: {text}\n")
    assert read_yaml("one.yaml") == yaml.safe_load(f"count: {text}")


def test_what_is_stated_once_and_named_twice_is_read_twice(folder):
    write("one.yaml", "first: &list [1, {a: 2}]\nsecond: {again: *list}\n")
    assert read_yaml("one.yaml") == {"first": [1, {"a": 2}], "second": {"again": [1, {"a": 2}]}}


def test_nan_in_a_list_of_a_file_is_blamed_on_the_file(folder):
    fault = only_fault({"seeds": [0, float("nan")]}, command_line={"threads": 2})
    assert (fault.where, fault.field) == ("config-1.yaml", "seeds.1")


def test_broken_yaml_in_several_files_is_said_at_once(folder):
    write("one.yaml", "threads: [")
    write("two.yaml", "threads: {")
    Path("three.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputsError) as raised:
        check_settings({}, ["one.yaml", "two.yaml", "three.yaml"])
    assert [fault.where for fault in raised.value.faults] == ["one.yaml", "two.yaml", "three.yaml"]
    assert "UTF-8" in str(raised.value)


def test_broken_yaml_of_an_experiment_does_not_hide_other_faults(folder):
    write("experiments/digits.yaml", "title: [")
    write("experiments/waves.yaml", {**SINE_WAVES, "model": "rnnn"})
    found = faults({"experiments": ["digits", "waves"], "threads": 0})
    assert {fault.field for fault in found} == {"line 1", "model", "threads"}


def test_an_empty_experiment_file_lacks_every_key(folder):
    write("experiments/digits.yaml", "")
    assert {fault.field for fault in faults()} == {*GOOD}


@pytest.mark.parametrize("results", ["taken", "taken/below/it"])
def test_a_results_folder_with_a_file_in_its_path_is_refused(folder, results):
    write("taken", "")
    fault = only_fault({"results": results})
    assert fault.field == "results"
    assert _matches(fault, "taken is not a folder, expected a folder that can be written")
    assert not Path("results").exists()


@pytest.mark.parametrize("stated", ["res/", "./res", "res//"])
def test_a_results_folder_is_named_in_one_way(folder, stated):
    assert check({"results": stated}).config.results == "res"


def test_a_results_folder_that_does_not_exist_yet_is_fine_and_is_not_made(folder):
    check({"results": "new/folder"})
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "waves",
    [
        {"classes": [0.5, 1.2345678], "per_class": 2},
        {"classes": [1, 2.0], "per_class": 2},
        {"classes_by": "phase", "classes": [0.0, 1e-7], "frequency_hz": 3.0, "per_class": 2},
    ],
)
def test_levels_are_named_as_the_made_cohort_names_them(folder, waves):
    full = laid_over(Config().cohorts.sinusoid.model_dump(), waves)
    column = full["classes_by"]
    made = list(dict.fromkeys(load_cohort("sinusoid", full).participants[column]))
    groups = {"column": column, "levels": made}
    write("experiments/waves.yaml", {**SINE_WAVES, "target": column, "groups": groups})
    settings = check({"experiments": ["waves"], "cohorts": {"sinusoid": waves}})
    assert settings.experiments["waves"].groups.levels == made


BOXES = {
    **GOOD,
    "cohort": "synthetic-tasks",
    "target": "task",
    "groups": {"column": "task", "levels": ["A", "B"]},
    "panels": {"A": {"task": "classification", "widths": [20]}},
}


@pytest.mark.parametrize(
    ("cohort", "columns"),
    [
        ("synthetic-tasks", {"task": ["A", "B", "C"]}),
        ("block-digits", {"digit": ["0", "1"], "signal": ["lower", "upper"]}),
    ],
)
def test_classes_known_before_a_cohort_is_made_are_those_that_it_has(folder, cohort, columns):
    asked = Config().cohorts.of(cohort).model_copy(update={"per_class": 8}).model_dump()
    made = load_cohort(cohort, asked).participants
    for column, levels in columns.items():
        assert sorted(set(made[column])) == levels
        own = {"cohort": cohort, "target": column, "groups": {"column": column, "levels": levels}}
        write("experiments/boxes.yaml", {**BOXES, **own})
        assert check({"experiments": ["boxes"]}).experiments["boxes"].groups.levels == levels
        own["groups"] = {"column": column, "levels": [*levels, "D"]}
        write("experiments/boxes.yaml", {**BOXES, **own})
        (fault,) = faults({"experiments": ["boxes"]})
        assert (fault.field, fault.found) == ("groups.levels", "D")


def test_numbers_of_a_split_must_sum_to_the_images_that_are_made(folder):
    write("experiments/boxes.yaml", BOXES)
    check({"experiments": ["boxes"]})
    fewer = {"experiments": ["boxes"], "cohorts": {"synthetic-tasks": {"per_class": 200}}}
    (fault,) = faults(fewer)
    assert fault.field == "splits.sizes.synthetic-tasks"
    assert fault.expected == "600, 200 of each of 3 classes"
    sizes = {"training": 300, "validation": 200, "test": 100}
    check({**fewer, "splits": {"sizes": {"synthetic-tasks": sizes}}})


def test_an_experiment_by_frequency_is_refused_where_the_cohort_is_by_phase(folder):
    waves = {"classes_by": "phase", "classes": [1, 4], "frequency_hz": 3}
    found = faults({"experiments": ["waves"], "cohorts": {"sinusoid": waves}})
    assert {fault.field for fault in found} == {"target", "groups.column"}


def _matches(fault, words):
    __tracebackhide__ = True
    with pytest.raises(type(fault), match=words):
        raise fault
    return True
