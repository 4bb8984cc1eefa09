"""What happens to a model, or to a training, when the most salient values are taken away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint
from neurospect.arrays.tensors import as_array, tensors_sha256
from neurospect.errors import BadInputError
from neurospect.saliency.checks import check_finite, checked_logits, checked_seed
from neurospect.saliency.templates import checked_classes
from neurospect.training.checks import check_choice, check_counts, check_positive
from neurospect.training.modes import at_rest

log = logging.getLogger(__name__)

Which = Literal["most", "least"]
REMOVED = ("most", "least", "random")
# Accuracy by what was removed, and the share of it.
Finished = dict[tuple[str, float], float]
RETRAINED_COLUMNS = {
    "removed": "which values were replaced: the most salient, the least salient, or at random",
    "fraction": "share of the values that was replaced, in training and test inputs alike",
    "accuracy": "on the test inputs, of a model trained from scratch on the training inputs",
}


def replace_by_rank(
    inputs: Tensor,
    maps: Tensor,
    fraction: float,
    *,
    which: Which = "most",
    fill: float | Tensor = 0.0,
) -> Tensor:
    """Replace the most, or the least, salient values of each input.

    Parameters
    ----------
    inputs, maps
        Shape (examples, *input shape), one map for each input. Values are ranked as they are: give
        absolute values where the sign is not to count.
    fraction
        Share of the values of each input, from 0 to 1.
    which
        "most" or "least".
    fill
        What takes their place: one value, or shape (*input shape).

    Returns
    -------
    torch.Tensor
        Shape of the inputs. Of values that are equally salient, those that come first go first.

    Raises
    ------
    BadInputError
        When shapes differ, the fraction is none, `which` is neither of the two, or a map is not
        finite.
    """
    _check_maps(inputs, maps)
    _check_fractions([fraction])
    check_choice("removal", "which", which, get_args(Which))
    return _replaced(inputs, maps, fraction, which, fill)


def _replaced(
    inputs: Tensor, maps: Tensor, fraction: float, which: Which, fill: float | Tensor
) -> Tensor:
    count = round(fraction * inputs[0].numel())
    order = maps.flatten(1).argsort(dim=1, descending=which == "most", stable=True)
    replaced = torch.zeros_like(maps.flatten(1), dtype=torch.bool)
    replaced.scatter_(1, order[:, :count], True)
    filling = torch.as_tensor(fill, dtype=inputs.dtype, device=inputs.device)
    return torch.where(replaced.view_as(inputs), filling, inputs)


@torch.no_grad()
def removal_curves(
    model: nn.Module,
    inputs: Tensor,
    classes: ArrayLike | Tensor,
    maps: Tensor,
    fractions: Sequence[float],
    *,
    mode: Literal["deletion", "insertion"] = "deletion",
    fill: float | Tensor = 0.0,
    temperature: float = 1.0,
    examples_at_once: int = 32,
) -> NDArray[np.float64]:
    """Follow the probability of each example's class as its most salient values go, or come.

    Deletion replaces them in the input, insertion puts them into an input of nothing but `fill`
    (Petsiuk et al., 2018). A map that ranks well makes deletion fall, and insertion rise, early.
    The model never saw such inputs in training; `retrained_accuracy` lacks that weakness.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits; at rest (`eval`) meanwhile.
    inputs, classes
        Shapes (examples, *input shape) and (examples,).
    maps
        Shape (examples, *input shape): of each example's class.
    fractions
        Shares of the values, from 0 to 1.
    mode
        "deletion" or "insertion".
    fill
        One value, or shape (*input shape).
    temperature
        That the logits are divided by before the softmax, as for the maps.
    examples_at_once
        Examples that go through the model together.

    Returns
    -------
    numpy.ndarray
        Probabilities, shape (examples, fractions).

    Raises
    ------
    BadInputError
        When shapes differ, there is not one class for each input, the mode is not known, a number
        makes no sense, a map is not finite, or the model's output is not logits.
    """
    _check_maps(inputs, maps)
    _check_fractions(fractions)
    check_choice("removal", "mode", mode, ("deletion", "insertion"))
    check_positive("removal", temperature=temperature)
    check_counts("removal", examples_at_once=examples_at_once)
    if as_array(classes).shape != (len(inputs),):
        raise _refused(
            "classes",
            f"shape {as_array(classes).shape}",
            f"shape ({len(inputs)},), one class for each input",
            "Give the class of each input, as the model counts them.",
        )
    curves = []
    for fraction in fractions:
        if mode == "deletion":
            shown = _replaced(inputs, maps, fraction, "most", fill)
        else:
            # Ties are then broken as in deletion: the two are each other's complement.
            filled = torch.zeros_like(inputs) + torch.as_tensor(fill).to(inputs)
            marked = _replaced(torch.zeros_like(inputs), maps, fraction, "most", 1.0)
            shown = torch.where(marked.bool(), inputs, filled)
        with at_rest(model):
            parts = torch.split(shown, int(examples_at_once))
            logits = torch.cat([checked_logits(model(part), len(part)) for part in parts])
        probabilities = (logits.double() / temperature).softmax(1)
        codes = torch.from_numpy(checked_classes(inputs, classes, logits.shape[1]))
        curves.append(as_array(probabilities.gather(1, codes[:, None].to(logits.device))[:, 0]))
    return np.stack(curves, axis=1)


def retrained_accuracy(
    train_and_score: Callable[[Tensor, Tensor], float],
    training: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    fractions: Sequence[float],
    *,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    identity: str = "",
) -> pd.DataFrame:
    """Remove values by their rank and train from scratch (ROAR, Hooker et al., 2019).

    Rows with the most salient values removed are "remove and retrain"; those with the least salient
    removed are "keep and retrain", keeping one minus the fraction. Removed at random is what a map
    without meaning gives. Interrupted and called again with the same arguments, it trains what was
    not finished, and gives the same table.

    Parameters
    ----------
    train_and_score
        From training and test inputs to the accuracy on the latter of a model trained on the
        former from its initial weights; it knows the classes of both. What it does cannot be told
        from without: a checkpoint goes by `identity`.
    training, test
        Inputs and their maps, each of shape (examples, *input shape).
    fractions
        Shares of the values to remove, from 0 to 1.
    seed
        Of the random removal.
    checkpoint
        Where to keep accuracies between calls; removed at the end by the caller. One of other
        inputs or maps, or of another identity or seed, is not used.
    identity
        What `train_and_score` does: model, plan, classes. Needed for a checkpoint.

    Returns
    -------
    pandas.DataFrame
        With `RETRAINED_COLUMNS`. Removed values become the mean of the training inputs at their
        place.

    Raises
    ------
    BadInputError
        Before any training, when shapes differ, a map is not finite, a number makes no sense, there
        is a checkpoint but no identity, or the checkpoint cannot be read.
    """
    for inputs, maps in (training, test):
        _check_maps(inputs, maps)
    _check_fractions(fractions)
    whose: dict[str, Any] = {"identity": identity, "seed": checked_seed("removal", seed)}
    finished: Finished = {}
    if checkpoint is not None:
        _check_identity(identity)
        whose["data"] = tensors_sha256(*training, *test)
        finished = _finished(Path(checkpoint), whose)
    fill = training[0].mean(0)
    generator = torch.Generator().manual_seed(whose["seed"])
    # Not in the maps' own type, in which random numbers may round to the same.
    at_random = [
        (inputs, torch.rand(maps.shape, generator=generator).to(maps.device))
        for inputs, maps in (training, test)
    ]
    every = [(removed, fraction) for fraction in fractions for removed in REMOVED]
    for removed, fraction in every:
        if (removed, fraction) in finished:
            continue
        which: Which = "least" if removed == "least" else "most"
        changed = [
            _replaced(inputs, maps, fraction, which, fill)
            for inputs, maps in (at_random if removed == "random" else (training, test))
        ]
        finished[removed, fraction] = float(train_and_score(changed[0], changed[1]))
        if checkpoint is not None:
            kept = [[how, float(share), value] for (how, share), value in finished.items()]
            write_checkpoint(checkpoint, {**whose, "accuracies": kept})
    rows = [(*each, finished[each]) for each in every]
    return pd.DataFrame(rows, columns=list(RETRAINED_COLUMNS))


def _finished(checkpoint: Path, whose: Mapping[str, Any]) -> Finished:
    """Accuracies that a checkpoint holds; none where it is another training's."""
    content = own_checkpoint(checkpoint, whose)
    if content is None:
        return {}
    try:
        found = {(str(which), float(share)): float(a) for which, share, a in content["accuracies"]}
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            checkpoint,
            "checkpoint",
            found=f"no accuracies ({type(error).__name__}: {error})",
            expected="those of the trainings that were finished",
            remedy="Delete it: all are then trained anew.",
        ) from error
    log.info("going on from %s, after %d trainings", checkpoint, len(found))
    return found


