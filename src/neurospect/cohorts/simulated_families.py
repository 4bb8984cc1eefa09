"""Families as a twin study enrols them, and the HCP's two tables about them; nobody is real."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.errors import BadInputError

FEWEST, MOST = 12, 9999
# Each member as (zygosity, which of the mother's partners is the father).
ONLY = (("NotTwin", 0),)
SIBLINGS = (("NotTwin", 0), ("NotTwin", 0))
HALF_SIBLINGS = (("NotTwin", 0), ("NotTwin", 0), ("NotTwin", 1))
IDENTICAL_TWINS = (("MZ", 0), ("MZ", 0), ("NotTwin", 0))
FRATERNAL_TWINS = (("DZ", 0), ("DZ", 0))
FRATERNAL_TWINS_OF_FOUR = (("DZ", 0), ("DZ", 0), ("NotTwin", 0), ("NotTwin", 0))
# One of each kind comes first, so that the smallest cohort has them all.
FIRST = (IDENTICAL_TWINS, FRATERNAL_TWINS, HALF_SIBLINGS, SIBLINGS, ONLY, ONLY)
KINDS = (ONLY, SIBLINGS, HALF_SIBLINGS, IDENTICAL_TWINS, FRATERNAL_TWINS, FRATERNAL_TWINS_OF_FOUR)
SHARES = (0.3, 0.25, 0.08, 0.17, 0.12, 0.08)
AGE_BANDS = ((22, "22-25"), (26, "26-30"), (31, "31-35"), (36, "36+"))


def simulated_ids(participants: int) -> list[str]:
    """Name the participants: six digits, as the HCP does, whatever the seed.

    Raises
    ------
    BadInputError
        If there are too few for one family of each kind, or too many for six digits.
    """
    if not FEWEST <= participants <= MOST:
        raise BadInputError(
            "simulated families",
            "participants",
            found=participants,
            expected=f"{FEWEST} to {MOST}",
            remedy="Choose a number in this range; fewer have not every kind of relatives.",
        )
    return [str(100_000 + 83 * number) for number in range(1, participants + 1)]


def simulate_families(participants: int, seed: int) -> pd.DataFrame:
    """Make up families of twins, full and half-siblings, and participants without relatives.

    The last family drawn is cut where the number is reached; so a twin may lack the other one,
    as happens in a real study.

    Parameters
    ----------
    participants
        How many.
    seed
        Seed of families, sexes and ages.

    Returns
    -------
    pandas.DataFrame
        One row per participant, by id: participant_id, sex (F, M), age (years), zygosity
        (NotTwin, MZ, DZ), mother, father (numbers of the parents, from 0), zygote (a number that
        only identical twins share), parents_known (whether the study has the parents' ids).

    Raises
    ------
    BadInputError
        If there are fewer than 12 or more than 9,999.
    """
    ids = simulated_ids(participants)
    generator = np.random.default_rng([seed, 0])
    rows: list[dict[str, object]] = []
    mothers = fathers = alone = 0
    while len(rows) < participants:
        drawn = KINDS[generator.choice(len(KINDS), p=SHARES)]
        kind = FIRST[mothers] if mothers < len(FIRST) else drawn
        alone += kind is ONLY
        known = kind is not ONLY or alone % 4 != 2
        rows += _family(kind, mothers, fathers, known, generator)
        mothers += 1
        fathers += 1 + max(partner for _, partner in kind)
    table = pd.DataFrame(rows[:participants])
    table["zygote"] = pd.factorize(table.pop("born_as"))[0]
    table.insert(0, PARTICIPANT, generator.permutation(ids))
    return table.sort_values(PARTICIPANT, ignore_index=True)


def unrestricted_table(families: pd.DataFrame) -> pd.DataFrame:
    """Write families as the HCP's unrestricted table: Subject, ..., Gender, Age (a band)."""
    return pd.DataFrame(
        {
            "Subject": families[PARTICIPANT],
            "Release": "S1200",
            "Acquisition": "simulated",
            "Gender": families["sex"],
            "Age": [_band(int(age)) for age in families["age"]],
        }
    )


def restricted_table(families: pd.DataFrame) -> pd.DataFrame:
    """Write families as the HCP's restricted table; ids of unknown parents are blank.

    Every seventh participant was not genotyped, so that only the zygosity that twins say
    themselves is known.
    """
    known = families["parents_known"]
    mother = [str(50_001 + number) for number in families["mother"]]
    father = [str(80_001 + number) for number in families["father"]]
    together = [f"{one}_{other}" for one, other in zip(mother, father, strict=True)]
    zygosity = families["zygosity"]
    genotyped = families.index % 7 != 6
    return pd.DataFrame(
        {
            "Subject": families[PARTICIPANT],
            "Age_in_Yrs": families["age"].astype(str),
            "HasGT": np.where(genotyped, "true", "false"),
            "ZygositySR": zygosity.replace({"DZ": "NotMZ"}),
            "ZygosityGT": np.where(genotyped & (zygosity != "NotTwin"), zygosity, ""),
            "Family_ID": np.where(known, together, ""),
            "Mother_ID": np.where(known, mother, ""),
            "Father_ID": np.where(known, father, ""),
        }
    )


def _family(
    kind: tuple[tuple[str, int], ...],
    mother: int,
    father: int,
    known: bool,
    generator: np.random.Generator,
) -> list[dict[str, object]]:
    twins_age, twins_sex = int(generator.integers(23, 35)), str(generator.choice(["F", "M"]))
    rows: list[dict[str, object]] = []
    for place, (zygosity, partner) in enumerate(kind):
        sex = str(generator.choice(["F", "M"]))
        age = twins_age + int(generator.integers(-4, 5))
        rows.append(
            {
                "sex": twins_sex if zygosity == "MZ" else sex,
                "age": min(max(age, 22), 36) if zygosity == "NotTwin" else twins_age,
                "zygosity": zygosity,
                "mother": mother,
                "father": father + partner,
                "parents_known": known,
                "born_as": f"{mother} MZ" if zygosity == "MZ" else f"{mother} {place}",
            }
        )
    return rows


def _band(age: int) -> str:
    return [name for youngest, name in AGE_BANDS if age >= youngest][-1]
