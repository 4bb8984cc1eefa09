"""The text of an aseg.stats, laid out as FreeSurfer 7's mri_segstats lays it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from neurospect.cohorts.simulated_volumes import STRUCTURES, Structure, Tissue

# Mean and standard deviation of a tissue in norm.mgz, whose white matter is 110 or so.
_BRIGHTNESS: Mapping[Tissue, tuple[float, float]] = {
    "white": (100.0, 9.0),
    "grey": (78.0, 9.0),
    "fluid": (35.0, 11.0),
}
# Only in the header: their volumes are those inside surfaces.
_OF_SURFACES = ("Cerebral-Cortex", "Cerebral-White-Matter")
_SUBCORTICAL_GREY = (
    *("Thalamus", "Caudate", "Putamen", "Pallidum", "Hippocampus", "Amygdala", "Accumbens-area"),
    "VentralDC",
)
_VENTRICLES = (
    *("Lateral-Ventricle", "Inf-Lat-Vent", "3rd-Ventricle", "4th-Ventricle", "5th-Ventricle"),
    *("CSF", "choroid-plexus"),
)
_BELOW_TENTORIUM = ("Cerebellum-Cortex", "Cerebellum-White-Matter", "Brain-Stem", "4th-Ventricle")
_MASK_OF_HEAD, _MASK_SPREAD = 1.02, 0.01


def aseg_stats_text(
    subject: str,
    volumes: Mapping[str, float],
    head_size: float,
    generator: np.random.Generator,
) -> str:
    """Write one subject's volumes as mri_segstats does: the sums as header, then structures.

    Parameters
    ----------
    subject
        Name of the subject.
    volumes
        Of every structure in `STRUCTURES`, mm³.
    head_size
        Estimated total intracranial volume, mm³.
    generator
        Of the random numbers for brightness and the brain mask, which nothing depends on.

    Returns
    -------
    str
        The file's content. It says that it is simulated where FreeSurfer names its program.
    """
    listed = [each for each in STRUCTURES if each.paired not in _OF_SURFACES]
    rows = [
        _row(number, each, volumes[each.name], generator)
        for number, each in enumerate(listed, start=1)
    ]
    mask = head_size * (_MASK_OF_HEAD + _MASK_SPREAD * generator.standard_normal())
    header = [
        "Title Segmentation Statistics",
        "",
        "generating_program neurospect (a simulation: nobody was scanned)",
        "anatomy_type volume",
        "",
        f"subjectname {subject}",
        *(f"Measure {measure}" for measure in _measures(volumes, head_size, mask)),
        "SegVolFile mri/aseg.mgz",
        "PVVolFile mri/norm.mgz",
        "InVolFile mri/norm.mgz",
        "InVolFrame 0",
        "VoxelVolume_mm3 1",
        *_columns(),
        f"NRows {len(rows)}",
        "NTableCols 10",
        "ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev normMin normMax"
        " normRange",
    ]
    return "\n".join([*(f"# {line} " if line else "# " for line in header), *rows]) + "\n"


def _row(number: int, each: Structure, volume: float, generator: np.random.Generator) -> str:
    mean, deviation = _BRIGHTNESS[each.tissue]
    mean += 2 * generator.standard_normal()
    deviation *= np.exp(0.1 * generator.standard_normal())
    seen = (mean, deviation, mean - 3 * deviation, mean + 3 * deviation) if volume else (0.0,) * 4
    low, high = round(max(seen[2], 0)), round(seen[3])
    return (
        f"{number:3d} {each.number:3d} {round(volume):9d} {volume:10.1f}  {each.name:<30} "
        f"{seen[0]:10.4f} {seen[1]:10.4f} {low:10.4f} {high:10.4f} {high - low:10.4f}"
    )


def _measures(volumes: Mapping[str, float], head_size: float, mask: float) -> list[str]:
    """Give the header's summary measures, each with its two names, its meaning and its unit."""

    def total(names: Iterable[str]) -> float:
        wanted = set(names)
        return sum(volumes[each.name] for each in STRUCTURES if each.paired in wanted)

    cortex, white = (total([name]) for name in _OF_SURFACES)
    subcortical, below = total(_SUBCORTICAL_GREY), total(_BELOW_TENTORIUM)
    everything, ventricles = sum(volumes.values()), total(_VENTRICLES)
    above, wet_above = everything - below, ventricles - total(["4th-Ventricle"])
    sums = [
        ("BrainSeg", "BrainSegVol", "Brain Segmentation Volume", everything),
        ("BrainSegNotVent", "BrainSegVolNotVent", "Brain Segmentation Volume Without Ventricles",
         everything - ventricles),
        ("VentricleChoroidVol", "VentricleChoroidVol",
         "Volume of ventricles and choroid plexus", ventricles),
        ("lhCortex", "lhCortexVol", "Left hemisphere cortical gray matter volume",
         volumes["Left-Cerebral-Cortex"]),
        ("rhCortex", "rhCortexVol", "Right hemisphere cortical gray matter volume",
         volumes["Right-Cerebral-Cortex"]),
        ("Cortex", "CortexVol", "Total cortical gray matter volume", cortex),
        ("lhCerebralWhiteMatter", "lhCerebralWhiteMatterVol",
         "Left hemisphere cerebral white matter volume", volumes["Left-Cerebral-White-Matter"]),
        ("rhCerebralWhiteMatter", "rhCerebralWhiteMatterVol",
         "Right hemisphere cerebral white matter volume", volumes["Right-Cerebral-White-Matter"]),
        ("CerebralWhiteMatter", "CerebralWhiteMatterVol", "Total cerebral white matter volume",
         white),
        ("SubCortGray", "SubCortGrayVol", "Subcortical gray matter volume", subcortical),
        ("TotalGray", "TotalGrayVol", "Total gray matter volume",
         cortex + subcortical + total(["Cerebellum-Cortex"])),
        ("SupraTentorial", "SupraTentorialVol", "Supratentorial volume", above),
        ("SupraTentorialNotVent", "SupraTentorialVolNotVent", "Supratentorial volume",
         above - wet_above),
        ("Mask", "MaskVol", "Mask Volume", mask),
    ]  # fmt: skip
    lines = [f"{long}, {short}, {words}, {value:.6f}, mm^3" for long, short, words, value in sums]
    for name, value in (("BrainSegVol", everything), ("MaskVol", mask)):
        ratio = f"{name}-to-eTIV"
        lines.append(
            f"{ratio}, {ratio}, Ratio of {name} to eTIV, {value / head_size:.6f}, unitless"
        )
    lines.append(
        "EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, "
        f"{head_size:.6f}, mm^3"
    )
    return lines


def _columns() -> list[str]:
    """Say what the columns of the rows hold, three lines each."""
    columns = [
        ("Index", "Index", "NA"),
        ("SegId", "Segmentation Id", "NA"),
        ("NVoxels", "Number of Voxels", "unitless"),
        ("Volume_mm3", "Volume", "mm^3"),
        ("StructName", "Structure Name", "NA"),
        ("normMean", "Intensity normMean", "MR"),
        ("normStdDev", "Intensity normStdDev", "MR"),
        ("normMin", "Intensity normMin", "MR"),
        ("normMax", "Intensity normMax", "MR"),
        ("normRange", "Intensity normRange", "MR"),
    ]
    return [
        f"TableCol {number:2d} {key} {value}"
        for number, column in enumerate(columns, start=1)
        for key, value in zip(("ColHeader", "FieldName", "Units    "), column, strict=True)
    ]
