"""Exact singular values of gradients and of their factors, and their noise floor."""

from __future__ import annotations

import torch

Tensor = torch.Tensor


def singular_values(matrices: Tensor) -> Tensor:
    """Singular values of a stack of matrices, largest first.

    Matrices in single (or half) precision go through the Gram matrix of their shorter side in
    double precision, whose rounding error (about 1e-8 of the largest value) lies far under the
    noise floor of their own dtype; a Gram matrix in single precision would not. Matrices in
    double precision go through LAPACK's SVD, which itself begins with a QR decomposition where
    they are tall.

    Parameters
    ----------
    matrices
        Shape (..., rows, columns), real.

    Returns
    -------
    torch.Tensor
        Shape (..., min(rows, columns)), float64. NaN throughout for a matrix that holds a
        value that is not finite.
    """
    rows, columns = matrices.shape[-2:]
    if matrices.dtype == torch.float64:
        finite = matrices.isfinite().all(-1).all(-1)
        if finite.all():
            values: Tensor = torch.linalg.svdvals(matrices)
            return values
        values = torch.linalg.svdvals(torch.where(finite[..., None, None], matrices, 0.0))
        return torch.where(finite[..., None], values, torch.nan)
    return singular_values_of_gram(gram(matrices if rows >= columns else matrices.mT))


def product_singular_values(activation: Tensor, adjoint: Tensor) -> Tensor:
    """Singular values of a stack of gradients ∇ = Δᵀ A, given A and Δ.

    With fewer samples than inputs and outputs, ∇ = Q_Δ R_Δ (Q_A R_A)ᵀ for the QR decompositions of
    Δᵀ and Aᵀ, so its singular values are those of the small core R_Δ R_Aᵀ, and zeros. Else the
    product is formed.

    Parameters
    ----------
    activation, adjoint
        Shapes (..., samples, inputs) and (..., samples, outputs).

    Returns
    -------
    torch.Tensor
        Shape (..., min(inputs, outputs)), float64. NaN throughout where a value is not finite.
    """
    samples, rank = activation.shape[-2], min(activation.shape[-1], adjoint.shape[-1])
    if samples >= rank:
        return singular_values(adjoint.mT @ activation)
    of_activation = torch.linalg.qr(activation.mT.to(torch.float64), mode="r").R
    of_adjoint = torch.linalg.qr(adjoint.mT.to(torch.float64), mode="r").R
    values = singular_values(of_adjoint @ of_activation.mT)
    padded = values.new_zeros(*values.shape[:-1], rank)
    padded[..., :samples] = values
    return torch.where(values.isnan().any(-1, keepdim=True), torch.nan, padded)


def gram(matrices: Tensor) -> Tensor:
    """Gram matrix over the columns, in double precision.

    Parameters
    ----------
    matrices
        Shape (..., rows, columns).

    Returns
    -------
    torch.Tensor
        Shape (..., columns, columns), float64.
    """
    double = matrices.to(torch.float64)
    return double.mT @ double


def singular_values_of_gram(grams: Tensor) -> Tensor:
    """Singular values, largest first, of the matrices whose Gram matrices are given.

    Parameters
    ----------
    grams
        Shape (..., columns, columns), float64, symmetric.

    Returns
    -------
    torch.Tensor
        Shape (..., columns), float64; NaN throughout where a Gram matrix is not finite.
    """
    # One look at the diagonal is enough: an entry that is not finite makes its square so.
    finite = grams.diagonal(dim1=-2, dim2=-1).isfinite().all(-1)
    if not finite.all():
        grams = torch.where(finite[..., None, None], grams, 0.0)
    values = torch.linalg.eigvalsh(grams).flip(-1).clamp_min(0.0).sqrt()
    return values if finite.all() else torch.where(finite[..., None], values, torch.nan)


def noise_floor(largest: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Size under which a singular value says nothing: max(rows, columns) · eps · σ₁.

    Parameters
    ----------
    largest
        Largest singular values σ₁, any shape.
    shape
        Rows and columns of the matrix.
    dtype
        Floating-point type in which the matrix was computed.

    Returns
    -------
    torch.Tensor
        Same shape as `largest`.
    """
    return largest * (max(shape) * torch.finfo(dtype).eps)


def paper_bound(activation: Tensor, adjoint: Tensor) -> Tensor:
    """Products σ(A)·σ(Δ), rank by rank: eq. (4) of the AutoSpec paper, kept for comparison only.

    The paper takes these for the singular values of the gradient AᵀΔ. They are not: that would
    need the left singular vectors of A and Δ to coincide. The first product is an upper bound of
    the first singular value; the others bound nothing.

    Parameters
    ----------
    activation, adjoint
        Singular values of A and of Δ, largest first, shapes (..., p) and (..., q).

    Returns
    -------
    torch.Tensor
        Shape (..., min(p, q)).

    Examples
    --------
    >>> a = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    >>> d = torch.tensor([[0.0, 3.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    >>> torch.linalg.svdvals(a.T @ d).tolist()
    [3.0, 0.0]
    >>> paper_bound(singular_values(a), singular_values(d)).tolist()
    [6.0, 1.0]
    """
    shared = min(activation.shape[-1], adjoint.shape[-1])
    return activation[..., :shared] * adjoint[..., :shared]
