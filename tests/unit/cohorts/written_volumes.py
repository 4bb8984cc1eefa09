"""Volumes as FreeSurfer's programs write them."""

STRUCTURES = [
    (4, "Left-Lateral-Ventricle", 7052.1),
    (10, "Left-Thalamus", 8141.9),
    (17, "Left-Hippocampus", 4201.5),
    (72, "5th-Ventricle", 0.0),
    (251, "CC_Posterior", 1021.3),
]
ETIV = "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, "
MEASURES = [
    "# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 1193318.000000, mm^3",
    "# Measure lhCortex, lhCortexVol, Left hemisphere cortical gray matter volume,"
    " 239648.484067, mm^3",
    "# Measure BrainSegVol-to-eTIV, BrainSegVol-to-eTIV, Ratio of BrainSegVol to eTIV,"
    " 0.767900, unitless",
    "# Measure lhSurfaceHoles, lhSurfaceHoles, Number of defect holes in lh surfaces prior to"
    " fixing, 18, unitless",
    f"{ETIV}1554002.123456, mm^3",
]


def aseg_stats(
    structures: list[tuple[int, str, float]] = STRUCTURES,
    measures: list[str] = MEASURES,
    subject: str = "sub-0007",
) -> str:
    """Write what mri_segstats of FreeSurfer 7 writes, for a few of the structures."""
    rows = [
        f"{number:3d} {segment:4d} {round(volume):10d} {volume:10.1f}  {name:<30} "
        f"{40.0 + number:10.4f} {12.5:10.4f} {10.0:10.4f} {92.0:10.4f} {82.0:10.4f} "
        for number, (segment, name, volume) in enumerate(structures, start=1)
    ]
    header = [
        "# Title Segmentation Statistics ",
        "# ",
        "# generating_program mri_segstats",
        "# cvs_version 7.4.1",
        "# anatomy_type volume",
        "# ",
        f"# subjectname {subject}",
        *measures,
        "# SegVolFile mri/aseg.mgz ",
        "# TableCol  4 ColHeader Volume_mm3",
        "# TableCol  4 FieldName Volume",
        "# TableCol  4 Units     mm^3",
        f"# NRows {len(structures)} ",
        "# NTableCols 10 ",
        "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev normMin"
        " normMax normRange  ",
    ]
    return "\n".join([*header, *rows]) + "\n"


def aseg_table(rows: dict[str, list[object]] | None = None, etiv: str | None = None) -> str:
    """Write what asegstats2table writes, for the same columns."""
    names = [name for _, name, _ in STRUCTURES]
    names += ["BrainSegVol", "lhCortexVol", "BrainSegVol-to-eTIV", "lhSurfaceHoles"]
    names += [etiv or "EstimatedTotalIntraCranialVol"]
    if rows is None:
        volumes = [volume for _, _, volume in STRUCTURES]
        first = [*volumes, 1193318.0, 239648.484067, 0.7679, 18.0, 1554002.123456]
        rows = {"sub-0007": first, "0008": [value * 1.1 for value in first]}
    lines = [["Measure:volume", *names], *([who, *map(str, cells)] for who, cells in rows.items())]
    return "\n".join("\t".join(line) for line in lines) + "\n"
