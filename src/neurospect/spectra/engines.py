"""The two exact ways to record, and which of them costs less."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from neurospect.errors import BadInputError
from neurospect.spectra.coverage import Coverage, why_samples_depend
from neurospect.spectra.groups import SampleGroups

Engine = Literal["by_group", "in_pass"]
EngineChoice = Literal["auto", "by_group", "in_pass"]
# Smaller groups leave so little work to each pass that four of them cost more than the products
# beside one pass (docs/benchmarks.md, at the sizes of the demo).
SMALL_GROUP = 32


def chosen_engine(
    choice: EngineChoice, model: nn.Module, coverage: Coverage, groups: SampleGroups
) -> Engine:
    """Say how a backward pass is to be run; the same model and groups always get the same answer.

    "auto" goes group by group, but for two cases in which it takes the products beside one pass of
    the whole batch: layers that tie samples together (batch normalisation, dropout), and groups of
    fewer than 32 samples on average, where hooks show every weight and no layer, such as a
    recurrent one, must be run again.

    Parameters
    ----------
    choice
        What was asked for.
    model, coverage
        What is trained, and what of it is recorded.
    groups
        Of the batch.
    """
    if choice != "auto":
        return choice
    if why_samples_depend(model):
        return "in_pass"
    runs_again = any(layer.runs_again for _, layer in coverage.watched)
    is_small = groups.samples < SMALL_GROUP * len(groups.sizes)
    return "in_pass" if is_small and not (runs_again or coverage.only_by_group) else "by_group"


def refuse_unknown_engine(choice: str) -> None:
    """Raise BadInputError where no engine has that name."""
    if choice not in get_args(EngineChoice):
        raise BadInputError(
            "GradientSpectra",
            "engine",
            found=repr(choice),
            expected=f"one of {', '.join(get_args(EngineChoice))}",
            remedy="Mend the argument.",
        )
