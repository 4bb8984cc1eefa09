"""Time series of an atlas's regions as one array: z-scored, of one length, no region empty."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.exclusions import Exclusion
from neurospect.cohorts.shared_features import common_features, reasons_to_drop
from neurospect.errors import BadInputError

STAGE = "region series"
FEWEST_VOLUMES = 8
# The spread of a series, relative to its largest value, is rounding below this.
ROUNDING = 1e-6


@dataclass(frozen=True)
class RoiSeries:
    """Series of one participant.

    Parameters
    ----------
    regions
        Labels of the regions, in the order of the columns.
    values
        Shape (volumes, regions), float64; NaN where the file says so.
    """

    regions: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class GatheredSeries:
    """Series of a cohort.

    Parameters
    ----------
    array
        Shape (participants, length, regions), float32: each region has mean 0 and standard
        deviation 1 (ddof 0) over the volumes that the participant has; zeros come after them.
    rows
        Which of the participants asked for the rows are.
    volumes, lengths
        Volumes of the file, and of the series in the array, shape (participants,), int64.
    regions
        Labels of the regions, in the order of the array.
    dropped
        Regions that are not in the array, and why.
    exclusions
        Who is not in the array, and why.
    """

    array: NDArray[np.float32]
    rows: list[int]
    volumes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    regions: list[str]
    dropped: dict[str, str]
    exclusions: list[Exclusion]


def read_roi_series(path: str | Path) -> RoiSeries:
    """Read a `.1D` file as C-PAC writes it: a header of `#` and labels, then one row a volume.

    Parameters
    ----------
    path
        The file; cells are separated by tabs. Without a header, regions are counted from 1.

    Raises
    ------
    BadInputError
        If the file is missing, a row is cut short, a cell is no number, or header and rows do
        not fit together.
    """
    final = Path(path)
    try:
        with final.open(encoding="utf-8") as file:
            first = file.readline()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file, refused below
            values = np.loadtxt(final, dtype=np.float64, comments="#", ndmin=2, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _damaged(final, "rows", getattr(error, "strerror", None) or str(error)) from None
    if not values.size:
        raise _damaged(final, "rows", "no volumes")
    regions = [str(number + 1) for number in range(values.shape[1])]
    if first.startswith("#"):
        regions = [cell.strip().lstrip("#").strip() for cell in first.rstrip("\n").split("\t")]
    if len(regions) != values.shape[1] or len(set(regions)) < len(regions) or "" in regions:
        found = f"{len(set(regions) - {''})} labels for {values.shape[1]} columns"
        raise _damaged(final, "line 1", found)
    return RoiSeries(tuple(regions), values)


def gather_roi_series(
    participants: Sequence[str],
    paths: Sequence[Path],
    *,
    length: int | None = None,
    most_bad_regions: float = 0.1,
) -> GatheredSeries:
    """Read the series of a cohort into one array.

    A region is bad in a participant where it is missing, constant, or not finite over the
    volumes that are kept. Who has too many bad regions is left out; a region that is bad in
    anybody else is dropped for all.

    Parameters
    ----------
    participants
        Their identifiers.
    paths
        One file for each.
    length
        Volumes to cut longer series to, and to fill up shorter ones to; None for the longest.
    most_bad_regions
        Largest share of bad regions with which a participant is kept.

    Raises
    ------
    BadInputError
        If a setting makes no sense, or no participant or no region is left.
    """
    _check_settings(length, most_bad_regions)
    series, exclusions = _read_all(participants, paths)
    regions, rare = common_features([each.regions for each in series.values()])
    scored = {row: _z_scored(each, regions, length) for row, each in series.items()}
    bad = {row: _is_bad(values) for row, values in scored.items()}
    most = int(most_bad_regions * len(regions))
    rows = [row for row in scored if np.count_nonzero(bad[row]) <= most]
    exclusions += [
        Exclusion(participants[row], STAGE, _too_many(paths[row], regions, bad[row], most))
        for row in scored
        if row not in set(rows)
    ]
    somewhere = np.any([bad[row] for row in rows], axis=0) if rows else np.ones(0, dtype=np.bool_)
    if somewhere.all():
        raise _nothing_left(participants, exclusions)
    lengths = np.array([len(scored[row]) for row in rows], dtype=np.int64)
    array = np.zeros((len(rows), length or lengths.max(), np.sum(~somewhere)), dtype=np.float32)
    for place, row in enumerate(rows):
        array[place, : lengths[place]] = scored[row][:, ~somewhere]
    of_each = {participants[row]: bad[row] for row in rows}
    return GatheredSeries(
        array=array,
        rows=rows,
        volumes=np.array([len(series[row].values) for row in rows], dtype=np.int64),
        lengths=lengths,
        regions=[label for label, is_bad in zip(regions, somewhere, strict=True) if not is_bad],
        dropped=rare | reasons_to_drop(regions, of_each, "constant or missing"),
        exclusions=exclusions,
    )


def _read_all(
    participants: Sequence[str], paths: Sequence[Path]
) -> tuple[dict[int, RoiSeries], list[Exclusion]]:
    series: dict[int, RoiSeries] = {}
    exclusions: list[Exclusion] = []
    for row, (who, path) in enumerate(zip(participants, paths, strict=True)):
        try:
            series[row] = _long_enough(path, read_roi_series(path))
        except BadInputError as fault:
            exclusions.append(Exclusion(who, STAGE, fault))
    return series, exclusions


def _z_scored(series: RoiSeries, regions: Sequence[str], length: int | None) -> NDArray[np.float32]:
    """Return the kept volumes of every region, shape (volumes, regions); NaN where it is bad."""
    place = {label: column for column, label in enumerate(series.regions)}
    values = np.full((len(series.values[:length]), len(regions)), np.nan)
    there = [column for column, label in enumerate(regions) if label in place]
    values[:, there] = series.values[:length, [place[regions[column]] for column in there]]
    with np.errstate(invalid="ignore"):  # of infinities, which come out as NaN
        centred = values - values.mean(axis=0)
        deviations = centred.std(axis=0)
    deviations[~(deviations > ROUNDING * np.abs(values).max(axis=0))] = np.nan
    return np.asarray(centred / deviations, dtype=np.float32)


def _is_bad(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(~np.isfinite(values).all(axis=0), dtype=np.bool_)


def _long_enough(path: Path, series: RoiSeries) -> RoiSeries:
    if len(series.values) < FEWEST_VOLUMES:
        raise BadInputError(
            path,
            "rows",
            found=f"{len(series.values)} volumes",
            expected=f"at least {FEWEST_VOLUMES}",
            remedy="Delete the file and fetch it again; else the participant stays out.",
        )
    return series


def _check_settings(length: int | None, most_bad_regions: float) -> None:
    is_long = length is None or length >= FEWEST_VOLUMES
    is_share = 0 <= most_bad_regions <= 1
    for name, found, is_good, expected in (
        ("length", length, is_long, f"at least {FEWEST_VOLUMES}"),
        ("most_bad_regions", most_bad_regions, is_share, "a share, 0 to 1"),
    ):
        if not is_good:
            raise BadInputError(
                "region series", name, found=found, expected=expected, remedy="Correct the setting."
            )


def _too_many(
    path: Path, regions: Sequence[str], is_bad: NDArray[np.bool_], most: int
) -> BadInputError:
    bad = [label for label, flag in zip(regions, is_bad, strict=True) if flag]
    more = ["..."] if len(bad) > 5 else []
    return BadInputError(
        path,
        "regions",
        found=f"{len(bad)} of {len(regions)} constant or missing: {', '.join(bad[:5] + more)}",
        expected=f"at most {most}",
        remedy="The scan does not cover the brain; else raise most_bad_regions, which drops these "
        "regions for all.",
    )


def _nothing_left(participants: Sequence[str], exclusions: Sequence[Exclusion]) -> BadInputError:
    first = f", the first: {exclusions[0].fault}" if exclusions else ""
    return BadInputError(
        "region series",
        "participants and regions",
        found=f"{len(exclusions)} of {len(participants)} participants left out{first}",
        expected="a participant, and a region with a signal in everybody who is kept",
        remedy="Fetch the series, or change most_bad_regions: fewer participants, more regions.",
    )


def _damaged(path: Path, field: str, found: str) -> BadInputError:
    return BadInputError(
        path,
        field,
        found=found,
        expected="a row of tab-separated numbers per volume, under a header of labels",
        remedy="Delete the file and fetch it again; else the participant stays out.",
    )
