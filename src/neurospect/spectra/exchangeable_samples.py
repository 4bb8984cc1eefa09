"""Which samples may change places under permuted labels, and whether the labels were learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurospect.errors import BadInputError

TargetLabels = Literal["no", "in part", "yes"]

# Who stays together in splits: a family, or a participant.
COMPONENT = "component"
# Level at which classes count as unevenly shared out between two groups.
UNEVEN = 0.05


@dataclass(frozen=True)
class Exchange:
    """Strata and families of some samples.

    Attributes
    ----------
    strata
        Stratum of each sample; None where all are of one.
    units
        Family (or participant) of each sample; None where no two are related.
    words
        How labels may change places, for a figure; empty for "among all samples".
    """

    strata: tuple[str, ...] | None
    units: tuple[str, ...] | None
    words: str


def exchange_of(
    participants: pd.DataFrame, within: Sequence[str], taking_part: NDArray[np.bool_]
) -> Exchange:
    """Find strata and families in a table.

    Parameters
    ----------
    participants
        One row per sample, with the columns of `within`. Rows of one `component`, where there is
        such a column, are of one family; or of one participant, who has several rows.
    within
        Columns whose values, together, are the strata; may be none.
    taking_part
        Shape (rows,): whether the sample is in a group that is compared. The others may miss a
        value, and their families do not count.

    Raises
    ------
    BadInputError
        When a column is not in the table, or a sample that takes part misses a value.
    """
    for column in within:
        _check_column(participants, column, taking_part)
    strata = units = None
    words = []
    if within:
        values = participants[list(within)].itertuples(index=False)
        strata = tuple(", ".join(map(str, each)) for each in values)
        words.append(f"within each {' and '.join(within)}")
    if COMPONENT in participants:
        component = participants[COMPONENT].astype(str)
        if component[taking_part].duplicated().any():
            units = tuple(component)
            words.append(f"{_whose(participants[taking_part])} whole")
    return Exchange(strata, units, ", ".join(words))


def target_tells_apart(
    in_a: NDArray[np.bool_], classes: ArrayLike, strata: ArrayLike | None = None
) -> TargetLabels:
    """Say whether the classes that a model learns tell two groups of samples apart.

    Parameters
    ----------
    in_a
        Shape (samples,): in group a, or else in b.
    classes
        Class of each sample, shape (samples,).
    strata
        Stratum of each, where labels change places only inside strata.

    Returns
    -------
    str
        "yes" where no class occurs in both groups, in any stratum that has both; "in part" where
        classes are otherwise shared out unevenly between the groups (χ² tests of the strata added
        up, p ≤ .05); "no" where they are not.
    """
    codes = np.unique(np.asarray(classes), return_inverse=True)[1]
    stratum = np.zeros(len(codes)) if strata is None else np.asarray(strata)
    shared, statistic, freedom = False, 0.0, 0
    for each in np.unique(stratum):
        inside = stratum == each
        counts = np.stack([np.bincount(codes[inside & own], minlength=codes.max() + 1)
                           for own in (in_a, ~in_a)])  # fmt: skip
        counts = counts[:, counts.any(axis=0)]
        if not counts.any(axis=1).all():
            continue
        shared = shared or bool(counts.all(axis=0).any())
        if counts.shape[1] > 1:
            found = stats.chi2_contingency(counts, correction=False)
            statistic, freedom = statistic + found.statistic, freedom + found.dof
    if not shared and freedom:
        return "yes"
    return "in part" if freedom and stats.chi2.sf(statistic, freedom) <= UNEVEN else "no"


def _whose(participants: pd.DataFrame) -> str:
    """Say what a component with several rows is."""
    if "participant_id" not in participants:
        return "families"
    members = participants.groupby(COMPONENT)["participant_id"].nunique()
    return "families" if (members > 1).any() else "participants"


def _check_column(participants: pd.DataFrame, column: str, taking_part: NDArray[np.bool_]) -> None:
    if column not in participants:
        raise BadInputError(
            "participants",
            "columns",
            found=", ".join(map(str, participants.columns)),
            expected=f"{column}, within which labels are to be exchanged",
            remedy="Mend permutation.within, or add the column.",
        )
    missing = participants.index[participants[column].isna().to_numpy() & taking_part]
    if len(missing):
        who = participants.get("participant_id", participants.index.to_series())[missing[0]]
        raise BadInputError(
            "participants",
            f"{column} of {who}",
            found=f"nothing, and {len(missing)} such rows in all",
            expected="a value, as labels are exchanged within it",
            remedy="Complete the column, or leave these participants out.",
        )