def diff_roar(table: pd.DataFrame) -> pd.Series:
    """Accuracy with the most salient values kept minus that with the least salient kept.

    DiffROAR of Shah et al. (2021): above zero where maps point to what tells the classes apart,
    around zero where they rank at random.

    Parameters
    ----------
    table
        Of `retrained_accuracy`.

    Returns
    -------
    pandas.Series
        By the fraction removed.

    Raises
    ------
    BadInputError
        When the table does not hold one accuracy, of most and of least, for each fraction.
    """
    lacking = [name for name in ("removed", "fraction", "accuracy") if name not in table]
    if lacking:
        raise _refused(
            "table",
            f"no column {', '.join(lacking)}",
            f"the columns {', '.join(RETRAINED_COLUMNS)}",
            "Give the table of retrained_accuracy.",
        )
    counts = pd.crosstab(table["fraction"], table["removed"])
    counts = counts.reindex(columns=list(get_args(Which)), fill_value=0)
    wrong = counts[(counts != 1).any(axis=1)]
    if counts.empty or len(wrong):
        raise _refused(
            "table",
            f"fraction {wrong.index[0]:g} with {wrong.iloc[0].to_dict()}"
            if len(wrong)
            else "no rows",
            "one accuracy for each fraction with the most salient removed, and one with the least",
            "Give the table of one call, each fraction once; several tables one after the other.",
        )
    table = table[table["removed"] != "random"]
    accuracy = table.pivot(index="fraction", columns="removed", values="accuracy")
    return (accuracy["least"] - accuracy["most"]).rename("diff_roar")


