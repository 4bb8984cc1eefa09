"""A decoder's maps of the test split, judged batch by batch; no batch is kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurospect.arrays.tensors import as_array
from neurospect.saliency.criteria import (
    class_informative_correlation,
    pairwise_difference_correlation,
)
from neurospect.saliency.decoding_data import DecodingData, batches
from neurospect.saliency.linear_maps import haufe_patterns, linear_weights
from neurospect.saliency.map_targets import EXAMPLES_AT_ONCE, MapTargets
from neurospect.saliency.maps import saliency_maps
from neurospect.saliency.probability_gradients import Differentiated
from neurospect.saliency.templates import subject_templates

log = logging.getLogger(__name__)

# Values of the maps of one batch and method: 64 MiB in single precision.
VALUES_AT_ONCE = 2**24
LINEAR_METHODS = ("weights", "haufe_pattern")
INFORMATIVE, PAIRWISE = "class_informative", "pairwise_difference"
CONSTANT, LACKING = "constant map or target", "participant without a class"
NOT_FINITE = "NaN or infinity in a map"
UNDEFINED = (CONSTANT, LACKING, NOT_FINITE)
CRITERIA_COLUMNS = {
    "decoder": "name of the decoder",
    "seed": "of its training",
    "participant_id": "identifier of the participant (or image)",
    "example": "row of the cohort's array, counted from 0",
    "class": "true class of the example",
    "method": "how the map was made",
    "criterion": "class_informative: map of the true class against what is special about it; "
    "pairwise_difference: map of every other class against its difference to the true one, mean",
    "correlation": "Pearson's, inside the mask; n/a where it is undefined",
    "undefined": "why there is no correlation; n/a where there is one",
}
UNDEFINED_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed", "method", "criterion")},
    "examples": "test examples",
    "constant": "of these, without a correlation because map or target is the same everywhere",
    "lacking": "of these, without a correlation because the participant lacks a class",
}

Methods = Mapping[str, Mapping[str, Any]]
# Told the method, where in the test split a batch lies, and its maps (examples, classes, *shape).
Watcher = Callable[[str, slice, Tensor], None]


def judged_maps(
    model: nn.Module,
    data: DecodingData,
    targets: MapTargets,
    methods: Methods,
    *,
    device: torch.device,
    temperature: float = 1.0,
    of: Differentiated = "probability",
    watch: Watcher | None = None,
) -> pd.DataFrame:
    """Make maps of every test example, and hold them against their targets.

    Parameters
    ----------
    model
        The decoder, on `device`.
    data, targets
        What it decodes, and what its maps are held against.
    methods
        Options by method; of linear models also "weights" and "haufe_pattern", which have none.
    device
        Where to compute.
    temperature, of
        As in `saliency_maps`.
    watch
        Is shown the maps of each batch before they are dropped.

    Returns
    -------
    pandas.DataFrame
        `CRITERIA_COLUMNS` but decoder and seed: one row per method, example and criterion.

    Raises
    ------
    BadInputError
        When a method or an option is not known, or weights are asked of a model that is not linear.
    """
    fixed = {
        name: linear_map(model, data, name, device) for name in LINEAR_METHODS if name in methods
    }
    examples = data.examples("test", device)
    places = data.places["test"]
    tables: list[pd.DataFrame] = []
    for part in _batches(data, targets):
        batch = examples.rows(part)
        for method, options in methods.items():
            if method in fixed:
                maps = fixed[method].expand(len(batch), *fixed[method].shape)
            else:
                maps = saliency_maps(
                    model,
                    batch.inputs,
                    method,
                    of=of,
                    temperature=temperature,
                    first_place=part.start,
                    **options,
                )
            if watch is not None:
                watch(method, part, maps)
            judged = _judged(as_array(maps), batch.inputs, data, targets, places[part])
            tables.append(judged.assign(method=method))
    table = pd.concat(tables, ignore_index=True)
    order = {name: place for place, name in enumerate(methods)}
    by = [table["method"].map(order), table["criterion"]]
    table = table.iloc[np.lexsort([table["example"], by[1], by[0]])].reset_index(drop=True)
    return table[[name for name in CRITERIA_COLUMNS if name in table]]


def linear_map(model: nn.Module, data: DecodingData, method: str, device: torch.device) -> Tensor:
    """Weights or patterns of a linear decoder, shape (classes, *input shape).

    Raises
    ------
    BadInputError
        When the model is not linear.
    """
    weights = linear_weights(model, data.shape)
    if method == "weights":
        return weights
    examples = data.examples("training", device)
    parts = batches(len(examples), EXAMPLES_AT_ONCE)
    return haufe_patterns(weights, (examples.rows(part).inputs for part in parts))


def undefined_counts(criteria: pd.DataFrame) -> pd.DataFrame:
    """Count the correlations that are undefined, by method and criterion, and log them.

    Maps that are not finite come of a model at fault: the log alone counts them, apart from the
    others.

    Parameters
    ----------
    criteria
        Of `judged_maps`.

    Returns
    -------
    pandas.DataFrame
        `UNDEFINED_COLUMNS` but decoder and seed.
    """
    rows = []
    for (method, criterion), part in criteria.groupby(["method", "criterion"], sort=False):
        counts = {why: int((part["undefined"] == why).sum()) for why in UNDEFINED}
        rows.append((method, criterion, len(part), counts[CONSTANT], counts[LACKING]))
        if any(counts.values()):
            log.warning(
                "%s, %s: undefined for %d of %d examples (%s)",
                method, criterion, sum(counts.values()), len(part),
                "; ".join(f"{count}: {why}" for why, count in counts.items() if count),
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(UNDEFINED_COLUMNS)[2:])


def _batches(data: DecodingData, targets: MapTargets) -> Iterator[slice]:
    """Cut the test split into batches; those of subject templates hold one participant each."""
    places = data.places["test"]
    if targets.of == "all":
        values = len(data.classes) * math.prod(data.shape)
        yield from batches(len(places), max(1, VALUES_AT_ONCE // values))
        return
    whose = data.participants[places]
    starts = np.flatnonzero(np.r_[True, whose[1:] != whose[:-1], True])
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield slice(start, stop)


def _judged(
    maps: NDArray[np.floating],
    inputs: Tensor,
    data: DecodingData,
    targets: MapTargets,
    places: NDArray[np.intp],
) -> pd.DataFrame:
    """Hold a batch of maps against its targets; one row per example and criterion."""
    codes, whose = data.codes[places], data.participants[places]
    known: NDArray[np.floating] = targets.templates
    subjects: NDArray[np.intp] | None = None
    if targets.of == "subject":
        known, subjects = subject_templates(
            as_array(inputs), codes, whose.astype(str), len(data.classes)
        )
    against = {"mask": targets.mask, "subjects": subjects}
    found = {INFORMATIVE: class_informative_correlation(maps, codes, known, **against)}
    lacking = bool(np.isnan(known[..., targets.mask]).any())
    found[PAIRWISE] = (
        np.full(len(maps), np.nan)
        if lacking
        else pairwise_difference_correlation(maps, codes, known, **against)
    )
    names = np.array(data.classes, dtype=object)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "participant_id": whose,
                    "example": places,
                    "class": names[codes],
                    "criterion": criterion,
                    "correlation": values,
                    "undefined": LACKING
                    if lacking and criterion == PAIRWISE
                    else _why(values, criterion, maps, codes, targets.mask),
                }
            )
            for criterion, values in found.items()
        ]
    )


def _why(
    values: NDArray[np.float64],
    criterion: str,
    maps: NDArray[np.floating],
    codes: NDArray[np.int64],
    mask: NDArray[np.bool_],
) -> list[str | None]:
    """Why correlations are undefined; None for those that are not."""
    reasons: list[str | None] = [None] * len(values)
    for example in np.flatnonzero(np.isnan(values)).tolist():
        own = np.arange(maps.shape[1]) == codes[example]
        read = maps[example, own if criterion == INFORMATIVE else ~own]
        reasons[example] = CONSTANT if np.isfinite(read[:, mask]).all() else NOT_FINITE
    return reasons
