"""A simulated resting-state cohort, written as BIDS derivatives with the truth beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.atomic import write_text
from neurospect.arrays.images import write_image
from neurospect.arrays.numpy_files import write_array
from neurospect.arrays.runs import Run
from neurospect.arrays.tables import write_table
from neurospect.cohorts.cohort import describe, write_description
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.rest_motion import CONFOUND_COLUMNS
from neurospect.cohorts.rest_runs import SourceTemplate, simulated_run, source_template
from neurospect.cohorts.rest_sources import (
    DIAGNOSES,
    SEXES,
    RestEffects,
    RestParameters,
    draw_effects,
    random_stream,
    source_covariance,
    source_time_courses,
    wrong_setting,
)

PARTICIPANT_COLUMNS = {
    PARTICIPANT: "Identifier of the simulated participant",
    "diagnosis": "control or patient; the groups differ as truth/truth.json says",
    "sex": "female or male",
    "age": "Age in years; nothing depends on it",
}
TRUTH = Path("truth", "truth.json")
FEWEST_VOLUMES = 20
YOUNGEST, OLDEST = 18, 65

log = logging.getLogger(__name__)


def simulate_rest(
    folder: str | Path,
    template_image: Any,
    *,
    domains: Sequence[str],
    participants: int,
    volumes: int,
    repetition_time: float,
    seed: int,
    parameters: RestParameters | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """Write simulated runs, as fMRIPrep lays out its derivatives, and the truth about them.

    Every participant has sources that fluctuate like BOLD signals, maps near those of the
    template, a brain mask, head motion, drift and noise of their own. Patients differ from
    controls in the correlation of some pairs of components and in the variance of some
    components; males from females in the variance of one.

    Parameters
    ----------
    folder
        Gets the files that `simulated_rest_files` lists.
    template_image
        4-D NIfTI, shape (x, y, z, components), in MNI space: the maps, and the grid of the runs.
    domains
        Domain of each component; components of one domain are correlated more.
    participants
        How many. Diagnosis and sex are crossed: four in a row are one of each kind.
    volumes
        Of each run; at least 20.
    repetition_time
        In s.
    seed
        Of everything that is drawn. A participant is the same whatever the number of others.
    parameters
        How the runs are made; None for the defaults.
    only
        Participants whose runs to write, as in `sub-001`; None for all.

    Raises
    ------
    BadInputError
        If a number makes no sense, or template and domains do not fit together.
    """
    chosen = parameters or RestParameters()
    template = source_template(template_image)
    table = simulated_participants(participants, seed)
    wanted = _checked(template, domains, volumes, repetition_time, table, only)
    effects = draw_effects(domains, seed)
    for diagnosis in DIAGNOSES:
        source_covariance(domains, effects, chosen, diagnosis, SEXES[0])
    home = Path(folder)
    write_description(home / "dataset_description.json", _description(seed, repetition_time))
    write_table(home / "participants.tsv", table, PARTICIPANT_COLUMNS)
    _write_json(home / TRUTH, rest_truth(domains, effects, chosen))
    for number, label in enumerate(table[PARTICIPANT], start=1):
        if label in wanted:
            courses = true_time_courses(
                number,
                domains=domains,
                volumes=volumes,
                repetition_time=repetition_time,
                seed=seed,
                parameters=chosen,
            )
            _write_participant(home, number, template, courses, repetition_time, chosen, seed)
            log.info("%s (%d of %d): simulated", label, number, participants)


def simulated_rest_files(folder: str | Path, participants: int) -> list[Path]:
    """List every file that `simulate_rest` writes, the cohort's first, then each participant's."""
    home = Path(folder)
    names = ("dataset_description.json", "participants.tsv", "participants.json", TRUTH)
    files = [home / name for name in names]
    for number in range(1, participants + 1):
        files += _files(home, number).values()
    return files


def simulated_runs(folder: str | Path, participants: int) -> list[Run]:
    """List the runs of a simulated cohort, which need not be written yet."""
    return [
        Run(
            _label(number),
            files["image"],
            files["mask"],
            files["confounds"],
            sidecar=files["sidecar"],
        )
        for number in range(1, participants + 1)
        for files in [_files(Path(folder), number)]
    ]


def simulated_participants(participants: int, seed: int) -> pd.DataFrame:
    """Make the participants table, with `PARTICIPANT_COLUMNS`; columns of text, but for age.

    Raises
    ------
    BadInputError
        If there is nobody.
    """
    if participants < 1:
        raise wrong_setting("participants", participants, "at least 1")
    numbers = range(1, participants + 1)
    ages = [random_stream(seed, number, "age").uniform(YOUNGEST, OLDEST) for number in numbers]
    return pd.DataFrame(
        {
            PARTICIPANT: [_label(number) for number in numbers],
            "diagnosis": [_group(number)[0] for number in numbers],
            "sex": [_group(number)[1] for number in numbers],
            "age": np.round(ages, 1),
        }
    )


def true_time_courses(
    participant: int,
    *,
    domains: Sequence[str],
    volumes: int,
    repetition_time: float,
    seed: int,
    parameters: RestParameters | None = None,
) -> NDArray[np.float32]:
    """Draw the time courses of one participant's sources.

    Parameters
    ----------
    participant
        Number of the participant, from 1; it says the diagnosis and the sex.
    domains, volumes, repetition_time, seed, parameters
        As for `simulate_rest`.

    Returns
    -------
    numpy.ndarray
        Shape (volumes, components), float32; variance around 1.

    Raises
    ------
    BadInputError
        If there are too few components or domains, or correlations contradict each other.
    """
    chosen = parameters or RestParameters()
    effects = draw_effects(domains, seed)
    covariance = source_covariance(domains, effects, chosen, *_group(participant))
    stream = random_stream(seed, participant, "time courses")
    courses = source_time_courses(
        stream, covariance, volumes, repetition_time, chosen.broadband_share
    )
    return courses.astype(np.float32)


def rest_truth(
    domains: Sequence[str], effects: RestEffects, parameters: RestParameters
) -> dict[str, Any]:
    """Say how the groups differ, components counted from 1, for `truth.json`."""
    within, between = parameters.within_domain_correlation, parameters.between_domain_correlation
    change = parameters.connectivity_change
    return {
        "Components": len(domains),
        "Domains": list(domains),
        "Connectivity": [
            {
                "Components": [a + 1, b + 1],
                "CorrelationInControls": correlation,
                "ChangeInPatients": signed,
            }
            for pairs, correlation, signed in (
                (effects.weaker_pairs, within, -change),
                (effects.stronger_pairs, between, change),
            )
            for a, b in pairs
        ],
        "Amplitude": {
            "Components": [each + 1 for each in effects.louder_in_patients],
            "VarianceFactorInPatients": parameters.patient_variance_factor,
        },
        "AmplitudeOfSex": {
            "Components": [each + 1 for each in effects.louder_in_males],
            "VarianceFactorInMales": parameters.male_variance_factor,
        },
        "Independent": "Age and head motion are drawn without regard to diagnosis and sex.",
        "Parameters": asdict(parameters),
    }


def _write_participant(
    home: Path,
    number: int,
    template: SourceTemplate,
    courses: NDArray[np.float32],
    repetition_time: float,
    parameters: RestParameters,
    seed: int,
) -> None:
    files = _files(home, number)
    run = simulated_run(template, courses, repetition_time, parameters, seed, number)
    write_array(files["true_maps"], run.maps)
    write_array(files["true_time_courses"], courses)
    write_table(files["confounds"], run.confounds, CONFOUND_COLUMNS)
    write_image(files["mask"], run.mask)
    sidecar = {"TaskName": "rest", "RepetitionTime": repetition_time, "SkullStripped": True}
    _write_json(files["sidecar"], sidecar)
    write_image(files["image"], run.image)


def _files(home: Path, number: int) -> dict[str, Path]:
    """Name the files of one participant."""
    label = _label(number)
    task = home / label / "func" / f"{label}_task-rest"
    space = f"{task}_space-MNI152NLin2009cAsym_desc"
    return {
        "image": Path(f"{space}-preproc_bold.nii.gz"),
        "sidecar": Path(f"{space}-preproc_bold.json"),
        "mask": Path(f"{space}-brain_mask.nii.gz"),
        "confounds": Path(f"{task}_desc-confounds_timeseries.tsv"),
        "confounds_columns": Path(f"{task}_desc-confounds_timeseries.json"),
        "true_maps": home / TRUTH.parent / f"{label}_maps.npy",
        "true_time_courses": home / TRUTH.parent / f"{label}_time_courses.npy",
    }


def _label(number: int) -> str:
    return f"sub-{number:03d}"


def _group(number: int) -> tuple[str, str]:
    """Return diagnosis and sex: four participants in a row are one of each kind."""
    return DIAGNOSES[(number - 1) % 2], SEXES[(number - 1) // 2 % 2]


def _checked(
    template: SourceTemplate,
    domains: Sequence[str],
    volumes: int,
    repetition_time: float,
    table: pd.DataFrame,
    only: Sequence[str] | None,
) -> set[str]:
    """Check what was asked for; return whose runs to write."""
    everybody = set(table[PARTICIPANT])
    wanted = everybody if only is None else set(only)
    maps = len(template.splines)
    if len(domains) != maps:
        raise wrong_setting("domains", len(domains), f"{maps}, one for each map of the template")
    if volumes < FEWEST_VOLUMES:
        raise wrong_setting("volumes", volumes, f"at least {FEWEST_VOLUMES}")
    if not 0 < repetition_time <= 10:
        raise wrong_setting("repetition_time", repetition_time, "above 0 and at most 10 s")
    if wanted - everybody:
        who = ", ".join(sorted(wanted - everybody))
        raise wrong_setting("only", who, f"among the {len(everybody)} participants")
    return wanted


def _description(seed: int, repetition_time: float) -> dict[str, Any]:
    return describe(
        "Simulated resting-state runs (a simulation: nobody was scanned)",
        sources=[],
        license_name="CC0-1.0",
        preparation=[
            "Drew time courses of known covariance, shifted the maps of a template for every "
            "participant, and multiplied the two.",
            "Added uneven brightness, drift, artefacts of head motion and Gaussian noise.",
            f"All with seed {seed}; the truth is in {TRUTH.as_posix()}.",
        ],
        columns=PARTICIPANT_COLUMNS,
        class_columns=["diagnosis", "sex"],
        RepetitionTime=repetition_time,
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
