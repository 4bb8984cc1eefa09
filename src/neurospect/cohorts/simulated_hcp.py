"""Simulated task maps of families, written in the layout of HCP1200, with the truth beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.atomic import write_text
from neurospect.arrays.images import write_image
from neurospect.arrays.numpy_files import write_array
from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.cohort import BIDS_VERSION, write_description
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.hcp_contrasts import (
    CONTRASTS,
    PUBLISHED_ORDER,
    TASK_CONTRASTS,
    contrast_label,
    opposite,
)
from neurospect.cohorts.hcp_layout import cope_map, task_folder
from neurospect.cohorts.simulated_families import (
    restricted_table,
    simulate_families,
    simulated_ids,
    unrestricted_table,
)
from neurospect.cohorts.simulated_task_maps import (
    REGIONS,
    TaskMapModel,
    active_regions,
    brain_grid,
    inherited_amplitudes,
    region_masks,
    regions_of_one,
    smooth_noise,
)

log = logging.getLogger(__name__)

Maps = dict[str, NDArray[np.float64]]
KINDS = ("specific", "pairwise", "common")
# Written beside what the classes need: MOTOR's cue, and the language contrast both ways.
ALSO_WRITTEN = {"MOTOR": ("CUE",), "LANGUAGE": ("STORY-MATH",)}
# Every fourth participant's language analysis has the opposite contrast alone, under the number
# that the wanted one has in the HCP.
STORY_FIRST = ("MATH", "STORY", "STORY-MATH")
WHAT_IT_IS = (
    "A simulation. No person was measured: regions, people, families and noise are drawn from"
    " random numbers, in the file layout of the HCP young adult release of 1,200 subjects."
)


def simulate_hcp(
    folder: str | Path,
    *,
    participants: int,
    voxel_mm: float = 6.0,
    seed: int = 0,
    model: TaskMapModel | None = None,
) -> None:
    """Write a simulated cohort: `simulated_hcp_files` says which files.

    Every map is the sum of the regions that are active in its task (see `REGIONS`), scaled and
    shifted as the participant has them, and of smooth noise; outside the brain it is zero.
    Relatives are more alike than strangers. The same arguments give the same bytes.

    Parameters
    ----------
    folder
        Where to; made if missing.
    participants
        How many, 12 to 9,999.
    voxel_mm
        Edge of the cubic voxels, 2 to 8 mm.
    seed
        Of everything that is drawn.
    model
        How people and noise differ; the defaults of `TaskMapModel` otherwise.

    Raises
    ------
    BadInputError
        If a number is out of its range; nothing is written then.
    """
    root = Path(folder)
    drawn_from = TaskMapModel() if model is None else model
    grid = brain_grid(voxel_mm)
    families = simulate_families(participants, seed)
    amplitudes = inherited_amplitudes(families, drawn_from, seed)
    write_description(root / "dataset_description.json", _description(seed))
    write_text(root / "unrestricted.csv", unrestricted_table(families).to_csv(index=False))
    write_text(root / "restricted.csv", restricted_table(families).to_csv(index=False))
    _write_truth(root / "truth", grid, families, amplitudes, drawn_from, seed)
    for number, participant in enumerate(families[PARTICIPANT]):
        generator = np.random.default_rng([seed, 2, number])
        shifts = drawn_from.shift_mm * generator.standard_normal((len(REGIONS), 3))
        regions = regions_of_one(grid, shifts, drawn_from)
        regions *= drawn_from.height * amplitudes[number][:, None]
        for task in TASK_CONTRASTS:
            maps = _maps(task, regions, grid, drawn_from, generator)
            _write_analysis(task_folder(root, participant, task), task, number, maps, grid)
        log.info("%s, %d of %d", participant, number + 1, participants)


def simulated_hcp_files(folder: str | Path, participants: int) -> list[Path]:
    """Name every file that `simulate_hcp` writes, whatever the seed, there or not yet.

    Raises
    ------
    BadInputError
        If there are fewer than 12 participants or more than 9,999.
    """
    root = Path(folder)
    files = [
        root / "dataset_description.json",
        root / "unrestricted.csv",
        root / "restricted.csv",
        *(root / "truth" / f"{kind}.npy" for kind in KINDS),
        root / "truth" / "amplitudes.npy",
        root / "truth" / "truth.json",
    ]
    for number, participant in enumerate(simulated_ids(participants)):
        for task in TASK_CONTRASTS:
            analysis = task_folder(root, participant, task)
            files.append(analysis / CONTRASTS)
            files += [cope_map(analysis, cope) for _, cope in _written(task, number)]
    return files


def simulated_task_maps(folder: str | Path, participants: int) -> list[TaskMapFiles]:
    """List the examples that `find_task_maps` will find, there or not yet."""
    examples = []
    for number, participant in enumerate(simulated_ids(participants)):
        for task, names in TASK_CONTRASTS.items():
            copes = dict(_written(task, number))
            negated = any(name not in copes for name in names)
            wanted = tuple(map(opposite, names)) if negated else names
            analysis = task_folder(folder, participant, task)
            files = tuple(cope_map(analysis, copes[name]) for name in wanted)
            label, named_by = contrast_label(task), analysis / CONTRASTS
            examples.append(TaskMapFiles(participant, task, label, files, negated, named_by))
    return examples


def _listed(task: str, number: int) -> tuple[str, ...]:
    """Return the contrasts that one participant's analysis lists."""
    opposite_alone = task == "LANGUAGE" and number % 4 == 3
    return STORY_FIRST if opposite_alone else PUBLISHED_ORDER[task]


