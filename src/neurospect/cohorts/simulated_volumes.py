"""Simulated volumes of brain structures: how large they are, and what changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Tissue = Literal["grey", "white", "fluid"]


@dataclass(frozen=True)
class Structure:
    """One structure of FreeSurfer's segmentation, and what its volume depends on.

    Parameters
    ----------
    number
        Its number in FreeSurfer's table of labels.
    name
        Its name there.
    volume
        Median in controls of 40 years with a head of `HEAD_MM3`, mm³.
    spread
        Standard deviation of the logarithm among people of one head size, age and sex.
    per_decade
        Change of the logarithm with every ten years.
    tissue
        What it is made of; says how bright it is, and how it grows with the head.
    difference
        How far patients lie above controls, in units of `spread` (Cohen's d).
    paired
        Name without its side, which left and right share most of their spread with.
    """

    number: int
    name: str
    volume: float
    spread: float
    per_decade: float
    tissue: Tissue
    difference: float
    paired: str


# Left and right number (or the only one), name, volume, spread, change per decade, tissue,
# difference. Volumes, spreads and changes with age are round numbers of the size that FreeSurfer
# gives for adults, made up to be plausible. Differences are those of schizophrenia in van Erp et
# al. (2016), Molecular Psychiatry 21:547; where that study found none, there is none.
_ROWS: tuple[tuple[int, int | None, str, float, float, float, Tissue, float], ...] = (
    (3, 42, "Cerebral-Cortex", 240_000, 0.07, -0.03, "grey", 0.0),
    (2, 41, "Cerebral-White-Matter", 235_000, 0.08, -0.01, "white", 0.0),
    (4, 43, "Lateral-Ventricle", 7_500, 0.40, 0.12, "fluid", 0.37),
    (5, 44, "Inf-Lat-Vent", 330, 0.40, 0.08, "fluid", 0.0),
    (7, 46, "Cerebellum-White-Matter", 14_500, 0.10, -0.01, "white", 0.0),
    (8, 47, "Cerebellum-Cortex", 55_000, 0.09, -0.02, "grey", 0.0),
    (10, 49, "Thalamus", 7_500, 0.08, -0.03, "grey", -0.31),
    (11, 50, "Caudate", 3_600, 0.11, -0.02, "grey", 0.0),
    (12, 51, "Putamen", 5_100, 0.11, -0.04, "grey", 0.0),
    (13, 52, "Pallidum", 1_900, 0.10, -0.01, "grey", 0.21),
    (14, None, "3rd-Ventricle", 1_000, 0.28, 0.12, "fluid", 0.0),
    (15, None, "4th-Ventricle", 1_800, 0.25, 0.02, "fluid", 0.0),
    (16, None, "Brain-Stem", 21_000, 0.09, 0.0, "white", 0.0),
    (17, 53, "Hippocampus", 4_100, 0.09, -0.015, "grey", -0.46),
    (18, 54, "Amygdala", 1_650, 0.12, -0.02, "grey", -0.31),
    (24, None, "CSF", 1_000, 0.20, 0.06, "fluid", 0.0),
    (26, 58, "Accumbens-area", 520, 0.18, -0.06, "grey", -0.25),
    (28, 60, "VentralDC", 4_000, 0.08, -0.01, "white", 0.0),
    (30, 62, "vessel", 50, 0.60, 0.0, "fluid", 0.0),
    (31, 63, "choroid-plexus", 600, 0.25, 0.05, "fluid", 0.0),
    (72, None, "5th-Ventricle", 3, 1.00, 0.0, "fluid", 0.0),
    (77, None, "WM-hypointensities", 1_300, 0.45, 0.18, "white", 0.0),
    (78, 79, "WM-hypointensities", 0, 0.0, 0.0, "white", 0.0),
    (80, None, "non-WM-hypointensities", 20, 0.80, 0.0, "white", 0.0),
    (81, 82, "non-WM-hypointensities", 0, 0.0, 0.0, "white", 0.0),
    (85, None, "Optic-Chiasm", 220, 0.25, 0.0, "white", 0.0),
    (251, None, "CC_Posterior", 950, 0.15, 0.0, "white", 0.0),
    (252, None, "CC_Mid_Posterior", 480, 0.18, 0.0, "white", 0.0),
    (253, None, "CC_Central", 490, 0.18, 0.0, "white", 0.0),
    (254, None, "CC_Mid_Anterior", 490, 0.18, 0.0, "white", 0.0),
    (255, None, "CC_Anterior", 900, 0.15, 0.0, "white", 0.0),
)
HEAD_MM3 = {"female": 1_420_000.0, "male": 1_600_000.0}
"""Median intracranial volume by sex."""
HEAD_SPREAD, HEAD_DIFFERENCE = 0.08, -0.12
"""Standard deviation of its logarithm; patients above controls in these units (van Erp et al.)."""
GROWTH: Mapping[Tissue, float] = {"grey": 0.8, "white": 1.0, "fluid": 1.0}
"""Power of head size that a volume grows with."""
SHARED_BY_SIDES = 0.7
"""Share of a structure's variance that left and right have in common."""
SITE_SPREAD = 0.02
"""Standard deviation over sites of the logarithm of each structure's volume."""
MIDDLE_AGE = 40.0


def _structures() -> tuple[Structure, ...]:
    made = []
    for left, right, name, volume, spread, per_decade, tissue, difference in _ROWS:
        sides = {left: name} if right is None else {left: f"Left-{name}", right: f"Right-{name}"}
        made += [
            Structure(number, own, volume, spread, per_decade, tissue, difference, name)
            for number, own in sides.items()
        ]
    return tuple(sorted(made, key=lambda structure: structure.number))


STRUCTURES = _structures()
"""In the order of their numbers, as FreeSurfer lists them; cortex and white matter among them."""


def draw_head_size(generator: np.random.Generator, diagnosis: str, sex: str) -> float:
    """Draw the intracranial volume of one participant, mm³."""
    moved = HEAD_DIFFERENCE if diagnosis == "patient" else 0.0
    return float(HEAD_MM3[sex] * np.exp(HEAD_SPREAD * (generator.standard_normal() + moved)))


def draw_site(generator: np.random.Generator) -> dict[str, float]:
    """Draw by how much a site's scanner changes each structure, in the logarithm of its volume."""
    return {each.name: SITE_SPREAD * float(generator.standard_normal()) for each in STRUCTURES}


def draw_volumes(
    generator: np.random.Generator,
    *,
    diagnosis: str,
    age: float,
    head_size: float,
    site: Mapping[str, float],
) -> dict[str, float]:
    """Draw the volumes of one participant.

    The logarithm of each is that of the structure's median, plus what head size, age, site and
    diagnosis change, plus chance, most of which left and right share. Sex has no part in it
    but through head size.

    Parameters
    ----------
    generator
        Of the participant's random numbers.
    diagnosis
        "control" or "patient".
    age
        In years.
    head_size
        Intracranial volume, mm³.
    site
        As `draw_site` gives it.

    Returns
    -------
    dict
        Name of the structure → volume in mm³, rounded to 0.1 mm³ as in aseg.stats.
    """
    names = list(dict.fromkeys(each.paired for each in STRUCTURES))
    shared = dict(zip(names, generator.standard_normal(len(names)), strict=True))
    larger = np.log(head_size / np.mean(list(HEAD_MM3.values())))
    older = (age - MIDDLE_AGE) / 10
    volumes = {}
    for each in STRUCTURES:
        by_itself = generator.standard_normal()
        if each.paired != each.name:
            both = np.sqrt(SHARED_BY_SIDES) * shared[each.paired]
            by_itself = both + np.sqrt(1 - SHARED_BY_SIDES) * by_itself
        ill = each.difference if diagnosis == "patient" else 0.0
        change = GROWTH[each.tissue] * larger + each.per_decade * older
        change += each.spread * (by_itself + ill) + site[each.name]
        volumes[each.name] = round(float(each.volume * np.exp(change)), 1)
    return volumes
