"""The examples that decoders learn from and are tested on, split by split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from neurospect.arrays.voxel_grid import VoxelGrid, read_voxel_grid
from neurospect.cohorts.cohort import read_cohort
from neurospect.errors import BadInputError
from neurospect.preprocess.splits import read_splits
from neurospect.training.cohort_examples import class_codes, cohort_examples, example_shape
from neurospect.training.loop import ExampleSource

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class DecodingData:
    """A cohort as decoders see it.

    Attributes
    ----------
    array
        Shape (rows, *sizes); may be memory-mapped, and is then read in batches.
    places
        By split, its rows of the array. A participant's test rows follow each other.
    codes
        Index of the class of each row.
    classes
        Names of the classes, in the order in which decoders count them.
    participants
        Whose row it is.
    grid
        Where rows of the array are the voxels of a mask, the mask; examples are then volumes.
    """

    array: NDArray[np.floating]
    places: Mapping[str, NDArray[np.intp]]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]
    participants: NDArray[np.object_]
    grid: VoxelGrid | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of one example."""
        return example_shape(self.array, self.grid)

    def chance(self, split: str) -> float:
        """Share of a split that is of its largest class; its accuracy, if only that is named."""
        _, counts = np.unique(self.codes[self.places[split]], return_counts=True)
        return float(counts.max() / counts.sum())

    def examples(self, split: str, device: torch.device) -> ExampleSource:
        """Give the examples of a split."""
        return cohort_examples(self.array, self.places[split], self.codes, device, self.grid)


def decoding_data(
    rows: pd.DataFrame,
    array: NDArray[np.floating],
    target: str,
    grid: VoxelGrid | None = None,
) -> DecodingData:
    """Sort a cohort into what decoders learn from and what they are tested on.

    Parameters
    ----------
    rows
        One row per row of `array`, with columns `participant_id`, `split` and `target`.
    array
        Shape (rows, *sizes), float32 or float16.
    target
        Column of the classes.
    grid
        The mask, for an array of shape (rows, voxels inside the mask).

    Raises
    ------
    BadInputError
        When a column or a class is missing, table and array do not belong together, or a class has
        no example in the training split or in the test split.
    """
    needed = ("participant_id", "split", target)
    absent = [name for name in needed if name not in rows]
    if absent or len(rows) != len(array):
        raise BadInputError(
            "participants",
            "columns" if absent else "rows",
            found=", ".join(map(str, rows.columns)) if absent else len(rows),
            expected=", ".join(needed) if absent else f"{len(array)}, as in the array",
            remedy="Mend target, or use the table and the array of one cohort.",
        )
    example_shape(array, grid)
    split = rows["split"].to_numpy()
    codes, classes = class_codes(rows[target], np.flatnonzero(np.isin(split, SPLITS)))
    order = np.argsort(pd.factorize(rows["participant_id"])[0], kind="stable")
    places = {name: order[split[order] == name] for name in SPLITS}
    for name in ("training", "test"):
        counts = np.bincount(codes[places[name]], minlength=len(classes))
        missing = [own for own, count in zip(classes, counts, strict=True) if not count]
        if missing or len(classes) < 2:
            raise BadInputError(
                "splits",
                f"{name}, {target}",
                found=f"no example of {', '.join(missing)}" if missing else f"only {classes[0]}",
                expected=f"an example of each class ({', '.join(classes)}), two classes or more",
                remedy="Balance the splits by this column (splits.stratify_by), enlarge the split, "
                "or leave the class out.",
            )
    whose = rows["participant_id"].to_numpy(dtype=object)
    return DecodingData(array, places, codes, classes, whose, grid)


def batches(count: int, at_once: int) -> Iterator[slice]:
    """Cut `count` examples into batches of at most `at_once`."""
    for start in range(0, count, at_once):
        yield slice(start, min(start + at_once, count))


def read_decoding_data(files: Mapping[str, str], target: str) -> DecodingData:
    """Read a prepared cohort and its splits as what decoders learn from.

    Parameters
    ----------
    files
        Paths by name: `participants`, `array` (which stays memory-mapped) and `description` of the
        cohort, and its `examples` if it has a table of these; `splits`; and `voxels`, a 3-D NIfTI,
        where rows of the array are the voxels inside that mask. Other names are passed over.
    target
        Column of the classes.

    Raises
    ------
    BadInputError
        When a file is missing or damaged, the files do not belong together, or `decoding_data`
        refuses them.
    """
    cohort = read_cohort(
        files["participants"], files["array"], files["description"], files.get("examples")
    )
    splits = read_splits(files["splits"], cohort.participants, cohort.family_columns)
    rows = cohort.rows.merge(splits, on="participant_id", how="left", validate="many_to_one")
    grid = read_voxel_grid(files["voxels"]) if "voxels" in files else None
    return decoding_data(rows, cohort.array, target, grid)
