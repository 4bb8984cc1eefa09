# What the rules share: the only Python in the workflow. Settings are checked here, all at once.
import functools
import os
import re
from math import ceil
from operator import attrgetter
from types import SimpleNamespace

import neurospect
from neurospect.arrays.exclusions import exclusion_table
from neurospect.cohorts.hcp import task_map_sources
from neurospect.cohorts.registry import raw_files
from neurospect.cohorts.rest import rest_sources
from neurospect.cohorts.simulated_freesurfer import simulated_freesurfer_files
from neurospect.cohorts.simulated_hcp import simulated_hcp_files
from neurospect.cohorts.simulated_rest import simulated_rest_files
from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.environment import env_digest
from neurospect.provenance.job import recorded_path
from neurospect.provenance.shared import SharedAs, check_shared_folder
from neurospect.provenance.source import source_digest
from neurospect.provenance.tags import read_recipe
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
ACTIVATION_NAMES = {
    "relu": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "elu": "ELU",
}


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
    return source_digest(Path(workflow.basedir).parent / "scripts" / f"{script}.py")


def pins_of(environment):
    """Digest of the pinned packages of a conda environment."""
    return env_digest(Path(workflow.basedir).parent / "envs" / f"{environment}.yaml")


def names_and_contents(wildcards, input, output):
    """What the key of results that are shared between projects would leave out."""
    files = map(recorded_path, input)
    made_here = f"{recorded_path(RESULTS)}/"
    return SharedAs(
        recorded_path(output.record),
        [file for file in files if not file.startswith(made_here)],
    )


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


def of_panel(setting):
    """A setting of the panel, as in of_panel("widths")."""
    return lambda wildcards: getattr(
        experiment(wildcards).panels[wildcards.panel], setting
    )


def architecture_of_panel(wildcards):
    return experiment(wildcards).architecture(wildcards.panel)


def groups_compared_in_panel(wildcards):
    return experiment(wildcards).compared_groups(wildcards.panel)


def from_compared_panel(file):
    """A file of the panel whose model this panel looks at."""

    def path(wildcards):
        panel = experiment(wildcards).panels[wildcards.panel].compares
        return os.path.join(PANEL.format(**{**wildcards, "panel": panel}), file)

    return path


def of_every_seed(file):
    """One file of a panel for every seed."""
    return lambda wildcards: [
        f"{PANEL.format(**{**wildcards, 'seed': seed})}/{file}"
        for seed in SETTINGS.config.seeds
    ]


def of_compared_panel(setting):
    """What another input function says of the panel whose model this panel looks at."""

    def value(wildcards):
        panel = experiment(wildcards).panels[wildcards.panel].compares
        return setting(SimpleNamespace(**{**wildcards, "panel": panel}))

    return value


def retrainings_of_batch(wildcards):
    """Numbers of the retrainings of one job."""
    settings = experiment(wildcards).permutation
    every = range(1, settings.retrainings + 1)
    return in_batches(list(every), settings.retrainings_per_job)[int(wildcards.batch)]


def batches_of_retrainings(wildcards):
    settings = experiment(wildcards).permutation
    batches = ceil(settings.retrainings / settings.retrainings_per_job)
    folder = f"{PANEL}/retrainings".format(**wildcards)
    return [f"{folder}/batch-{number}.nc" for number in range(batches)]


def differences_to_test(wildcards):
    """From retrainings, where they are wanted and the model learnt classes."""
    chosen = experiment(wildcards)
    compared = chosen.models[chosen.comparisons[wildcards.panel].compares]
    is_retrained = chosen.permutation.retrainings and compared.task == "classification"
    file = "retrained_differences.nc" if is_retrained else "permuted_differences.nc"
    return f"{PANEL}/{file}".format(**wildcards)


def cohort_settings(wildcards):
    """Settings of a cohort that bear on its content (where its files lie does not)."""
    settings = SETTINGS.config.cohorts.of(wildcards.cohort)
    return settings.model_dump(exclude=set(settings.places))


