"""The splits of a cohort: by families where they are known, balanced by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components
from neurospect.preprocess.splits import assign_splits, split_summary


def split_cohort(
    participants: pd.DataFrame,
    *,
    family_columns: Sequence[str],
    assume_unrelated: bool,
    shares: Mapping[str, float],
    sizes: Mapping[str, int] | None,
    seed: int,
    stratify_by: Sequence[str],
    where: str = "participants",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split participants so that no family is torn apart.

    Parameters
    ----------
    participants
        One row per participant, with `participant_id` and the columns named below.
    family_columns
        Columns with ids of mother, father and family; none where the cohort knows no families.
    assume_unrelated
        Whether participants of a cohort that knows no families may count as unrelated.
    shares, sizes
        Of training, validation and test; sizes, where given, are what counts.
    seed
        Seed of the choice.
    stratify_by
        Columns whose classes are balanced, taken together (diagnosis by site, say).
    where
        The table, for messages.

    Returns
    -------
    splits, summary : pandas.DataFrame
        As `assign_splits` and `split_summary` give them.

    Raises
    ------
    BadInputError
        If no family is known and participants may not count as unrelated, a column is missing,
        or the sizes cannot be met.
    """
    if family_columns:
        components = family_components(participants, family_columns)
    elif assume_unrelated:
        components = None
    else:
        raise BadInputError(
            where,
            "families",
            found="no column of mothers, fathers or families",
            expected="families, so that relatives do not stand on both sides of a test",
            remedy="Give the family data (HCP: the restricted CSV), or name the cohort under "
            "splits.assume_unrelated.",
        )
    absent = [name for name in stratify_by if name not in participants]
    if absent:
        raise BadInputError(
            where,
            "columns",
            found=", ".join(participants.columns),
            expected=", ".join(stratify_by),
            remedy=f"Mend splits.stratify_by: there is no {', '.join(absent)}.",
        )
    together = participants.assign(**{"class": _joined(participants, stratify_by, where)})
    splits = assign_splits(
        together,
        components,
        sizes=sizes,
        fractions=None if sizes is not None else shares,
        seed=seed,
        stratify_by="class" if stratify_by else None,
        where=where,
    )
    return splits, split_summary(splits, together, "class" if stratify_by else None)


def _joined(participants: pd.DataFrame, columns: Sequence[str], where: str) -> list[str]:
    """Return one class per participant out of several columns."""
    for name in columns:
        missing = participants["participant_id"][participants[name].isna()]
        if len(missing):
            raise BadInputError(
                where,
                f"column {name}",
                found=f"nothing for {missing.iloc[0]}, and {len(missing)} such participants in all",
                expected="a class for every participant",
                remedy="Complete the column, or leave it out of splits.stratify_by.",
            )
    rows = zip(*(participants[name].astype(str) for name in columns), strict=True)
    return [" ".join(row) for row in rows] if columns else [""] * len(participants)
