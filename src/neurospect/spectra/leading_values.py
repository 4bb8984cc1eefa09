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
LARGEST_TO_SQUARE = 1e15


class LeadingValues:
    """Subspace iteration that starts from the right singular vectors of the step before.

    Where what it finds is too little for the Frobenius norm of a matrix, as when a gradient leaves
    the subspace altogether, it starts again from random vectors.

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
        start = self._random_basis(tall) if basis is None else basis.to(tall.device)
        norms = torch.linalg.norm(tall.to(torch.float64), dim=(1, 2))
        values, errors, basis = self._swept(tall.to(_dtype_of_sweeps(tall, norms)), start)
        missed = _misses_values(norms, values, tall.shape[2])
        if missed.any():
            # In double precision, as tiny gradients vanish when single precision squares them.
            again = self._swept(tall[missed].to(torch.float64), self._random_basis(tall)[missed])
            for kept, found in zip((values, errors, basis), again, strict=True):
                kept[missed] = found
        # A matrix of zeros says nothing of where the values of the next one lie.
        self._bases[name] = torch.where((norms > 0)[:, None, None], basis, start)
        blank = torch.where(finite, 0.0, torch.nan)[:, None]
        return values[:, : self._count] + blank, errors[:, : self._count] + blank

    def state_dict(self) -> dict[str, Tensor]:
        """Return the bases, by name, on the CPU."""
        return {name: basis.cpu() for name, basis in self._bases.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._bases = dict(state)

    def _swept(self, tall: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values, their errors and right vectors, in double precision, from a start."""
        for _ in range(MOST_SWEEPS):
            basis = torch.linalg.qr(tall.mT @ (tall @ basis.to(tall.dtype))).Q
            values, errors, basis = _ritz(tall, basis)
            if (errors <= TOLERANCE * values[:, :1])[:, : self._count].all():
                break
        # The sweeps may be in single precision, what is reported is not.
        basis = torch.linalg.qr(basis.to(torch.float64)).Q
        return _ritz(tall.to(torch.float64), basis)

    def _random_basis(self, tall: Tensor) -> Tensor:
        rows, _, side = tall.shape
        generator = torch.Generator().manual_seed(0)
        width = min(side, self._count + OVERSAMPLING)
        drawn = torch.randn(side, width, dtype=torch.float64, generator=generator)
        basis: Tensor = torch.linalg.qr(drawn).Q
        return basis.to(tall.device).expand(rows, -1, -1)


def _dtype_of_sweeps(tall: Tensor, norms: Tensor) -> torch.dtype:
    """Keep that of the matrices, unless QR does not know it or their squares would overflow it."""
    if bool((norms > LARGEST_TO_SQUARE).any()):
        return torch.float64
    return torch.promote_types(tall.dtype, torch.float32)


def _misses_values(norms: Tensor, values: Tensor, side: int) -> Tensor:
    """Whether matrices have larger values than the smallest ones that a subspace has shown.

    A subspace that is orthogonal to a matrix, or to a part of it, stays so sweep after sweep. What
    it leaves of the squared Frobenius norm is that of the values of lower rank, were none missed;
    they would then be as large as the smallest shown, at most. Half of that is for values that have
    not yet converged.
    """
    left = (norms**2 - (values**2).sum(1)).clamp_min(0.0)
    matters = left > (TOLERANCE * values[:, 0]) ** 2
    return matters & (4 * (side - values.shape[1]) * values[:, -1] ** 2 < left)


def _ritz(tall: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Best values that a subspace holds, their residuals, and the subspace in their order."""
    q, r = torch.linalg.qr(tall @ basis)
    u, values, vh = torch.linalg.svd(r)
    left, right = q @ u, basis @ vh.mT
    residuals = torch.linalg.norm(tall.mT @ left - right * values[:, None, :], dim=-2)
    # An eigenvalue of [[0, M], [Mᵀ, 0]] lies within the residual of (left, right) / √2.
    return values, residuals / math.sqrt(2), right
