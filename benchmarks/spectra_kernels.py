"""Ways to the singular values of group gradients: time and error, by the shape of the weight.

Writes its table into docs/benchmarks.md; `neurospect.spectra.singular_values` chooses by it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurospect.spectra.leading_values import LeadingValues
from neurospect.spectra.singular_values import product_singular_values, singular_values
from table import write_section

THREADS, TURNS, GROUPS = 2, 7, 4
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TEXT = f"""\
### Which way to the singular values

Milliseconds for the gradients of the batch and {GROUPS} groups of one weight in float32, given
their activations A and adjoints Δ, and (in brackets) the largest error of a value as a share of the
largest value, against LAPACK in float64 on the exact product. "Gram": eigenvalues of the Gram
matrix, in float64, or in float32, which is not acceptable. "QR": of the tall gradient, then
`svdvals` of R. "Core": of R_Δ R_Aᵀ, without the gradient. "Leading": 16 values by subspace
iteration from the step before (a gradient that has moved by a hundredth). What is chosen is in
bold; a Gram matrix is preferred to QR because those of several steps are decomposed side by side.
"""
SHAPES = [
    # outputs, inputs, rows of the batch
    (32, 32, 4000),
    (32, 784, 1600),
    (128, 128, 4000),
    (256, 1024, 4000),
    (512, 784, 2000),
    (768, 3072, 4000),
    (512, 784, 400),
    (512, 784, 240),
    (768, 3072, 64),
    (1024, 2048, 120),
]


def main() -> None:
    torch.set_num_threads(THREADS)
    rows = [measured(*shape) for shape in SHAPES]
    write_section(PAGE, "spectra-kernels", TEXT, rows)


def measured(outputs: int, inputs: int, samples: int) -> dict[str, Any]:
    """Time every way on one weight, in turns."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(samples, inputs, generator=generator)
    d = torch.randn(samples, outputs, generator=generator) * torch.logspace(0, -6, outputs)
    parts = [slice(None), *(slice(g, None, GROUPS) for g in range(GROUPS))]
    factors = [(a[part].contiguous(), d[part].contiguous()) for part in parts]
    exact = torch.stack([torch.linalg.svdvals(y.double().mT @ x.double()) for x, y in factors])
    leading, moved = LeadingValues(16), [(x, y * 1.01) for x, y in factors]
    leading.of("weight", _tall(moved))
    ways: dict[str, Callable[[], Tensor]] = {
        "svdvals": lambda: torch.linalg.svdvals(_tall(factors)),
        "QR": lambda: torch.linalg.svdvals(torch.linalg.qr(_tall(factors), mode="r").R),
        "Gram, float32": lambda: _gram(_tall(factors)),
        "Gram": lambda: singular_values(_tall(factors)),
        "core": lambda: torch.stack([product_singular_values(x, y) for x, y in factors]),
        "leading": lambda: leading.of("weight", _tall(factors))[0],
    }
    few = samples < min(outputs, inputs)
    if not few:
        del ways["core"]
    if min(outputs, inputs) < 512:
        del ways["leading"]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    found: dict[str, Tensor] = {}
    for turn in range(TURNS + 1):
        for way, compute in ways.items():
            started = time.perf_counter()
            found[way] = compute()
            if turn:
                seconds[way].append(time.perf_counter() - started)
    chosen = "core" if few else "Gram"
    row = {"weight": f"{outputs}×{inputs}", "rows": samples}
    for way in ("svdvals", "QR", "Gram, float32", "Gram", "core", "leading"):
        text = "–"
        if way in ways:
            values = found[way].double()
            error = (values - exact[:, : values.shape[1]]).abs() / exact[:, :1]
            text = f"{1e3 * statistics.median(seconds[way]):.1f} ({float(error.max()):.0e})"
        row[way] = f"**{text}**" if way == chosen else text
    print(row, flush=True)
    return row


def _tall(factors: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Form the gradients, the longer side first."""
    gradients = torch.stack([d.mT @ a for a, d in factors])
    return gradients if gradients.shape[1] >= gradients.shape[2] else gradients.mT.contiguous()


def _gram(tall: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(tall.mT @ tall).flip(-1).clamp_min(0.0).sqrt()


if __name__ == "__main__":
    main()
