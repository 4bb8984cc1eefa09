# What all rules share, and beside it in common/ what each stage asks for: the only Python in the
# workflow. Settings are checked here, all at once.
import os
from operator import attrgetter

import neurospect
from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.environment import env_digest
from neurospect.provenance.shared import check_shared_folder
from neurospect.provenance.source import source_digest
from neurospect.settings import check_settings
from neurospect.settings.cohort_agreement import arrays_of
from snakemake.exceptions import WorkflowError


def refused_in_plain_words(function, *arguments):
    """Call a function of the library; what it refuses ends the workflow with its message."""
    try:
        return function(*arguments)
    except (BadInputError, BadInputsError) as error:
        raise WorkflowError(str(error))


SETTINGS = refused_in_plain_words(check_settings, config, workflow.configfiles)
if workflow.enable_cache:
    refused_in_plain_words(check_shared_folder)
# Numbers that the command line gave as text are numbers now, for `lookup` as well.
config.update(SETTINGS.config.model_dump(by_alias=True))

if (library := Path(neurospect.__file__).parents[1]).name == "src":
    # A checkout: jobs in environments of their own (conda) import the library from it, too.
    os.environ.setdefault("PYTHONPATH", str(library))

RESULTS = SETTINGS.config.results
SOURCE = f"{RESULTS}/{{cohort}}/source"
COMPONENTS = f"{RESULTS}/{{cohort}}/components"
TASK_MAPS = f"{RESULTS}/{{cohort}}/task_maps"
PREPARED = f"{RESULTS}/{{cohort}}/prepared"
SPLITS = f"{RESULTS}/{{cohort}}/splits"
VOLUMES = f"{RESULTS}/{{cohort}}/residualised"
EXPERIMENT = f"{RESULTS}/{{cohort}}/{{experiment}}"
PANEL = f"{EXPERIMENT}/{{panel}}/seed-{{seed}}"
PANEL_OF_SEEDS = f"{EXPERIMENT}/{{panel}}/seeds"
PAGE = f"{EXPERIMENT}/page/seed-{{seed}}"
DECODER = f"{EXPERIMENT}/{{decoder}}/seed-{{seed}}"
DECODERS = f"{EXPERIMENT}/summary"
DECODERS_OF_SEEDS = f"{DECODERS}/seeds"
OF_NO_PEOPLE = ("mnist", "sinusoid", "synthetic-tasks", "block-digits")
OF_VOLUMES = ("simulated-freesurfer", "freesurfer")
NOTHING = "(?!)"  # a pattern that matches no wildcard
EXPERIMENTS = {**SETTINGS.experiments, **SETTINGS.saliency}
SUMMARISED = (
    "accuracy",
    "temperature",
    "temperatures",
    "sanity_checks",
    "retraining",
    "removal_curves",
    "mean_map_tests",
)
SALIENCY_EXPERIMENTS = "|".join(SETTINGS.saliency) or NOTHING


wildcard_constraints:
    cohort="|".join(SETTINGS.cohorts),
    experiment="|".join(SETTINGS.experiments) or NOTHING,
    batch=r"\d+",
    panel=r"(?!page\b)\w+",
    decoder=r"(?!summary\b)\w+(-penalty-[^/]+)?",
    seed=r"\d+",


def cohorts_of(kind):
    """Pattern of the cohorts that are prepared from an array, from runs or from task maps."""
    return (
        "|".join(name for name, own in SETTINGS.cohorts.items() if own == kind)
        or NOTHING
    )


def code_of(script):
    """Digest of a script and of every module of the library that it reaches."""
    return source_digest(Path(workflow.source_path(f"../scripts/{script}.py")))


def pins_of(environment):
    """Digest of the pinned packages of a conda environment."""
    return env_digest(workflow.source_path(f"../envs/{environment}.yaml"))


def experiment(wildcards):
    return EXPERIMENTS[wildcards.experiment]


def of_experiment(setting):
    """A setting of the experiment, as in of_experiment("training.epochs")."""
    return lambda wildcards: attrgetter(setting)(experiment(wildcards))


def of_cohort(setting):
    """A setting of the cohort, as in of_cohort("head_size")."""
    return lambda wildcards: getattr(
        SETTINGS.config.cohorts.of(wildcards.cohort), setting
    )


def shown(path):
    """Path as rules name it: from the working directory where it lies inside."""
    path = Path(path)
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )


def in_batches(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def outputs_of(job, **wildcards):
    """All outputs of the jobs of a rule, for every combination of wildcards."""
    return collect([str(file) for file in job.output], **wildcards)


def of_every_training(name, chosen):
    """Wildcards of an experiment's jobs, for every seed."""
    seeds = SETTINGS.config.seeds
    return {"cohort": chosen.cohort, "experiment": name, "seed": seeds}


def those_wanted(asked):
    """Those of which the settings want any."""
    return [each for each, wanted in asked.items() if wanted]


def array_of_experiment(wildcards):
    """The array that models read; volumes once age and sex are taken out of them."""
    if wildcards.cohort in OF_VOLUMES:
        return f"{VOLUMES}/array.npy".format(**wildcards)
    source = SETTINGS.config.cohorts.abide.source
    array = experiment(wildcards).array or arrays_of(wildcards.cohort, source)[0]
    return f"{PREPARED}/{array}.npy".format(**wildcards)


def examples_of_cohort(wildcards):
    """The table of examples, where participants have several."""
    has_several = SETTINGS.cohorts[wildcards.cohort] == "task maps"
    return (
        {"examples": f"{PREPARED}/examples.tsv".format(**wildcards)}
        if has_several
        else {}
    )


# From raw files to prepared arrays.
include: "common/preparation.smk"
# Panels of spectra.
include: "common/panels.smk"
# Decoders and their saliency maps.
include: "common/decoders.smk"
# What is drawn, and where it stands in the report.
include: "common/report.smk"
# What lies behind the figures, and is to stay whole.
include: "common/kept.smk"
