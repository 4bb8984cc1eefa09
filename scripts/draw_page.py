"""Draw all lettered panels of an experiment on one page."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.tables import read_table, write_table
from neurospect.figures.page import figure_page
from neurospect.figures.page_tables import (
    PAGE_TRAJECTORY_COLUMNS,
    PANEL,
    page_differences,
    page_trajectories,
)
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job
from neurospect.stats.group_differences import PERMUTATION_COLUMNS

TEXT = ["weight", "group_a", "group_b"]


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    with recorded_job(snakemake) as job:
        spectra = dict(zip(params.models, map(read_datatree, inputs.spectra), strict=True))
        tests = {
            name: {
                "data": read_table(test, required=TEXT, text=TEXT),
                "clusters": read_table(found, required=TEXT, text=TEXT, may_be_empty=True),
                "cells": read_table(cells, required=TEXT, text=TEXT),
            }
            for name, test, found, cells in zip(
                params.comparisons,
                inputs.permutation_tests,
                inputs.clusters,
                inputs.cluster_cells,
                strict=True,
            )
        }
        panels = [
            {
                "name": name,
                "title": title,
                "kind": "trajectories" if name in spectra else "differences",
                **({"data": spectra[name]} if name in spectra else tests[name]),
            }
            for name, title in params.panel_titles.items()
        ]
        figure = figure_page(params.title, panels)
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)
        write_table(output.trajectories, page_trajectories(panels), PAGE_TRAJECTORY_COLUMNS)
        write_table(output.differences, page_differences(panels), PANEL | PERMUTATION_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
