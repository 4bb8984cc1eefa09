"""What the quality of a cohort's components comes to for each participant, in words and numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurospect.errors import BadInputError

OWN, BASELINE = "reference_correlation", "dual_regression_correlation"
"""Columns of correlations with the reference: of the maps themselves, of dual regression's."""
METHODS = {"constrained_ica": "constrained ICA", "dual_regression": "dual regression"}
"""Name of a method in the settings → in words."""
QUALITY_NEEDED = (
    "participant_id",
    "component",
    OWN,
    BASELINE,
    "spectral_power_ratio",
    "converged",
)
MOST_REASONS = 6


def per_participant(quality: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Sum up components and run of each participant in one row.

    Parameters
    ----------
    quality
        One row per participant and component, with `QUALITY_NEEDED` and, where known, `label`.
    runs
        One row per participant: `participant_id` and what is known of the run.

    Returns
    -------
    pandas.DataFrame
        The rows of `runs` that have components, in their order, with `mean_correlation`,
        `minimum_correlation`, `worst_component` (its number and label),
        `baseline_correlation` (mean, dual regression), `spectral_power_ratio` (median over
        components, no unit) and `converged_share` (of the components, 0 to 1).

    Raises
    ------
    BadInputError
        If a column is missing, or a participant of `quality` has no row in `runs`, or several.
    """
    _check(quality, runs)
    numbers = quality.astype({column: np.float64 for column in QUALITY_NEEDED[2:]})
    by_participant = numbers.groupby("participant_id", sort=False)
    # Missing correlations go last, so that the first row of each participant is the worst.
    worst = quality.sort_values(OWN, kind="stable").drop_duplicates("participant_id")
    summary = pd.DataFrame(
        {
            "mean_correlation": by_participant[OWN].mean(),
            "minimum_correlation": by_participant[OWN].min(),
            "worst_component": pd.Series(_names(worst), index=worst["participant_id"], dtype=str),
            "baseline_correlation": by_participant[BASELINE].mean(),
            "spectral_power_ratio": by_participant["spectral_power_ratio"].median(),
            "converged_share": by_participant["converged"].mean(),
        }
    )
    kept = runs.drop(columns=[name for name in summary.columns if name in runs])
    merged = kept.merge(summary, left_on="participant_id", right_index=True, how="inner")
    return merged.reset_index(drop=True)


def left_out_counts(exclusions: pd.DataFrame) -> list[tuple[str, int]]:
    """Reasons for which participants were left out, and how many by each, most frequent first.

    Parameters
    ----------
    exclusions
        With the columns of `neurospect.arrays.exclusions`. A participant with several reasons
        counts under the first; an example, such as one task, does not count.

    Returns
    -------
    list of tuple
        Reason and number of participants; the rarest reasons are put together where there are
        more than six.
    """
    people = exclusions[exclusions["what"] == "participant"].drop_duplicates("participant_id")
    counts = (people["stage"] + ", " + people["field"]).value_counts()
    reasons = [(f"left out ({name})", int(count)) for name, count in counts.items()]
    if len(reasons) > MOST_REASONS:
        others = sum(count for _, count in reasons[MOST_REASONS - 1 :])
        reasons = [*reasons[: MOST_REASONS - 1], ("left out (other reasons)", others)]
    return reasons or [("left out", 0)]


def _names(rows: pd.DataFrame) -> list[str]:
    """Name components by number and, where there is one, label."""
    labels = rows["label"] if "label" in rows else pd.Series("", index=rows.index)
    return [
        f"{number} {'' if pd.isna(label) else label}".strip()
        for number, label in zip(rows["component"], labels, strict=True)
    ]


def _check(quality: pd.DataFrame, runs: pd.DataFrame) -> None:
    """Refuse tables that lack columns or do not belong together."""
    for name, table, needed in (
        ("quality", quality, QUALITY_NEEDED),
        ("runs", runs, ("participant_id",)),
    ):
        missing = [column for column in needed if column not in table]
        if missing:
            raise BadInputError(
                name,
                "columns",
                found=f"no {', no '.join(missing)}",
                expected=", ".join(needed),
                remedy="Give the table that the extraction of components wrote.",
            )
    twice = runs["participant_id"][runs["participant_id"].duplicated()]
    strangers = sorted(set(quality["participant_id"]) - set(runs["participant_id"]))
    if len(twice) or strangers:
        raise BadInputError(
            "runs",
            "participant_id",
            found=f"{twice.iloc[0]} twice" if len(twice) else f"no row for {strangers[0]}",
            expected="one row for each participant that has components",
            remedy="Give the tables of runs and of quality from the same extraction.",
        )
