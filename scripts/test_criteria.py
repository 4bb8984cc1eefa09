"""Summarise the criteria of all decoders and methods, and test them against each other."""

from typing import Any

from neurospect.arrays.tables import read_table, write_table
from neurospect.provenance.job import recorded_job
from neurospect.stats.criteria_tests import (
    LETTER_COLUMNS,
    SCORE_COLUMNS,
    SUMMARY_COLUMNS,
    TEST_COLUMNS,
    criteria_scores,
    criteria_summary,
    criteria_tests,
    with_letters,
)

TEXT = ["decoder", "seed", "participant_id", "class", "method", "criterion"]


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        tables = [read_table(path, TEXT, TEXT) for path in snakemake.input.criteria]
        tests = criteria_tests(tables)
        summary = with_letters(criteria_summary(tables), tests)
        write_table(snakemake.output.summary, summary, {**SUMMARY_COLUMNS, **LETTER_COLUMNS})
        write_table(snakemake.output.scores, criteria_scores(tables), SCORE_COLUMNS)
        write_table(snakemake.output.tests, tests, TEST_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
