"""A simulated cohort of brain volumes, written as FreeSurfer lays them out, with the truth."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurospect.arrays.atomic import write_text
from neurospect.arrays.head_size import ETIV
from neurospect.arrays.tables import write_table
from neurospect.cohorts import freesurfer
from neurospect.cohorts.cohort import Cohort, describe, write_description
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.rest_sources import DIAGNOSES, SEXES
from neurospect.cohorts.simulated_volumes import (
    GROWTH,
    HEAD_DIFFERENCE,
    HEAD_MM3,
    HEAD_SPREAD,
    MIDDLE_AGE,
    STRUCTURES,
    draw_head_size,
    draw_site,
    draw_volumes,
)
from neurospect.cohorts.written_aseg_stats import aseg_stats_text
from neurospect.errors import BadInputError

PARTICIPANT_COLUMNS = {
    PARTICIPANT: "Identifier of the simulated participant, the name of the folder with the volumes",
    "diagnosis": "control or patient; the groups differ as truth/truth.json says",
    "sex": "female or male; men have larger heads",
    "age": "Age in years",
    "site": "Where the participant would have been scanned",
}
SITES = ("north", "south")
TRUTH = Path("truth", "truth.json")
FEWEST, MOST = 16, 9999
YOUNGEST, OLDEST = 18, 65
# What is drawn, each from numbers of its own, so that a change in one leaves the others.
STREAMS = ("site", "age", "head size", "volumes", "brightness")
NAME = "Simulated FreeSurfer volumes (a simulation: nobody was scanned)"
LICENSE = "CC0-1.0"

log = logging.getLogger(__name__)


def simulate_freesurfer(folder: str | Path, *, participants: int, seed: int) -> None:
    """Write the aseg.stats of simulated participants, their table, and the truth about them.

    Patients differ from controls in the structures in which schizophrenia does, as strongly as
    published; all volumes depend on head size, most on age, and a little on the site. Nobody
    was scanned: there are no images, and the other files of FreeSurfer are missing.

    Parameters
    ----------
    folder
        Gets the files that `simulated_freesurfer_files` lists.
    participants
        How many, 16 to 9,999. Diagnosis, sex and site are crossed: eight in a row are one of
        each kind.
    seed
        Of everything that is drawn. A participant is the same whatever the number of others.

    Raises
    ------
    BadInputError
        If there are too few or too many participants; nothing is written then.
    """
    home = Path(folder)
    files = simulated_freesurfer_files(home, participants)
    sites = {name: draw_site(_stream(seed, -at, "site")) for at, name in enumerate(SITES, start=1)}
    table = _participants(participants, seed)
    write_description(files[0], _description(seed))
    write_table(files[1], table, PARTICIPANT_COLUMNS)
    write_text(files[3], json.dumps(_truth(sites), indent=2, ensure_ascii=False) + "\n")
    people = zip(*(table[name] for name in PARTICIPANT_COLUMNS), strict=True)
    for number, (label, diagnosis, sex, age, site) in enumerate(people, start=1):
        head = draw_head_size(_stream(seed, number, "head size"), diagnosis, sex)
        volumes = draw_volumes(
            _stream(seed, number, "volumes"),
            diagnosis=diagnosis,
            age=age,
            head_size=head,
            site=sites[site],
        )
        text = aseg_stats_text(label, volumes, head, _stream(seed, number, "brightness"))
        write_text(freesurfer.aseg_stats_file(home, label), text)
    log.info("%d participants simulated", participants)


def simulated_freesurfer_files(folder: str | Path, participants: int) -> list[Path]:
    """List every file that `simulate_freesurfer` writes: the cohort's four, then each aseg.stats.

    Raises
    ------
    BadInputError
        If there are too few or too many participants.
    """
    if not FEWEST <= participants <= MOST:
        raise BadInputError(
            "simulate_freesurfer",
            "participants",
            found=participants,
            expected=f"{FEWEST} to {MOST:,}",
            remedy="Correct the setting.",
        )
    home = Path(folder)
    names = ("dataset_description.json", "participants.tsv", "participants.json", TRUTH)
    labels = map(_label, range(1, participants + 1))
    own = [freesurfer.aseg_stats_file(home, label) for label in labels]
    return [*(home / name for name in names), *own]


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """List what the cohort is read from: the participants, every aseg.stats, what columns hold.

    Parameters
    ----------
    settings
        folder, and participants, their number; the files need not be written yet.
    """
    files = simulated_freesurfer_files(settings["folder"], settings["participants"])
    return [files[1], *files[4:], files[2]]


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say in the words of the settings where files lie that `raw_files` returned."""
    return {"folder": str(Path(files[0]).parent)}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Read simulated volumes by the very reader of the cohort freesurfer.

    Parameters
    ----------
    settings
        folder, where the files lie, and covariates; others have no part in this.
    """
    folder = Path(settings["folder"])
    cohort = freesurfer.load(
        {
            "folder": folder,
            "participants": folder / "participants.tsv",
            "covariates": settings["covariates"],
        }
    )
    described = {**cohort.description, "Name": NAME, "License": LICENSE}
    return replace(cohort, description=described)


def _participants(participants: int, seed: int) -> pd.DataFrame:
    numbers = range(1, participants + 1)
    ages = [_stream(seed, number, "age").uniform(YOUNGEST, OLDEST) for number in numbers]
    return pd.DataFrame(
        {
            PARTICIPANT: [_label(number) for number in numbers],
            "diagnosis": [DIAGNOSES[(number - 1) % 2] for number in numbers],
            "sex": [SEXES[(number - 1) // 2 % 2] for number in numbers],
            "age": np.round(ages, 1),
            "site": [SITES[(number - 1) // 4 % 2] for number in numbers],
        }
    )


def _truth(sites: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Say what the volumes depend on, for `truth.json`."""
    return {
        "Model": "log(Volume) = log(MedianVolume) + GrowthWithHead * log(head / HeadReference) + "
        "ChangePerDecade * (age - MiddleAge) / 10 + Spread * (chance + DifferenceOfPatients) + "
        "Sites; chance has deviation 1",
        "DifferenceSource": "van Erp et al. (2016), Molecular Psychiatry 21:547, Cohen's d",
        "MedianVolumeSource": "Round numbers of the size that FreeSurfer gives for adults; made up",
        "MiddleAge": MIDDLE_AGE,
        "HeadReference": float(np.mean(list(HEAD_MM3.values()))),
        "Head": {
            "Name": ETIV,
            "MedianVolume": HEAD_MM3,
            "Spread": HEAD_SPREAD,
            "DifferenceOfPatients": HEAD_DIFFERENCE,
        },
        "Structures": {
            each.name: {
                "MedianVolume": each.volume,
                "Spread": each.spread,
                "ChangePerDecade": each.per_decade,
                "GrowthWithHead": GROWTH[each.tissue],
                "DifferenceOfPatients": each.difference,
                "Sites": {name: round(moved[each.name], 6) for name, moved in sites.items()},
            }
            for each in STRUCTURES
        },
        "Independent": "Age, sex and site are drawn without regard to diagnosis.",
    }


def _description(seed: int) -> dict[str, Any]:
    return describe(
        NAME,
        sources=[],
        license_name=LICENSE,
        preparation=[
            f"Drew head size and volumes with seed {seed}; the truth is in {TRUTH.as_posix()}.",
            "Wrote them as aseg.stats, as FreeSurfer lays them out.",
        ],
        columns=PARTICIPANT_COLUMNS,
        class_columns=["diagnosis", "sex", "site"],
    )


def _label(number: int) -> str:
    return f"sub-{number:04d}"


def _stream(seed: int, number: int, what: str) -> np.random.Generator:
    """Return the random numbers of a participant (from 1), or of a site (from -1 downwards)."""
    key = (0 if number > 0 else 1, abs(number), STREAMS.index(what))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
