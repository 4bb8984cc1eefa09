"""Multi-head attention: query, key, value and output projections."""

from __future__ import annotations

from typing import Any

from neurospect.spectra.layers.layer import Layer

PROJECTIONS = ("query", "key", "value")


def projections(module: Any, name: str) -> tuple[str, ...]:
    """Name the parts of the weight that projects queries, keys and values at once."""
    return PROJECTIONS if name == "in_proj_weight" else ()


ATTENTION = Layer(roles=projections)
