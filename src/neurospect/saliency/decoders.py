"""Decoders: built, trained plainly or against noise, and scored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.arrays.checkpoints import read_checkpoint
from neurospect.errors import BadInputError
from neurospect.models.initial_weights import draw_glorot_weights
from neurospect.models.registry import build_model
from neurospect.saliency.decoding_data import SPLITS, DecodingData, batches
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.checks import check_choice, check_counts, plain
from neurospect.training.compute import prepare_compute
from neurospect.training.examples_at_hand import Keeping
from neurospect.training.first_pass import FirstPass
from neurospect.training.loop import ExampleSource, TrainingPlan, evaluate
from neurospect.training.modes import at_rest
from neurospect.training.robust import train_pgd, train_random_noise, train_regularised
from neurospect.training.temperature_scaling import BOUNDS, fit_temperature

log = logging.getLogger(__name__)

InitialWeights = Literal["pytorch", "glorot"]
INITIAL_WEIGHTS = get_args(InitialWeights)
WAYS = {
    "plain": train_regularised,
    "random_noise": train_random_noise,
    "pgd": train_pgd,
    "algorithm1": train_algorithm1,
}
_WHOSE = {"decoder": "name of the decoder", "seed": "of its training"}
ACCURACY_COLUMNS = {
    **_WHOSE,
    "split": "training, validation or test",
    "examples": "how many",
    "chance": "share of them that is of the largest class: right if only that class is named",
    "accuracy": "share of them classified right",
    "loss": "mean cross-entropy in nats, at a temperature of 1",
}
TEMPERATURE_COLUMNS = {
    **_WHOSE,
    "temperature": "that logits are divided by, fitted on the validation split",
    "loss": "mean cross-entropy of the validation split in nats, with the temperature",
    "loss_before": "the same without",
    "at_bound": f"lower or upper where the fit ran into a bound ({BOUNDS[0]:g}, {BOUNDS[1]:g}): "
    "the split then does not fix the temperature; n/a where it does",
    "bounded": "whether it ran into a bound",
}
# Volumes go through a model a few at a time, whatever the training did.
EVALUATED_AT_ONCE = 32


@dataclass(frozen=True)
class Decoder:
    """What a decoder is, and how it is trained.

    Attributes
    ----------
    family, architecture
        Of the model, as in `build_model`.
    initial_weights
        PyTorch's own, or Glorot's.
    training
        Key of `WAYS`.
    options
        Of the way of training, by keyword (epsilon and others).
    weight_penalty
        Times the sum of the squared weights, is added to the loss.
    """

    family: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    initial_weights: InitialWeights = "pytorch"
    training: Literal["plain", "random_noise", "pgd", "algorithm1"] = "plain"
    options: Mapping[str, Any] = field(default_factory=dict)
    weight_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Turn numbers of NumPy into Python's own, so that equal decoders have one identity."""
        own = {name: plain(value) for name, value in self.options.items()}
        object.__setattr__(self, "options", own)
        object.__setattr__(self, "weight_penalty", plain(self.weight_penalty))


@dataclass(frozen=True)
class TrainedDecoder:
    """A trained model, with what is known of it.

    Attributes
    ----------
    model
        On the device that it was trained on.
    history
        As from `neurospect.training.loop.train`.
    accuracy
        `ACCURACY_COLUMNS` but decoder and seed, one row per split.
    temperature
        `TEMPERATURE_COLUMNS` but decoder and seed, one row.
    """

    model: nn.Module
    history: pd.DataFrame
    accuracy: pd.DataFrame
    temperature: pd.DataFrame


def build_decoder(data: DecodingData, decoder: Decoder, seed: int) -> nn.Module:
    """Build the model of a decoder, with the initial weights of a seed.

    Raises
    ------
    BadInputError
        When the initial weights are not known; then as `build_model` does.
    """
    check_choice("decoder", "initial_weights", decoder.initial_weights, INITIAL_WEIGHTS)
    model = build_model(
        decoder.family,
        task="classification",
        input_shape=data.shape,
        classes=len(data.classes),
        seed=seed,
        **decoder.architecture,
    )
    if decoder.initial_weights == "glorot":
        draw_glorot_weights(model, seed)
    return model


