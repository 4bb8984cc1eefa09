"""Train one model and record its group spectra in the same pass."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.spectra.block_cuts import BlockCut
from neurospect.spectra.blocks import BlockPlan, spread_steps
from neurospect.spectra.engines import EngineChoice
from neurospect.spectra.exchangeable_samples import (
    Exchange,
    exchange_of,
    target_tells_apart,
)
from neurospect.spectra.groups import sample_groups
from neurospect.spectra.recorder import GradientSpectra
from neurospect.spectra.trajectories import QUANTITIES
from neurospect.training.backward import whole_batch_backward
from neurospect.training.cohort_examples import class_codes, finite_rows
from neurospect.training.compute import prepare_compute
from neurospect.training.loop import Examples, TrainingPlan, TrainingStoppedError, train

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitoredTraining:
    """What came of it: the model, its history, its spectra and its block gradients."""

    model: nn.Module
    history: pd.DataFrame
    spectra: xr.DataTree
    blocks: xr.DataTree


@dataclass(frozen=True)
class Monitoring:
    """What to record.

    Attributes
    ----------
    group_column, levels
        Column of the participants table, and its values in the order wanted.
    every, factors_every
        Steps between spectra of gradients, and of activations and adjoints.
    engine, over_ties, leading
        As in `GradientSpectra`.
    compared
        Groups whose block gradients are kept for a permutation test; may be empty.
    blocks_per_group, block_steps
        Blocks in each of them, and how many steps to keep.
    within
        Columns of the participants table within whose values labels are permuted.
    """

    group_column: str
    levels: Sequence[str]
    every: int
    factors_every: int
    compared: Sequence[str]
    blocks_per_group: int
    block_steps: int
    engine: EngineChoice = "auto"
    over_ties: bool = False
    leading: int | None = None
    within: Sequence[str] = ()


def train_with_spectra(
    participants: pd.DataFrame,
    array: np.ndarray,
    *,
    target: str,
    family: str,
    architecture: Mapping[str, Any],
    plan: TrainingPlan,
    monitoring: Monitoring,
    device: str = "auto",
    threads: int = 1,
    checkpoint: str | Path | None = None,
    identity: str = "",
    name: str = "training",
    places: NDArray[np.intp] | None = None,
) -> MonitoredTraining:
    """Train on the training split and record spectra by group, step by step.

    Parameters
    ----------
    participants
        One row per row of `array`, with columns `split`, `target`, the group column and those of
        `monitoring.within`. Rows of one `component`, where there is such a column, are relatives:
        their labels are permuted as those of a family.
    array
        Shape (participants, features), float32.
    target
        Column that classification learns.
    family, architecture
        Of the model, as in `build_model`.
    plan, monitoring
        How to train, and what to record.
    device, threads
        As in `prepare_compute`.
    checkpoint, identity, name
        As in `train`.
    places
        Row of `array` for each row of `participants`, where data have changed places, shape
        (participants,). Then nothing but block gradients is recorded.

    Raises
    ------
    BadInputError
        Before the training: when a column is missing, a level has fewer than two participants in
        the training split, a participant has no class or a value that is not finite, groups are
        to be compared but the batch is not full, it is to be cut into micro-batches, or their
        labels cannot be permuted.
    TrainingStoppedError
        When the loss stops being finite; it carries the history and the spectra up to there.
    """
    columns = ("split", target, monitoring.group_column, *monitoring.within)
    _check_columns(participants, array, columns)
    if monitoring.compared and plan.batch_size is not None:
        raise BadInputError(
            "training",
            "batch_size",
            found=plan.batch_size,
            expected="the full batch, since groups are compared",
            remedy="Leave batch_size out, or compare no groups.",
        )
    if plan.micro_batch_size is not None:
        raise BadInputError(
            "training",
            "micro_batch_size",
            found=plan.micro_batch_size,
            expected="none, since spectra are recorded of whole batches, group by group",
            remedy="Leave it out.",
        )
    place = prepare_compute(device, threads)
    groups = participants[monitoring.group_column]
    rows = _rows_by_group(participants, groups, monitoring.levels, plan.seed)
    labels = groups.iloc[rows["training"]].to_numpy()
    exchange = exchange_of(
        participants.iloc[rows["training"]], monitoring.within, np.isin(labels, monitoring.compared)
    )
    of_array = np.arange(len(array)) if places is None else places
    codes, classes = class_codes(participants[target], np.concatenate(list(rows.values())))
    examples = {
        split: Examples(
            torch.from_numpy(finite_rows(array, of_array[index])), torch.from_numpy(codes[index])
        ).to(place)
        for split, index in rows.items()
    }
    blocks = _block_plan(monitoring, plan.epochs, exchange)
    model = build_model(
        family,
        task=plan.task,
        input_shape=array.shape[1:],
        classes=len(classes),
        seed=plan.seed,
        **architecture,
    ).to(place)
    spectra = GradientSpectra(
        model,
        labels,
        levels=monitoring.levels,
        every=monitoring.every if places is None else plan.epochs,
        quantities=QUANTITIES if places is None else ("gradient",),
        factors_every=monitoring.factors_every if places is None else plan.epochs,
        engine=monitoring.engine,
        over_ties=monitoring.over_ties,
        leading=monitoring.leading,
        blocks=blocks,
        smallest_group=2 if plan.batch_size is None else 0,
    )

    def tell_groups(batch: torch.Tensor) -> None:
        spectra.groups = labels[batch.numpy()]

    if blocks is not None and spectra.groups is not None and places is None:
        _log_blocks(blocks.cut(spectra.groups), name)
    with spectra:
        try:
            history = train(
                model,
                examples["training"],
                plan,
                validation=examples["validation"],
                checkpoint=checkpoint,
                identity=identity,
                alongside={"spectra": spectra},
                before_batch=tell_groups,
                backward=spectra.backward if plan.batch_size is None else whole_batch_backward,
                name=name,
            )
        except TrainingStoppedError as stop:
            stop.kept = spectra.to_datatree()
            raise
    kept = spectra.to_block_datatree()
    kept.attrs["exchanged"] = exchange.words
    if plan.task == "classification":
        told = _told_apart(labels, codes[rows["training"]], exchange, monitoring.compared)
        kept.attrs["target_tells_apart"] = json.dumps(told)
    return MonitoredTraining(model, history, spectra.to_datatree(), kept)


def _check_columns(participants: pd.DataFrame, array: np.ndarray, columns: Sequence[str]) -> None:
    absent = [name for name in columns if name not in participants]
    if absent:
        raise BadInputError(
            "participants",
            "columns",
            found=", ".join(participants.columns),
            expected=", ".join(columns),
            remedy=f"Add the missing: {', '.join(absent)}.",
        )
    if len(array) != len(participants):
        raise BadInputError(
            "array",
            "rows",
            found=len(array),
            expected=f"{len(participants)}, one for each participant",
            remedy="Use the table and the array of one cohort.",
        )


def _block_plan(monitoring: Monitoring, steps: int, exchange: Exchange) -> BlockPlan | None:
    if not monitoring.compared:
        return None
    kept = {step - step % monitoring.every for step in spread_steps(steps, monitoring.block_steps)}
    return BlockPlan(
        tuple(monitoring.compared),
        monitoring.blocks_per_group,
        frozenset(kept),
        exchange.strata,
        exchange.units,
    )


def _log_blocks(cut: BlockCut, name: str) -> None:
    log.info(
        "%s: %d blocks of %d samples of each compared group; %d samples of these are in none",
        name, cut.per_group, cut.size, cut.left_over,
    )  # fmt: skip
    if cut.lacking:
        log.warning("%s: strata without all compared groups: %s", name, ", ".join(cut.lacking))


def _told_apart(
    labels: NDArray[Any], codes: NDArray[np.int64], exchange: Exchange, compared: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Say of each two groups whether the classes learnt tell them apart."""
    strata = None if exchange.strata is None else np.array(exchange.strata)
    told: list[tuple[str, str, str]] = []
    for a, b in itertools.combinations(compared, 2):
        pair = np.isin(labels, [a, b])
        own = None if strata is None else strata[pair]
        told.append((a, b, target_tells_apart(labels[pair] == a, codes[pair], own)))
    return told


def _rows_by_group(
    participants: pd.DataFrame, groups: pd.Series, levels: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """Rows of each split, in group order; inside a group shuffled, so that blocks are alike."""
    shuffled = np.random.default_rng(seed).permutation(len(participants))
    rows = {}
    for split in ("training", "validation"):
        inside = shuffled[(participants["split"].to_numpy() == split)[shuffled]]
        inside = inside[groups.isin(levels).to_numpy()[inside]]
        if not len(inside):
            raise BadInputError(
                "splits",
                split,
                found="no participant of the groups",
                expected="some",
                remedy="Enlarge the split, or add participants.",
            )
        codes = pd.Categorical(groups.iloc[inside], categories=list(levels)).codes
        rows[split] = inside[np.argsort(codes, kind="stable")]
    # Says which group is too small, before any training.
    sample_groups(groups.iloc[rows["training"]].to_numpy(), levels=levels)
    return rows