def share_inside(maps: Tensor, regions: Tensor) -> Tensor:
    """Return which share of each map's absolute values lies inside its region.

    Held against the region's share of all values, where it is known that all that tells the classes
    apart lies inside (`neurospect.cohorts.block_digits`).

    Parameters
    ----------
    maps
        Shape (examples, *input shape).
    regions
        The same; inside is what is not zero, whatever the number.

    Returns
    -------
    torch.Tensor
        Shape (examples,), NaN for maps of zeros.

    Raises
    ------
    BadInputError
        When shapes differ, or a map or a region is not finite.
    """
    _check_maps(regions, maps)
    check_finite("removal", "regions", regions)
    sizes = maps.flatten(1).abs().double()
    return (sizes * (regions.flatten(1) != 0)).sum(1) / sizes.sum(1)


def _check_maps(inputs: Tensor, maps: Tensor) -> None:
    if inputs.shape != maps.shape or maps.ndim < 2 or not len(maps):
        raise _refused(
            "maps",
            f"shape {tuple(maps.shape)}",
            f"{tuple(inputs.shape)}, one map for each input, of one example or more",
            "Choose one class's map for each input.",
        )
    check_finite("removal", "maps", maps)


def _check_identity(identity: str) -> None:
    if not identity:
        raise _refused(
            "identity",
            "none",
            "a name for what train_and_score does, since one function cannot be told from another",
            "Name model, plan and classes in identity, and change it with them.",
        )


def _check_fractions(fractions: Sequence[float]) -> None:
    if not len(fractions) or not all(0 <= fraction <= 1 for fraction in fractions):
        raise _refused("fractions", list(fractions), "numbers from 0 to 1", "Mend the numbers.")


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("removal", field, found=found, expected=expected, remedy=remedy)