def fit_decoder(
    model: nn.Module,
    examples: ExampleSource,
    decoder: Decoder,
    plan: TrainingPlan,
    **keeping: Unpack[Keeping],
) -> pd.DataFrame:
    """Train a model in place, in the decoder's way; return its history.

    Raises
    ------
    BadInputError
        When the way is not known; then as it does.
    """
    check_choice("decoder", "training", decoder.training, WAYS)
    train_it: Any = WAYS[decoder.training]
    options = {**decoder.options, "weight_penalty": decoder.weight_penalty}
    history: pd.DataFrame = train_it(model, examples, plan, **options, **keeping)
    return history


def train_decoder(
    data: DecodingData,
    decoder: Decoder,
    plan: TrainingPlan,
    *,
    device: str = "auto",
    threads: int = 1,
    checkpoint: str | Path | None = None,
    identity: str = "",
    name: str = "training",
) -> TrainedDecoder:
    """Train a decoder on the training split, score it on all, and fit its temperature.

    Parameters
    ----------
    data
        What to learn.
    decoder, plan
        What to train, and how long.
    device, threads
        As in `prepare_compute`.
    checkpoint, identity, name
        As in `neurospect.training.loop.train`.

    Raises
    ------
    BadInputError
        When model, way of training and data do not go together.
    TrainingStoppedError
        When the loss stops being finite; it carries the history up to there.
    """
    place = prepare_compute(device, threads)
    model = build_decoder(data, decoder, plan.seed).to(place)
    history = fit_decoder(
        model,
        data.examples("training", place),
        decoder,
        plan,
        validation=data.examples("validation", place),
        checkpoint=checkpoint,
        # An empty one leaves it to the examples and the initial weights whose checkpoint it is.
        identity=f"{identity}; {asdict(decoder)}" if identity else "",
        name=name,
    )
    at_once = min(plan.micro_batch_size or EVALUATED_AT_ONCE, EVALUATED_AT_ONCE)
    return TrainedDecoder(model, history, *scores(model, data, place, at_once))


def scores(
    model: nn.Module, data: DecodingData, device: torch.device, at_once: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a model on all splits, so many examples at once, and fit its temperature.

    The temperature is fitted on the validation split.

    Returns
    -------
    pandas.DataFrame
        `ACCURACY_COLUMNS` but decoder and seed.
    pandas.DataFrame
        `TEMPERATURE_COLUMNS` but decoder and seed.
    """
    rows = []
    for split in SPLITS:
        examples = data.examples(split, device)
        loss, accuracy = evaluate(model, examples, "classification", at_once)
        chance = data.chance(split)
        rows.append((split, len(examples), chance, accuracy, loss))
        said = (split, accuracy, len(examples), chance)
        log.info("accuracy on the %s split: %.4f of %d (chance: %.4f)", *said)
        if split == "training" and accuracy <= chance:
            log.warning("the decoder has learned nothing; its maps say nothing about the classes")
    validation = data.examples("validation", device)
    logits = logits_of(model, validation, at_once).cpu()
    fitted = fit_temperature(logits, validation.classes.cpu())
    return pd.DataFrame(rows, columns=list(ACCURACY_COLUMNS)[2:]), pd.DataFrame(
        [{**asdict(fitted), "bounded": fitted.at_bound is not None}]
    )


@torch.no_grad()
def logits_of(model: nn.Module, examples: ExampleSource, at_once: int) -> Tensor:
    """Logits of all examples, so many at once, shape (examples, classes).

    Raises
    ------
    BadInputError
        When `at_once` is not a whole number from 1 on, or the model overwrites its inputs or does
        not return logits.
    """
    check_counts("logits", at_once=at_once)
    parts = batches(len(examples), at_once)
    with at_rest(model), FirstPass(model, "logits", "classification").watched():
        return torch.cat([model(examples.rows(part).inputs) for part in parts])


def read_decoder(
    path: str | Path, data: DecodingData, decoder: Decoder, device: torch.device
) -> nn.Module:
    """Read a trained decoder back.

    Parameters
    ----------
    path
        A checkpoint that holds the parameters under `model`.
    data, decoder
        What it was trained on, and what it is.
    device
        Where it is to be.

    Raises
    ------
    BadInputError
        When the file is no such checkpoint, or holds another model.
    """
    model = build_decoder(data, decoder, seed=0)
    try:
        model.load_state_dict(read_checkpoint(path)["model"])
    except (KeyError, RuntimeError) as error:
        raise BadInputError(
            path,
            "model",
            found=f"parameters that do not fit ({str(error).splitlines()[0]})",
            expected=f"those of the decoder, of family {decoder.family}",
            remedy="Delete the file and train the decoder again.",
        ) from error
    return model.to(device)
