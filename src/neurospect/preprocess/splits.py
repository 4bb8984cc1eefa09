"""Training, validation and test: splits that no family crosses, checked whenever they are read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components
from neurospect.preprocess.split_sizes import largest_remainder, share_out_families

SPLITS = ("training", "validation", "test")
SPLIT_COLUMNS = {
    "participant_id": "Identifier of the participant",
    "component": "Family (or participant) that stays together; no component is in two splits",
    "split": "Part of the data: training, validation or test",
}
SUMMARY_COLUMNS = {
    "split": "Part of the data: training, validation or test",
    "level": "Class counted in this row; all for every class together",
    "participants": "Number of participants",
    "components": "Number of families (or participants) that stay together",
    "largest_component": "Participants of this split and class in the largest of them",
}


def assign_splits(
    participants: pd.DataFrame,
    components: pd.Series[str] | None,
    *,
    sizes: Mapping[str, int] | None = None,
    fractions: Mapping[str, float] | None = None,
    seed: int,
    stratify_by: str | None = None,
    where: str | Path = "assign_splits",
) -> pd.DataFrame:
    """Assign each component (family) whole to training, validation or test.

    Training takes the largest families first, as long as they fit; within a size, and between
    the other splits, chance decides. Participants without relatives fill up the rest, so that
    the sizes are met exactly. Where that fails, a search over all ways to combine the family
    sizes finds the exact sizes if there are any, or else the nearest, with a warning.

    Parameters
    ----------
    participants
        One row per participant, with `participant_id`.
    components
        Who stays together: values are component names, the index is participant_id, as
        `family_components` gives them. None says that everyone is a component of their own.
    sizes, fractions
        One of the two: participants (or the share of them) for `training` and for at least
        one of `validation` and `test`; the sum is everyone.
    seed
        Seed of the choice. The assignment does not depend on the order of the rows.
    stratify_by
        A column of classes. Each class is then shared out in the proportions of the splits,
        rounded by the largest remainder, exactly wherever the families allow it; the sizes of
        the splits come before the balance of the classes.
    where
        The table of the participants, for messages about sizes.

    Returns
    -------
    pandas.DataFrame
        participant_id, component, split; rows as in `participants`.

    Raises
    ------
    BadInputError
        If sizes, components or classes do not fit the participants, or a split stays empty.
    """
    ids = _participant_ids(participants)
    component = _component_names(ids, components)
    wanted = _wanted_sizes(sizes, fractions, len(ids), where)
    classes = _classes(participants, stratify_by)
    names, family = np.unique(component, return_inverse=True)
    levels, level = np.unique(classes, return_inverse=True)
    counts = np.zeros((len(names), len(levels)), dtype=np.int64)
    np.add.at(counts, (family, level), 1)
    targets = np.array(list(wanted.values()))
    split_of_family = share_out_families(counts, targets, np.random.default_rng(seed))
    split = np.array(list(wanted))[split_of_family[family]]
    _judge_sizes(wanted, split, where)
    splits = pd.DataFrame({"participant_id": ids, "component": component, "split": split})
    check_splits(splits)
    return splits


def check_splits(splits: pd.DataFrame, where: str | Path = "splits") -> None:
    """Refuse splits that a component crosses, or that are not splits.

    Parameters
    ----------
    splits
        participant_id, component, split.
    where
        The file, for the message.

    Raises
    ------
    BadInputError
        If a column is missing, a participant stands twice, a split has an unknown name, a
        component has none, or the members of a component are in different splits.
    """
    absent = [name for name in SPLIT_COLUMNS if name not in splits]
    if absent:
        found = ", ".join(map(str, splits.columns))
        expected = ", ".join(SPLIT_COLUMNS)
        remedy = "Make the splits with assign_splits."
        raise BadInputError(where, "columns", found=found, expected=expected, remedy=remedy)
    twice = splits["participant_id"][splits["participant_id"].duplicated()]
    if len(twice):
        raise BadInputError(
            where,
            "participant_id",
            found=f"{_some(twice)} more than once",
            expected="every participant once",
            remedy="Make the splits again from a table without duplicates.",
        )
    unknown = sorted({str(name) for name in splits["split"]} - set(SPLITS))
    if unknown or splits["component"].isna().any():
        raise BadInputError(
            where,
            "split" if unknown else "component",
            found=_some(pd.Series(unknown)) if unknown else "rows without a component",
            expected=f"one of {', '.join(SPLITS)}" if unknown else "a component in every row",
            remedy="Make the splits again with assign_splits.",
        )
    reached = splits.groupby("component")["split"].nunique()
    crossing = pd.Series(reached.index[reached > 1])
    if len(crossing):
        raise BadInputError(
            where,
            "component",
            found=f"{_some(crossing)} in more than one split",
            expected="each component whole in one split",
            remedy="Relatives on both sides make a test too easy; make the splits again.",
        )


def write_splits(path: str | Path, splits: pd.DataFrame) -> None:
    """Check splits and write them as a table with its sidecar.

    Raises
    ------
    BadInputError
        If `check_splits` refuses them.
    """
    check_splits(splits, path)
    write_table(path, splits[list(SPLIT_COLUMNS)], SPLIT_COLUMNS)


def read_splits(
    path: str | Path, participants: pd.DataFrame, family_columns: Sequence[str] = ()
) -> pd.DataFrame:
    """Read splits, check them, and bring them into the order of the participants.

    Parameters
    ----------
    path
        A table that `write_splits` wrote, or one made by hand.
    participants
        The participants table of the cohort, with `participant_id`.
    family_columns
        Its columns of mothers, fathers and families: whatever components the file states, no
        family of these may cross splits.

    Returns
    -------
    pandas.DataFrame
        participant_id, component, split; row i belongs to row i of `participants`.

    Raises
    ------
    BadInputError
        If the file is unusable, a component or a family crosses splits, or a participant is
        missing from the splits or not in the cohort.
    """
    columns = list(SPLIT_COLUMNS)
    splits = read_table(path, required=columns, text=columns)
    check_splits(splits, path)
    ids = _participant_ids(participants)
    known = set(splits["participant_id"])
    missing = [participant for participant in ids if participant not in known]
    extra = sorted(known - set(ids))
    if missing or extra:
        faults = [f"no split for {_some(pd.Series(missing))}"] if missing else []
        faults += [f"splits for {_some(pd.Series(extra))}, not in the cohort"] if extra else []
        raise BadInputError(
            path,
            "participant_id",
            found="; ".join(faults),
            expected=f"the {len(ids)} participants of the cohort, and no others",
            remedy="Make the splits again for this cohort.",
        )
    ordered = splits.set_index("participant_id").loc[ids].reset_index()[columns]
    if family_columns:
        families = family_components(participants, family_columns).to_numpy()
        _refuse_torn_families(path, ordered, families)
    return ordered


def _refuse_torn_families(
    path: str | Path, splits: pd.DataFrame, families: NDArray[np.object_]
) -> None:
    reached = splits.groupby(families)["split"].nunique()
    torn = reached.index[reached > 1]
    if len(torn):
        members = splits[families == torn[0]]
        said = ", ".join(f"{who} in {split}" for who, _, split in members.to_numpy())
        raise BadInputError(
            path,
            "split",
            found=f"relatives on both sides: {said} ({len(torn)} families in all)",
            expected="each family of the participants table whole in one split",
            remedy="Relatives on both sides make a test too easy; make the splits again.",
        )


def split_summary(
    splits: pd.DataFrame, participants: pd.DataFrame | None = None, classes: str | None = None
) -> pd.DataFrame:
    """Count participants and components of each split, and of each class in it.

    Parameters
    ----------
    splits
        participant_id, component, split.
    participants, classes
        The participants table and its column of classes; without them only the totals.

    Returns
    -------
    pandas.DataFrame
        The columns of `SUMMARY_COLUMNS`; a row `all` for each split, then one for each class.

    Raises
    ------
    BadInputError
        If the column of classes is missing or has missing values.
    """
    level = pd.Series("all", index=splits.index)
    tables = [splits.assign(level=level)]
    if participants is not None and classes is not None:
        own = dict(
            zip(_participant_ids(participants), _classes(participants, classes), strict=True)
        )
        tables.append(splits.assign(level=splits["participant_id"].map(own)))
    rows = [
        {
            "split": split,
            "level": name,
            "participants": len(members),
            "components": members["component"].nunique(),
            "largest_component": int(members["component"].value_counts().max()),
        }
        for split in SPLITS
        for table in tables
        for name, members in table[table["split"] == split].groupby("level", sort=True)
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _judge_sizes(wanted: Mapping[str, int], split: NDArray[np.str_], where: str | Path) -> None:
    reached = {name: int((split == name).sum()) for name in wanted}
    if min(reached.values()) == 0:
        raise BadInputError(
            where,
            "sizes",
            found=f"families so large that the sizes become {reached}",
            expected=f"{dict(wanted)}",
            remedy="Ask for fewer splits, or check who was joined into one family.",
        )
    if reached != wanted:
        warnings.warn(
            f"No way to combine the families gives the sizes {dict(wanted)}; "
            f"the nearest, {reached}, were taken.",
            stacklevel=3,
        )


def _participant_ids(participants: pd.DataFrame) -> list[str]:
    ids = participants["participant_id"] if "participant_id" in participants else pd.Series([None])
    faulty = ids[ids.isna() | ids.duplicated()]
    if len(faulty) or not len(ids):
        raise BadInputError(
            "participants",
            "participant_id",
            found=f"{_some(faulty)} missing or twice" if len(ids) else "no participants",
            expected="every participant once",
            remedy="Give each participant one row with an id of its own.",
        )
    return [str(participant) for participant in ids]


def _component_names(ids: list[str], components: pd.Series[str] | None) -> list[str]:
    if components is None:
        return list(ids)
    known = {str(participant): str(name) for participant, name in components.dropna().items()}
    missing = [participant for participant in ids if participant not in known]
    if missing:
        raise BadInputError(
            "components",
            "participant_id",
            found=f"no component for {_some(pd.Series(missing))}",
            expected="a component for each participant",
            remedy="Make the components from the same participants table.",
        )
    return [known[participant] for participant in ids]


def _wanted_sizes(
    sizes: Mapping[str, int] | None,
    fractions: Mapping[str, float] | None,
    total: int,
    where: str | Path,
) -> dict[str, int]:
    asked = sizes if sizes is not None else fractions
    unknown = sorted(set(asked or {}) - set(SPLITS))
    expected = "either sizes or fractions, of training and of validation or test or both"
    remedy = "Correct the sizes."
    if asked is None or (sizes is not None and fractions is not None):
        found = "neither sizes nor fractions" if asked is None else "both sizes and fractions"
    elif unknown or "training" not in asked or len(asked) < 2:
        found = ", ".join(asked) or "no splits"
    elif sizes is not None and sum(sizes.values()) != total:
        found = f"sizes {dict(sizes)}, which sum to {sum(sizes.values())}"
        expected = f"a sum of {total}, the number of participants"
    elif fractions is not None and abs(sum(fractions.values()) - 1) > 1e-6:
        found, expected = f"fractions {dict(fractions)}", "a sum of one"
    else:
        shares = sizes if sizes is not None else largest_remainder(fractions or {}, total)
        wanted = {name: int(shares[name]) for name in SPLITS if name in shares}
        if min(wanted.values()) > 0:
            return wanted
        parts = ", ".join(f"{size} for {name}" for name, size in wanted.items())
        found = f"{total} participants, which make {parts}"
        expected = "at least one participant in each split"
        remedy = (
            "Add participants (excluded.tsv of a cohort says who was left out, and why), or ask "
            "for other sizes."
        )
    raise BadInputError(where, "sizes", found=found, expected=expected, remedy=remedy)


def _classes(participants: pd.DataFrame, column: str | None) -> list[str]:
    if column is None:
        return ["all"] * len(participants)
    if column not in participants or participants[column].isna().any():
        absent = column not in participants
        raise BadInputError(
            "participants",
            f"column {column}",
            found="no such column" if absent else "missing values",
            expected="a class for each participant",
            remedy="Choose a complete column, or do not stratify.",
        )
    return [str(value) for value in participants[column]]


def _some(names: pd.Series) -> str:
    """Name the first few, and say how many there are."""
    shown = ", ".join(map(str, names.iloc[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
