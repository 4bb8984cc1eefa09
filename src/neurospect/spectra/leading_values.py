"""The leading singular values of large matrices that change little from step to step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# Below this size all singular values cost less than it takes to find the leading ones alone.
LEAST_SIDE = 512
OVERSAMPLING = 8
MOST_SWEEPS = 30
TOLERANCE = 1e-4


class LeadingValues:
    """Subspace iteration that starts from the right singular vectors of the step before.

    Parameters
    ----------
    count
        How many values of each matrix.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._bases: dict[str, Tensor] = {}

    def of(self, name: str, matrices: Tensor) -> tuple[Tensor, Tensor]:
        """Leading singular values of the matrices that go by a name, and how far off they may be.

        Sweeps end when every value is known to a 10,000th of the largest, or after 30.

        Parameters
        ----------
        name
            What the matrices are of; those of the last call by this name are the starting point.
        matrices
            Shape (rows, ·, ·).

        Returns
        -------
        torch.Tensor
            Values, largest first, shape (rows, count), float64; each a lower bound of the value
            of its rank. NaN where a matrix is not finite.
        torch.Tensor
            Distance within which there certainly is a singular value, same shape.
        """
        tall = matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mT
        finite = tall.sum((1, 2)).isfinite()
        if not finite.all():
            finite = tall.isfinite().all(-1).all(-1)
            tall = torch.where(finite[:, None, None], tall, 0.0)
        basis = self._bases.get(name)
        if basis is None:
            basis = self._random_basis(tall)
        basis = basis.to(tall.device)
        for _ in range(MOST_SWEEPS):
            basis = torch.linalg.qr(tall.mT @ (tall @ basis.to(tall.dtype))).Q
            values, errors, basis = _ritz(tall, basis)
            if (errors <= TOLERANCE * values[:, :1])[:, : self._count].all():
                break
        # The sweeps may be in single precision, what is reported is not.
        basis = torch.linalg.qr(basis.to(torch.float64)).Q
        values, errors, self._bases[name] = _ritz(tall.to(torch.float64), basis)
        blank = torch.where(finite, 0.0, torch.nan)[:, None]
        return values[:, : self._count] + blank, errors[:, : self._count] + blank

    def state_dict(self) -> dict[str, Tensor]:
        """Return the bases, by name, on the CPU."""
        return {name: basis.cpu() for name, basis in self._bases.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._bases = dict(state)

    def _random_basis(self, tall: Tensor) -> Tensor:
        rows, _, side = tall.shape
        generator = torch.Generator().manual_seed(0)
        width = min(side, self._count + OVERSAMPLING)
        drawn = torch.randn(side, width, dtype=torch.float64, generator=generator)
        basis: Tensor = torch.linalg.qr(drawn).Q
        return basis.expand(rows, -1, -1)


def _ritz(tall: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Best values that a subspace holds, their residuals, and the subspace in their order."""
    q, r = torch.linalg.qr(tall @ basis)
    u, values, vh = torch.linalg.svd(r)
    left, right = q @ u, basis @ vh.mT
    residuals = torch.linalg.norm(tall.mT @ left - right * values[:, None, :], dim=-2)
    # An eigenvalue of [[0, M], [Mᵀ, 0]] lies within the residual of (left, right) / √2.
    return values, residuals / math.sqrt(2), right
