# From raw files to prepared arrays and splits.
import functools

from neurospect.arrays.exclusions import exclusion_table
from neurospect.cohorts.hcp import task_map_sources
from neurospect.cohorts.registry import raw_files
from neurospect.cohorts.rest import rest_sources
from neurospect.cohorts.simulated_freesurfer import simulated_freesurfer_files
from neurospect.cohorts.simulated_hcp import simulated_hcp_files
from neurospect.cohorts.simulated_rest import simulated_rest_files
from neurospect.provenance.job import recorded_path
from neurospect.provenance.shared import SharedAs


def names_and_contents(wildcards, input, output):
    """What the key of results that are shared between projects would leave out."""
    files = map(recorded_path, input)
    made_here = f"{recorded_path(RESULTS)}/"
    return SharedAs(
        recorded_path(output.record),
        [file for file in files if not file.startswith(made_here)],
    )


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


def lists_of_contrasts(wildcards):
    """Files whose names of contrasts decided which maps a batch reads, and with which sign."""
    batch = batches_of_task_maps(wildcards.cohort)[int(wildcards.batch)]
    return [shown(each.named_by) for each in batch if each.named_by is not None]


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
