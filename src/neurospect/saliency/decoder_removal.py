"""What salient values are worth to a decoder: removed before it, and before training it anew."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.errors import BadInputError
from neurospect.saliency.decoders import EVALUATED_AT_ONCE, Decoder, build_decoder, fit_decoder
from neurospect.saliency.decoding_data import DecodingData, batches
from neurospect.saliency.judged_maps import CRITERIA_COLUMNS, VALUES_AT_ONCE
from neurospect.saliency.maps import saliency_maps
from neurospect.saliency.probability_gradients import Differentiated
from neurospect.saliency.removal import RETRAINED_COLUMNS, removal_curves, retrained_accuracy
from neurospect.training.loop import Examples, TrainingPlan, evaluate

log = logging.getLogger(__name__)

# All inputs of a split are held, several times over.
MOST_BYTES = 2**30
RETRAINING_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed", "method")},
    **RETRAINED_COLUMNS,
}
CURVE_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed", "method")},
    "mode": "deletion: the most salient values become the mean training input; insertion: they "
    "alone are put into it",
    "fraction": "share of the values deleted, or inserted",
    "probability": "of the true class, mean over test examples; nothing is trained anew",
}


def remove_and_retrain(
    model: nn.Module,
    data: DecodingData,
    decoder: Decoder,
    plan: TrainingPlan,
    method: str,
    options: Mapping[str, Any],
    fractions: Sequence[float],
    *,
    seed: int,
    device: torch.device,
    temperature: float = 1.0,
    of: Differentiated = "probability",
    checkpoint: str | Path | None = None,
    identity: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take salient values away, train the decoder from scratch, and see what it still knows.

    Interrupted and called again with the same arguments, it trains what was not finished.

    Parameters
    ----------
    model, data
        The decoder, trained, and what it decodes.
    decoder, plan
        How it is trained anew.
    method, options
        Of the maps by whose absolute values inputs are ranked: of each example's own class.
    fractions
        Shares of the values.
    seed
        Of the removal at random.
    device, temperature, of
        As for `judged_maps`.
    checkpoint, identity
        As for `retrained_accuracy`; decoder, plan and method are part of the identity anyway.

    Returns
    -------
    retraining : pandas.DataFrame
        `RETRAINING_COLUMNS` but decoder and seed.
    curves : pandas.DataFrame
        `CURVE_COLUMNS` but decoder and seed.

    Raises
    ------
    BadInputError
        Before any training, when the examples are too large to be held, a fraction is none, or the
        checkpoint cannot be read.
    """
    values = math.prod(data.shape) * max(len(data.places[s]) for s in ("training", "test"))
    if 4 * values > MOST_BYTES:
        raise BadInputError(
            "removal",
            "examples",
            found=f"{4 * values / 2**30:.1f} GiB in one split",
            expected=f"{MOST_BYTES / 2**30:g} GiB or less, since all are held and trained on anew",
            remedy="Leave removal out; it is for small sets.",
        )
    held = {split: _held(data, split, device) for split in ("training", "test")}
    sizes = {
        split: _sizes(
            model, own, len(data.classes), method, of=of, temperature=temperature, **options
        )
        for split, own in held.items()
    }

    def train_and_score(training: Tensor, test: Tensor) -> float:
        fresh = build_decoder(data, decoder, plan.seed).to(device)
        fit_decoder(fresh, Examples(training, held["training"].classes), decoder, plan)
        left = Examples(test, held["test"].classes)
        accuracy = evaluate(fresh, left, plan.task, EVALUATED_AT_ONCE)[1]
        log.info("trained on what was left: accuracy %.4f", accuracy)
        return accuracy

    retraining = retrained_accuracy(
        train_and_score,
        (held["training"].inputs, sizes["training"]),
        (held["test"].inputs, sizes["test"]),
        fractions,
        seed=seed,
        checkpoint=checkpoint,
        identity=f"{identity}; {asdict(decoder)}; {asdict(plan)}; {method} {dict(options)}, "
        f"{of}, temperature {temperature!r}",
    )
    for split, own in sizes.items():
        _warn_of_constant_maps(own, split, method)
    curves = _curves(model, held, sizes["test"], fractions, temperature)
    return retraining.assign(method=method), curves.assign(method=method)


def _held(data: DecodingData, split: str, device: torch.device) -> Examples:
    return data.examples(split, device).rows(slice(None))


def _sizes(
    model: nn.Module, examples: Examples, classes: int, method: str, **options: Any
) -> Tensor:
    """Absolute values of the map of each example's class."""
    at_once = max(1, VALUES_AT_ONCE // (classes * examples.inputs[0].numel()))
    sizes = torch.empty_like(examples.inputs)
    for part in batches(len(examples), at_once):
        batch = examples.rows(part)
        maps = saliency_maps(model, batch.inputs, method, first_place=part.start, **options)
        own = torch.arange(len(batch), device=maps.device)
        sizes[part] = maps[own, batch.classes].abs()
    return sizes


def _warn_of_constant_maps(sizes: Tensor, split: str, method: str) -> None:
    flat = sizes.flatten(1)
    constant = int((flat.amin(1) == flat.amax(1)).sum())
    if constant:
        log.warning(
            "%s: %d of %d maps of the %s split are the same everywhere and rank nothing: values go "
            "in the order of their places. Where the model is so sure that probabilities have no "
            "gradient left, take that of the log odds (criteria.gradient_of: log_odds).",
            method, constant, len(flat), split,
        )  # fmt: skip


def _curves(
    model: nn.Module,
    held: Mapping[str, Examples],
    sizes: Tensor,
    fractions: Sequence[float],
    temperature: float,
) -> pd.DataFrame:
    fill = held["training"].inputs.mean(0)
    at = sorted({0.0, *fractions, 1.0})
    test = held["test"]
    rows = []
    modes: tuple[Literal["deletion", "insertion"], ...] = ("deletion", "insertion")
    for mode in modes:
        curves = removal_curves(
            model,
            test.inputs,
            test.classes,
            sizes,
            at,
            mode=mode,
            fill=fill,
            temperature=temperature,
            examples_at_once=EVALUATED_AT_ONCE,
        ).mean(0)
        rows += [(mode, share, value) for share, value in zip(at, curves.tolist(), strict=True)]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS)[3:])
