"""Extract maps and time courses of a batch of runs."""

from pathlib import Path
from typing import Any

from neurospect.arrays.runs import Run
from neurospect.preprocess.cohort_references import read_references
from neurospect.preprocess.component_extraction import extract_components
from neurospect.preprocess.extracted_components import write_extracted
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, params = snakemake.input, snakemake.params
    with recorded_job(snakemake):
        confounds = iter(map(Path, inputs.get("confounds", [])))
        runs = [
            Run(
                each["participant_id"],
                Path(image),
                Path(mask),
                next(confounds) if each["confounds"] else None,
                each["session"],
            )
            for each, image, mask in zip(params.runs, inputs.images, inputs.masks, strict=True)
        ]
        references, grid, components = read_references(
            inputs.references, inputs.mask, inputs.components
        )
        extracted = extract_components(
            runs, references, grid, components, method=params.method, dtype=params.dtype
        )
        write_extracted(Path(snakemake.output.maps).parent, extracted)


if "snakemake" in globals():
    main(globals()["snakemake"])
