"""Models by the name of their family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.mlp import mlp

Task = Literal["autoencoding", "classification"]
FAMILIES: dict[str, Callable[..., nn.Module]] = {"mlp": mlp}


def build_model(
    family: str, *, task: Task, features: int, classes: int, seed: int, **architecture: Any
) -> nn.Module:
    """Build a model with initial weights that depend on `seed` alone.

    Parameters
    ----------
    family
        Name in `FAMILIES`.
    task
        Auto-encoding rebuilds the features; classification gives one logit per class.
    features, classes
        Sizes of an example and of the target.
    seed
        Of the initial weights; the global random state is left as it was.
    **architecture
        What the family takes, such as `widths` and `activation`.

    Raises
    ------
    BadInputError
        When there is no such family.
    """
    if family not in FAMILIES:
        raise BadInputError(
            "model",
            "family",
            found=repr(family),
            expected=f"one of {', '.join(FAMILIES)}",
            remedy="Mend the name.",
        )
    outputs = features if task == "autoencoding" else classes
    with torch.random.fork_rng(devices=[]):
        # Only this generator: torch.manual_seed would seed those of CUDA devices, too.
        torch.default_generator.manual_seed(seed)
        return FAMILIES[family](features, outputs, **architecture)