def _written(task: str, number: int) -> Iterator[tuple[str, int]]:
    """Give the contrasts of which one participant has maps, and their cope numbers."""
    wanted = (*TASK_CONTRASTS[task], *ALSO_WRITTEN.get(task, ()))
    for cope, name in enumerate(_listed(task, number), start=1):
        if name in wanted:
            yield name, cope


def _maps(
    task: str,
    regions: NDArray[np.float64],
    grid: VoxelGrid,
    model: TaskMapModel,
    generator: np.random.Generator,
) -> Maps:
    """Draw one participant's maps of a task, by contrast, each of shape (voxels,)."""

    def noise() -> NDArray[np.float64]:
        return smooth_noise(grid, model.noise_fwhm_mm, generator)

    signal = regions[active_regions(task)].sum(axis=0)
    maps = {name: signal + noise() for name in TASK_CONTRASTS[task]}
    if task == "MOTOR":
        everywhere = np.array([region.kind == "common" for region in REGIONS])
        maps["CUE"] = regions[everywhere].sum(axis=0) + noise()
    for name in TASK_CONTRASTS[task]:
        maps[opposite(name)] = -maps[name]
    return maps


def _write_analysis(analysis: Path, task: str, number: int, maps: Maps, grid: VoxelGrid) -> None:
    write_text(analysis / CONTRASTS, "\n".join(_listed(task, number)) + "\n")
    for name, cope in _written(task, number):
        volume = grid.whole(maps[name].astype(np.float32))
        image = nibabel.Nifti1Image(volume, grid.affine)  # type: ignore[no-untyped-call]
        image.header["descrip"] = f"Simulated z, {task} {name}".encode()
        write_image(cope_map(analysis, cope), image)


def _write_truth(
    folder: Path,
    grid: VoxelGrid,
    families: pd.DataFrame,
    amplitudes: NDArray[np.float64],
    model: TaskMapModel,
    seed: int,
) -> None:
    for kind in KINDS:
        write_array(folder / f"{kind}.npy", region_masks(grid, kind, model))
    write_array(folder / "amplitudes.npy", amplitudes)
    truth: dict[str, Any] = {
        "Description": WHAT_IT_IS,
        "Seed": seed,
        "Model": asdict(model),
        "Regions": [asdict(region) for region in REGIONS],
        "Participants": families.to_dict("records"),
        **grid.metadata(),
    }
    write_text(folder / "truth.json", json.dumps(truth, indent=2) + "\n")


def _description(seed: int) -> dict[str, Any]:
    return {
        "Name": "Simulated HCP task maps",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": "CC0-1.0",
        "GeneratedBy": [
            {
                "Name": "neurospect",
                "Version": version("neurospect"),
                "Description": f"{WHAT_IT_IS} Seed {seed}.",
            }
        ],
    }
