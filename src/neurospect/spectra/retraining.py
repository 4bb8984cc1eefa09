"""Group differences under permuted labels where these were learnt: networks trained anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint
from neurospect.arrays.relabelings import relabelings
from neurospect.errors import BadInputError
from neurospect.spectra.exchangeable_samples import exchange_of
from neurospect.spectra.label_permutation import group_differences, labels_are_target
from neurospect.spectra.monitored_training import Monitoring, train_with_spectra

log = logging.getLogger(__name__)

# By weight: log-ratios, and whether the singular value is above its noise floor.
Differences = dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]


def retrained_differences(
    blocks: xr.DataTree,
    participants: pd.DataFrame,
    array: np.ndarray,
    groups: Sequence[str],
    *,
    numbers: Sequence[int],
    seed: int,
    monitoring: Monitoring,
    name: str = "retraining",
    checkpoint: str | Path | None = None,
    identity: str = "",
    **training: Any,
) -> xr.DataTree:
    """Train anew with permuted labels, and measure the same difference each time.

    The data of the two groups' participants in the training split change places, each whole, inside
    strata and between whole families; group and class stay where they are, so both are permuted
    together and all else (start, order, sizes, blocks) is as before. Under the null hypothesis that
    the data do not depend on the labels, the training that was observed is one of these, and a test
    over them is exact although the labels were learnt. Interrupted and called again with the same
    arguments, it trains what was not finished, and gives the same bits.

    Parameters
    ----------
    blocks
        Block gradients of the training that was observed.
    participants, array, monitoring
        As they were given to it.
    groups
        Names of the two groups.
    numbers
        Which retrainings; each draws for itself, so that more of them change none.
    seed
        Of the permutations.
    name
        For the progress lines.
    checkpoint
        Where to keep what retrainings gave between calls; removed at the end by the caller.
    identity
        What is trained, and on which data; a checkpoint of another identity, seed or pair of groups
        is not used.
    **training
        Whatever else `train_with_spectra` was given.

    Returns
    -------
    xarray.DataTree
        Per weight `permuted` and `above`, dims (permutation, step, rank): the log₂ ratio in each
        retraining, and whether the singular value of both groups together is above its noise floor.
        No weights where the model did not learn to tell the groups apart: their labels can be
        permuted without training.

    Raises
    ------
    BadInputError
        Before any training, when the checkpoint cannot be read; and as `train_with_spectra` does.
    """
    if labels_are_target(blocks, groups) == "no":
        log.info("%s: labels were not learnt, so nothing is trained anew", name)
        return xr.DataTree(name="retrainings")
    whose = {"identity": identity, "seed": seed, "groups": list(groups)}
    finished = {} if checkpoint is None else _finished(Path(checkpoint), whose)
    for number in numbers:
        if number in finished:
            continue
        places = permuted_places(participants, groups, monitoring, [seed, number])
        again = train_with_spectra(
            participants,
            array,
            monitoring=monitoring,
            places=places,
            name=f"{name}, retraining {number}",
            **training,
        )
        finished[number] = group_differences(again.blocks, groups)
        if checkpoint is not None:
            write_checkpoint(checkpoint, {**whose, "differences": _as_tensors(finished)})
    found = [finished[number] for number in numbers]
    nodes: dict[str, xr.Dataset] = {}
    for weight in found[0] if found else ():
        steps = blocks[weight]["step"].values
        ratios, above = map(np.stack, zip(*(each[weight] for each in found), strict=True))
        dims = ("permutation", "step", "rank")
        nodes[f"/{weight}"] = xr.Dataset(
            {"permuted": (dims, ratios), "above": (dims, above.astype(np.int8))},
            coords={"permutation": list(numbers), "step": steps},
        )
    return xr.DataTree.from_dict(nodes, name="retrainings")


def _as_tensors(finished: Mapping[int, Differences]) -> dict[int, dict[str, list[torch.Tensor]]]:
    """Hold retrainings as a checkpoint can, by number and weight."""
    return {
        number: {weight: [torch.from_numpy(part) for part in both] for weight, both in each.items()}
        for number, each in finished.items()
    }


def _finished(checkpoint: Path, whose: Mapping[str, Any]) -> dict[int, Differences]:
    """Differences that a checkpoint holds, by number; none where it is of other retrainings."""
    content = own_checkpoint(checkpoint, whose)
    if content is None:
        return {}
    try:
        found = {
            int(number): {
                str(weight): (ratios.numpy(), above.numpy())
                for weight, (ratios, above) in each.items()
            }
            for number, each in content["differences"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            checkpoint,
            "checkpoint",
            found=f"no differences of groups ({type(error).__name__}: {error})",
            expected="those of the retrainings that were finished",
            remedy="Delete it: all are then trained anew.",
        ) from error
    log.info("going on from %s, after %d retrainings", checkpoint, len(found))
    return found


def permuted_places(
    participants: pd.DataFrame, groups: Sequence[str], monitoring: Monitoring, seed: Sequence[int]
) -> NDArray[np.intp]:
    """Draw whose data each participant of two groups gets; all others keep their own.

    Parameters
    ----------
    participants, groups, monitoring
        As in `retrained_differences`.
    seed
        Of the draw.

    Returns
    -------
    numpy.ndarray
        Row of the array for each row of the table, shape (participants,).
    """
    taking = participants[monitoring.group_column].isin(list(groups)).to_numpy()
    rows = np.flatnonzero(taking & (participants["split"] == "training").to_numpy())
    own = participants.iloc[rows]
    exchange = exchange_of(own, monitoring.within, np.ones(len(rows), dtype=bool))
    drawn = relabelings(
        rows, permutations=1, seed=seed, strata=exchange.strata, units=exchange.units
    )
    places = np.arange(len(participants))
    places[rows] = drawn.labels[1]
    return places


def gather_retrainings(
    in_pass: xr.DataTree, blocks: xr.DataTree, batches: Sequence[xr.DataTree]
) -> xr.DataTree:
    """Put retrainings where the relabelings of one training were.

    Parameters
    ----------
    in_pass
        As `permuted_differences` gives it.
    blocks
        Block gradients of the training that was observed.
    batches
        As `retrained_differences` gives them.

    Returns
    -------
    xarray.DataTree
        As `in_pass`, with `difference`, `permuted` and `tested` from trainings that each count by
        themselves: a singular value is tested where it is above its noise floor in all of them.
        `in_pass` itself where nothing was trained anew.

    Raises
    ------
    BadInputError
        When batches are of other weights or steps than the training, or hold one number twice.
    """
    if not any(batch.children for batch in batches):
        return in_pass
    nodes: dict[str, xr.Dataset] = {}
    observed = group_differences(blocks, in_pass.attrs["groups"])
    for name, node in in_pass.children.items():
        parts = [_part(batch, name, node) for batch in batches]
        permuted = np.concatenate([part["permuted"].values for part in parts])
        above = np.concatenate([part["above"].values for part in parts]) == 1
        difference, own = observed[name]
        tested = (own & above.all(axis=0)).astype(np.int8)
        kept = node.to_dataset().drop_vars("permuted")
        nodes[f"/{name}"] = kept.assign(
            difference=(("step", "rank"), difference),
            permuted=(("permutation", "step", "rank"), permuted),
            tested=(("step", "rank"), tested),
        )
    nodes["/"] = xr.Dataset(attrs={**in_pass.attrs, "retrained": 1})
    numbers = [number for part in parts for number in part["permutation"].values.tolist()]
    if len(set(numbers)) < len(numbers):
        raise _bad("permutation", "a number twice", "every retraining once")
    return xr.DataTree.from_dict(nodes, name=in_pass.name)


def _part(batch: xr.DataTree, name: str, node: xr.DataTree) -> xr.Dataset:
    part = batch[name].to_dataset() if name in batch.children else xr.Dataset()
    if "step" not in part or not part["step"].equals(node.to_dataset()["step"]):
        raise _bad(name, "no retrainings at the same steps", "those of the observed training")
    return part


def _bad(field: str, found: str, expected: str) -> BadInputError:
    return BadInputError(
        "retrainings", field, found=found, expected=expected, remedy="Run the retrainings again."
    )
