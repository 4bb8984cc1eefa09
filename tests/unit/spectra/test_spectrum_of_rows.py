"""Spectra of activations and adjoints, also where samples are fewer than features."""

import numpy as np
import pytest
import torch

from neurospect.spectra.spectrum_of_rows import row_spectra


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("features", [3, 40])
def test_spectra_are_those_of_the_rows(dtype, features):
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(rows, features, generator=generator, dtype=dtype) for rows in (5, 7)
    )
    found = row_spectra([[first[:2], first[2:]], [second]], whole=True).numpy()
    for row, part in zip(found, (torch.cat([first, second]), first, second), strict=True):
        expected = np.linalg.svd(part.double().numpy(), compute_uv=False)
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=1e-6)
        assert np.isnan(row[len(expected) :]).all()
    assert found.dtype == np.float64


def test_few_samples_of_very_many_features_fit_into_memory():
    """A Gram matrix of the features would take 80 GB here."""
    rows = torch.ones(4, 100_000)
    found = row_spectra([[rows[:2]], [rows[2:]]], whole=True)
    np.testing.assert_allclose(found[:, 0], np.sqrt([400_000, 200_000, 200_000]), rtol=1e-6)
