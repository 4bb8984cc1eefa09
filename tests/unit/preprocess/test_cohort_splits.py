"""Splits of a cohort: families where they are known, and no silent assumption where not."""

import pandas as pd
import pytest

from neurospect.errors import BadInputError
from neurospect.preprocess.cohort_splits import split_cohort

SHARES = {"training": 0.6, "validation": 0.2, "test": 0.2}


def people(count=40, **columns):
    frame = {
        "participant_id": [f"{number:03d}" for number in range(count)],
        "diagnosis": ["patient", "control"] * (count // 2),
        "site": ["A"] * (count // 4) + ["B"] * (count - count // 4),
        "Mother_ID": [f"m{number // 2}" for number in range(count)],
    }
    return pd.DataFrame({**frame, **columns})


def split(participants, **changes):
    arguments = {
        "family_columns": ["Mother_ID"],
        "assume_unrelated": False,
        "shares": SHARES,
        "sizes": None,
        "seed": 0,
        "stratify_by": [],
    }
    return split_cohort(participants, **{**arguments, **changes})


def test_siblings_stay_together():
    splits, _ = split(people())
    mothers = dict(zip(people()["participant_id"], people()["Mother_ID"], strict=True))
    of_mother = splits.groupby(splits["participant_id"].map(mothers))["split"].nunique()
    assert (of_mother == 1).all()
    assert splits["split"].value_counts().to_dict() == {"training": 24, "validation": 8, "test": 8}


def test_sizes_are_met_and_come_before_shares():
    splits, _ = split(people(), sizes={"training": 30, "validation": 4, "test": 6})
    assert splits["split"].value_counts().to_dict() == {"training": 30, "validation": 4, "test": 6}


def test_a_cohort_too_small_for_its_splits_is_named_with_its_numbers():
    few = people(4).iloc[:3]
    options = {"family_columns": [], "assume_unrelated": True, "where": "bids/participants.tsv"}
    with pytest.raises(BadInputError) as caught:
        split(few, shares={"training": 0.8, "validation": 0.1, "test": 0.1}, **options)
    assert str(caught.value).startswith(
        "bids/participants.tsv: sizes: found 3 participants, which make 3 for training, "
        "0 for validation, 0 for test, expected at least one participant in each split. "
        "Add participants (excluded.tsv"
    )
    with pytest.raises(BadInputError, match=r"participants\.tsv: sizes: .* a sum of 3, the"):
        split(few, sizes={"training": 2, "validation": 1, "test": 1}, **options)


def test_diagnosis_and_site_are_balanced_together():
    participants = people(80)
    options = {"family_columns": [], "assume_unrelated": True, "stratify_by": ["diagnosis", "site"]}
    splits, summary = split(participants, **options)
    cells = splits.merge(participants).groupby(["split", "diagnosis", "site"]).size()
    assert cells["training"].to_dict() == {
        ("control", "A"): 6,
        ("control", "B"): 18,
        ("patient", "A"): 6,
        ("patient", "B"): 18,
    }
    assert set(summary["level"]) == {"all", *(f"{d} {s}" for d in DIAGNOSES for s in "AB")}


DIAGNOSES = ("control", "patient")


@pytest.mark.parametrize(
    ("participants", "changes", "message"),
    [
        (people(), {"family_columns": []}, "families: found no column .*assume_unrelated"),
        (people(), {"stratify_by": ["sites"]}, "expected sites.*there is no sites"),
        (
            people(site=[None, *["A"] * 39]),
            {"stratify_by": ["site"]},
            "column site: found nothing for 000, and 1 such",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(participants, changes, message):
    with pytest.raises(BadInputError, match=message):
        split(participants, **changes)
