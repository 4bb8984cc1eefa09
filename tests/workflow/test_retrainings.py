"""Trainings under permuted labels, planned as batches where a model learns its groups."""

from __future__ import annotations

import pytest

from checkout import RUN, SINUSOID, Checkout


@pytest.mark.parametrize(("retrainings", "batches"), [(0, 0), (41, 3)])
def test_only_a_comparison_whose_model_learns_classes_is_trained_anew(
    fresh_checkout: Checkout, retrainings: int, batches: int
):
    (fresh_checkout.root / "anew.yaml").write_text(
        "overrides: {sinusoid_mlp: {permutation: "
        f"{{retrainings: {retrainings}, retrainings_per_job: 20}}}}}}"
    )
    run = fresh_checkout.snakemake("--dry-run", configs=(SINUSOID, "anew.yaml"))
    assert run.returncode == 0, run.stdout
    planned = [f"{RUN}/H/seed-0/retrainings/batch-{number}.nc" for number in range(batches + 1)]
    assert [batch for batch in planned if batch in run.stdout] == planned[:-1]
    assert f"{RUN}/G/seed-0/retrain" not in run.stdout
    assert (f"{RUN}/H/seed-0/retrained_differences.nc" in run.stdout) == (retrainings > 0)