def cohort_raw_files(wildcards):
    settings = SETTINGS.config.cohorts.of(wildcards.cohort).model_dump()
    if wildcards.cohort == "simulated-freesurfer":
        settings["folder"] = SOURCE.format(**wildcards)
        return raw_files(wildcards.cohort, settings)
    return [os.path.relpath(file) for file in raw_files(wildcards.cohort, settings)]


def shown(path):
    """Path as rules name it: from the working directory where it lies inside."""
    path = Path(path)
    return str(
        path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    )


def in_batches(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


@functools.cache
def sources_of_runs(cohort):
    """Table of participants, runs and who has none, found by names; no image is opened."""
    settings = SETTINGS.config.cohorts.of(cohort).model_dump()
    return refused_in_plain_words(
        rest_sources, cohort, settings, Path(SOURCE.format(cohort=cohort))
    )


@functools.cache
def batches_of_runs(cohort):
    return in_batches(
        sources_of_runs(cohort).runs, SETTINGS.config.components.runs_per_job
    )


def runs_of_batch(wildcards):
    return batches_of_runs(wildcards.cohort)[int(wildcards.batch)]


def first_runs(wildcards):
    """Runs of which the first that can be opened says the grid."""
    return [shown(run.image) for run in sources_of_runs(wildcards.cohort).runs[:3]]


def files_of_batch(kind):
    """The image, mask or confounds of every run of a batch that has one."""
    return lambda wildcards: [
        shown(file)
        for file in map(attrgetter(kind), runs_of_batch(wildcards))
        if file is not None
    ]


def sidecars_of_batch(wildcards):
    """The JSON beside each image, which may say the repetition time."""
    return [
        shown(run.sidecar)
        for run in runs_of_batch(wildcards)
        if run.sidecar is not None
    ]


def ids_of_batch(wildcards):
    """Whose the files of a batch are, in their order."""
    return [
        {
            "participant_id": run.participant_id,
            "session": run.session,
            "confounds": run.confounds is not None,
        }
        for run in runs_of_batch(wildcards)
    ]


def participants_of_runs(wildcards):
    return shown(sources_of_runs(wildcards.cohort).participants)


def participants_without_run(wildcards):
    return excluded_rows(sources_of_runs(wildcards.cohort).exclusions)


def template_files(wildcards):
    """Template, labels and mask of the analysis, those that the configuration gives."""
    chosen = SETTINGS.config.components
    files = {"template": chosen.template, "labels": chosen.labels, "mask": chosen.mask}
    return {
        name: file for name, file in files.items() if file not in (None, "stand-in")
    }


@functools.cache
def sources_of_task_maps(cohort):
    """Tables, examples and what is missing, found by names; no image is opened."""
    settings = SETTINGS.config.cohorts.of(cohort).model_dump()
    return refused_in_plain_words(
        task_map_sources, cohort, settings, Path(SOURCE.format(cohort=cohort))
    )


@functools.cache
def batches_of_task_maps(cohort):
    """Examples of so many participants each."""
    by_participant = {}
    for example in sources_of_task_maps(cohort).examples:
        by_participant.setdefault(example.participant_id, []).append(example)
    groups = in_batches(
        list(by_participant.values()), SETTINGS.config.task_maps.participants_per_job
    )
    return [[example for own in group for example in own] for group in groups]


def examples_of_batch(wildcards):
    """What the files of a batch are, in their order."""
    return [
        {
            "participant_id": each.participant_id,
            "task": each.task,
            "contrast": each.contrast,
            "negated": each.negated,
            "files": len(each.files),
        }
        for each in batches_of_task_maps(wildcards.cohort)[int(wildcards.batch)]
    ]


def task_map_files_of_batch(wildcards):
    batch = batches_of_task_maps(wildcards.cohort)[int(wildcards.batch)]
    return [shown(file) for example in batch for file in example.files]


def mask_of_task_maps(wildcards):
    mask = SETTINGS.config.task_maps.mask
    return {"mask": mask} if mask else {}


def task_map_tables(wildcards):
    tables = sources_of_task_maps(wildcards.cohort).tables
    return {name: shown(path) for name, path in tables.items()}


def examples_not_found(wildcards):
    return excluded_rows(sources_of_task_maps(wildcards.cohort).exclusions)


def excluded_rows(exclusions):
    """Exclusions as rows of a table."""
    return exclusion_table(exclusions).to_dict("records")


def from_batches(file, folder):
    """One file of every batch of a cohort."""

    def paths(wildcards):
        batches = (batches_of_task_maps if folder == TASK_MAPS else batches_of_runs)(
            wildcards.cohort
        )
        home = folder.format(**wildcards)
        return [f"{home}/batch-{number}/{file}" for number in range(len(batches))]

    return paths


def split_sizes(wildcards):
    """Numbers of participants, where the configuration gives them."""
    sizes = SETTINGS.config.splits.sizes.get(wildcards.cohort)
    return sizes.model_dump() if sizes else None


def split_classes(wildcards):
    """Columns that are balanced; None for the cohort's own class."""
    return SETTINGS.config.splits.stratify_by.get(wildcards.cohort)


def may_be_unrelated(wildcards):
    return wildcards.cohort in SETTINGS.config.splits.assume_unrelated


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


def decoding_files(wildcards):
    """What decoders learn from, and the mask where rows of the array are its voxels."""
    files = {
        "participants": f"{PREPARED}/participants.tsv",
        "description": f"{PREPARED}/dataset_description.json",
        "splits": f"{SPLITS}/splits.tsv",
    }
    if SETTINGS.cohorts[wildcards.cohort] == "task maps":
        files["voxels"] = f"{PREPARED}/mask.nii.gz"
    return {
        **{name: file.format(**wildcards) for name, file in files.items()},
        **examples_of_cohort(wildcards),
        "array": array_of_experiment(wildcards),
    }


def map_masks(wildcards):
    """Where maps are compared: the cohort's mask of volumes, and the one that is given."""
    files = {}
    if experiment(wildcards).array == "spatial_maps":
        files["space"] = f"{COMPONENTS}/mask.nii.gz".format(**wildcards)
    if given := experiment(wildcards).criteria.mask:
        files["mask"] = shown(Path(given).absolute())
    return files


def maps_of_decoder(wildcards):
    """Options by method, of the maps that are made of a decoder."""
    return experiment(wildcards).maps_of(wildcards.decoder)


def options_of_removal(wildcards):
    """Options of the maps by which values are removed."""
    chosen = experiment(wildcards)
    return chosen.maps.options[chosen.removal.method]


def of_decoders(names, file):
    """One file of every decoder and seed; `names` says which decoders an experiment has."""

    def paths(wildcards):
        of_all = {**wildcards, "table": wildcards.get("table")}
        return [
            f"{DECODER}/{file}".format(**of_all, decoder=name, seed=seed)
            for name in names(experiment(wildcards))
            for seed in SETTINGS.config.seeds
        ]

    return paths


def of_every_decoder(file):
    return of_decoders(attrgetter("decoders"), file)


def baselines_beside(wildcards):
    """The accuracies of baselines, for the table of accuracies."""
    beside = wildcards.table == "accuracy" and experiment(wildcards).baselines
    return [f"{DECODERS}/baselines.tsv".format(**wildcards)] if beside else []


def of_every_penalty(file):
    return of_decoders(attrgetter("penalised"), file)


def maps_of_every_decoder(wildcards):
    """The maps of every decoder, of one seed."""
    at = dict(wildcards)
    return [
        f"{DECODER}/maps.nc".format(**at, decoder=name)
        for name in experiment(wildcards).decoders
    ]


def is_in_space(chosen):
    """Whether examples are volumes."""
    of_voxels = SETTINGS.cohorts[chosen.cohort] == "task maps"
    return of_voxels or chosen.array == "spatial_maps"


def figures_of_saliency():
    """Every figure of every saliency experiment, and the chain of each."""
    figures = []
    for name, chosen in SETTINGS.saliency.items():
        at = {"cohort": chosen.cohort, "experiment": name}
        asked = {
            "criteria": True,
            "temperatures": chosen.criteria.temperatures,
            "regularisation": chosen.penalised,
            "sanity_checks": chosen.sanity_checks,
            "removal": chosen.removal,
        }
        of_seeds = DECODERS_OF_SEEDS.format(**at)
        figures += [
            f"{of_seeds}/{figure}" for figure, wanted in asked.items() if wanted
        ]
        figures += collect(
            f"{DECODERS.format(**at)}/seed-{{seed}}/example_maps",
            seed=SETTINGS.config.seeds,
        )
        if is_in_space(chosen):
            of_decoder = DECODER.format(**at, decoder="{decoder}", seed="{seed}")
            figures += collect(
                f"{of_decoder}/brain_maps",
                decoder=list(chosen.decoders),
                seed=SETTINGS.config.seeds,
            )
    return collect("{figure}{suffix}", figure=figures, suffix=[".png", ".chain.html"])


def tables_of_saliency():
    """What is made of every saliency experiment: the tables of all its decoders together."""
    tables = []
    for name, chosen in SETTINGS.saliency.items():
        asked = {
            "criteria": True,
            "accuracy": True,
            "temperature": True,
            "temperatures": chosen.criteria.temperatures,
            "baselines": chosen.baselines,
            "regularisation": chosen.penalised,
            "sanity_checks": chosen.sanity_checks,
            "retraining": chosen.removal,
            "removal_curves": chosen.removal,
            "mean_map_tests": chosen.significance,
        }
        summary = DECODERS.format(cohort=chosen.cohort, experiment=name)
        tables += [
            f"{summary}/{table}.tsv" for table, wanted in asked.items() if wanted
        ]
    return tables


def decoder_trained(wildcards):
    """What a decoder is, by the keywords of neurospect.saliency.decoders.Decoder."""
    return experiment(wildcards).trained(wildcards.decoder)


def learning_rate_of_decoder(wildcards):
    return experiment(wildcards).learning_rate(wildcards.decoder)


def panel_title(wildcards, name=None):
    """What a panel shows, in the papers' words: task, widths, activation."""
    chosen = experiment(wildcards)
    panel = chosen.panels[name or wildcards.panel]
    model = chosen.models[getattr(panel, "compares", name or wildcards.panel)]
    task = {"autoencoding": "Auto-encoding", "classification": "Classification"}[
        model.task
    ]
    activation = ACTIVATION_NAMES.get(model.activation)
    parts = [task, model.widths and str(model.widths), activation]
    return ", ".join(filter(None, parts))


def comparison_title(wildcards):
    """What a panel that compares groups shows; a page says the groups by itself."""
    groups = experiment(wildcards).panels[wildcards.panel].groups
    return f"{panel_title(wildcards)}: groups {' and '.join(groups)}"


def lettered_panels(wildcards, kind):
    """Panels of the page: those that the papers letter; variants with longer names stand alone."""
    return [name for name in getattr(experiment(wildcards), kind) if len(name) == 1]


def lettered_panel_titles(wildcards):
    """Titles by panel, in the order of the experiment's file."""
    names = [name for name in experiment(wildcards).panels if len(name) == 1]
    return {name: panel_title(wildcards, name) for name in names}


def files_of_panels(kind, file):
    """One file of each lettered panel; kind is "models" or "comparisons"."""
    return lambda wildcards: [
        f"{PANEL.format(**{**wildcards, 'panel': name})}/{file}"
        for name in lettered_panels(wildcards, kind)
    ]


def figures_of_all_experiments():
    """Every panel and page, and the chain of each."""
    figures = []
    for name, chosen in SETTINGS.experiments.items():
        for seed in SETTINGS.config.seeds:
            at = {"cohort": chosen.cohort, "experiment": name, "seed": seed}
            page, panels = PAGE.format(**at), PANEL.format(**at, panel="{panel}")
            figures.append(f"{page}/figure")
            figures += collect(f"{panels}/trajectories", panel=list(chosen.models))
            if chosen.spectra.over_ties:
                figures += collect(f"{panels}/ties", panel=list(chosen.models))
            figures += collect(
                f"{panels}/{{figure}}",
                figure=["group_differences", "effect_sizes"],
                panel=list(chosen.comparisons),
            )
        if len(SETTINGS.config.seeds) > 1:
            of_seeds = PANEL_OF_SEEDS.format(
                cohort=chosen.cohort, experiment=name, panel="{panel}"
            )
            figures += collect(
                f"{of_seeds}/seed_summary", panel=list(chosen.comparisons)
            )
    return collect("{figure}{suffix}", figure=figures, suffix=[".png", ".chain.html"])


def figures_of_all_cohorts():
    """What a cohort's preparation shows, and the chain of each figure."""
    shown_of = {"runs": ["mosaics", "quality"], "task maps": ["task_maps"], "array": []}
    figures = [
        f"{folder}/{name}".format(cohort=cohort)
        for cohort, kind in SETTINGS.cohorts.items()
        if cohort not in OF_NO_PEOPLE
        for folder, name in [
            *((PREPARED, name) for name in shown_of[kind]),
            (SPLITS, "splits"),
        ]
    ]
    pages = [
        f"{PREPARED}/participants.html".format(cohort=cohort)
        for cohort in SETTINGS.cohorts
        if cohort not in OF_NO_PEOPLE
    ]
    suffixes = [".png", ".chain.html"]
    return pages + collect("{figure}{suffix}", figure=figures, suffix=suffixes)


def report_category(wildcards):
    chosen = experiment(wildcards)
    return f"Figure {chosen.figure}: {chosen.title}"


def report_labels(kind):
    """Labels of a figure in the report; evaluated when the report is made."""

    def labels(wildcards, output):
        return {
            "panel": wildcards.get("panel", "all"),
            "shows": kind,
            "seed": wildcards.get("seed", "all"),
            "recipe": (read_recipe(output.png) or "not made by a recorded job")[:12],
        }

    return labels


def cohort_title(wildcards):
    return f"Cohort {wildcards.cohort}"


preparation_category = cohort_title


def preparation_labels(kind):
    """Labels of a figure of a cohort's preparation."""

    def labels(wildcards, output):
        recipe = read_recipe(output.png) or "not made by a recorded job"
        return {"shows": kind, "recipe": recipe[:12]}

    return labels


def category_of_place(wildcards):
    """Category of a chain, by its folder: COHORT/prepared or COHORT/EXPERIMENT/PANEL/seed-N."""
    cohort, folder, *rest = wildcards.place.split("/")
    if not rest:
        return f"Cohort {cohort}"
    chosen = EXPERIMENTS[folder]
    return f"Figure {chosen.figure}: {chosen.title}"


def chain_labels(wildcards):
    """Labels of a figure's chain, in line with those of the figure."""
    _, _, *rest = wildcards.place.split("/")
    if not rest:
        return {"shows": f"where {wildcards.figure} came from", "recipe": ""}
    panel, seed = rest
    return {
        "panel": "all" if panel == "page" else panel,
        "shows": f"where {wildcards.figure.replace('_', ' ')} came from",
        "seed": "all" if seed == "seeds" else seed.removeprefix("seed-"),
        "recipe": "",
    }
