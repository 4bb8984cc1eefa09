"""Sanity checks of a decoder's maps: against random parameters, and against shuffled labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.saliency.checks import checked_seed
from neurospect.saliency.decoders import EVALUATED_AT_ONCE, Decoder, build_decoder, fit_decoder
from neurospect.saliency.decoding_data import DecodingData
from neurospect.saliency.judged_maps import CRITERIA_COLUMNS, LINEAR_METHODS, Methods
from neurospect.saliency.maps import saliency_maps
from neurospect.saliency.probability_gradients import Differentiated
from neurospect.saliency.sanity_checks import (
    SIMILARITY_COLUMNS,
    Mode,
    map_similarity,
    randomise_parameters,
)
from neurospect.training.checks import check_counts
from neurospect.training.loop import Examples, TrainingPlan, evaluate

CHECK_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed", "method")},
    "check": "cascading: parameters of this layer and all behind it are shuffled; independent: of "
    "this layer alone; labels: the decoder is trained on shuffled labels",
    "layer": "name of the layer, the one nearest to the output first; n/a for labels",
    **SIMILARITY_COLUMNS,
    "training_accuracy": "of the decoder on the labels that it learned; n/a for parameters",
    "accuracy_on_shuffled": "of the decoder trained on shuffled labels, on those; maps are to be "
    "compared where both decoders learned theirs",
}


def check_maps(
    model: nn.Module,
    data: DecodingData,
    methods: Methods,
    *,
    examples: int,
    seed: int,
    device: torch.device,
    temperature: float = 1.0,
    of: Differentiated = "probability",
) -> pd.DataFrame:
    """Compare a decoder's maps with those that it makes when its parameters are shuffled.

    Parameters
    ----------
    model, data, device, temperature, of
        As for `judged_maps`.
    methods
        Options by method; those of linear models are passed over.
    examples
        Test examples to compare, at most; spread evenly over the split.
    seed
        Of the shuffling.

    Returns
    -------
    pandas.DataFrame
        `CHECK_COLUMNS` but decoder and seed.

    Raises
    ------
    BadInputError
        When the number of examples or the seed is none; then as in `randomise_parameters`.
    """
    inputs = _spread_inputs(data, examples, device)
    modes: tuple[Mode, ...] = ("cascading", "independent")
    tables = [
        randomise_parameters(
            model,
            inputs,
            mode=mode,
            method=method,
            shuffling_seed=seed,
            temperature=temperature,
            of=of,
            **options,
        ).assign(method=method)
        for method, options in _of_inputs(methods).items()
        for mode in modes
    ]
    return _complete(pd.concat(tables).rename(columns={"mode": "check"}) if tables else None)


def check_labels(
    model: nn.Module,
    data: DecodingData,
    decoder: Decoder,
    plan: TrainingPlan,
    methods: Methods,
    *,
    examples: int,
    seed: int,
    device: torch.device,
    temperature: float = 1.0,
    of: Differentiated = "probability",
    checkpoint: str | Path | None = None,
    identity: str = "",
    name: str = "training on shuffled labels",
) -> pd.DataFrame:
    """Compare a decoder's maps with those after the same training on shuffled labels.

    Parameters
    ----------
    model, data, methods, examples, seed, device, temperature, of
        As for `check_maps`.
    decoder, plan, checkpoint, identity, name
        As for `train_decoder`.

    Returns
    -------
    pandas.DataFrame
        `CHECK_COLUMNS` but decoder and seed, one row per method.

    Raises
    ------
    BadInputError
        Before any training, when the number of examples or the seed is none; then as in
        `train_decoder`.
    """
    inputs = _spread_inputs(data, examples, device)
    generator = torch.Generator().manual_seed(checked_seed("sanity check", seed))
    known = cast(Examples, data.examples("training", device))
    order = torch.randperm(len(known), generator=generator).to(device)
    shuffled = replace(known, classes=known.classes[order])
    other = build_decoder(data, decoder, plan.seed).to(device)
    fit_decoder(other, shuffled, decoder, plan, checkpoint=checkpoint, identity=identity, name=name)
    accuracies: dict[str, Any] = {
        "training_accuracy": evaluate(model, known, plan.task, EVALUATED_AT_ONCE)[1],
        "accuracy_on_shuffled": evaluate(other, shuffled, plan.task, EVALUATED_AT_ONCE)[1],
    }
    rows = []
    for method, options in _of_inputs(methods).items():
        first, second = (
            saliency_maps(each, inputs, method, temperature=temperature, of=of, **options)
            for each in (model, other)
        )
        similarity = map_similarity(first, second)
        rows.append({"method": method, "check": "labels", **similarity, **accuracies})
    return _complete(pd.DataFrame(rows) if rows else None)


def _complete(table: pd.DataFrame | None) -> pd.DataFrame:
    columns = list(CHECK_COLUMNS)[2:]
    return (pd.DataFrame() if table is None else table).reindex(columns=columns)


def _of_inputs(methods: Methods) -> Methods:
    return {name: own for name, own in methods.items() if name not in LINEAR_METHODS}


def _spread_inputs(data: DecodingData, examples: int, device: torch.device) -> Tensor:
    check_counts("sanity check", examples=examples)
    count = len(data.places["test"])
    chosen = np.unique(np.linspace(0, count - 1, min(examples, count)).round().astype(int))
    return data.examples("test", device).rows(torch.from_numpy(chosen).to(device)).inputs
