"""Files of one decoder: read back what was trained, write tables that say whose they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurospect.arrays.tables import read_table, write_table
from neurospect.saliency.decoders import Decoder, read_decoder
from neurospect.saliency.decoding_data import DecodingData, read_decoding_data

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DecoderFiles:
    """A trained decoder, what it decodes, and the temperature of its maps."""

    model: nn.Module
    data: DecodingData
    temperature: float


def read_decoder_files(
    files: Mapping[str, str],
    target: str,
    decoder: Decoder,
    temperature: float | None,
    device: torch.device,
) -> DecoderFiles:
    """Read a trained decoder with its data.

    Parameters
    ----------
    files
        Paths by name, as for `read_decoding_data`, and `model` and `temperature`.
    target
        Column of the classes.
    decoder
        What it is.
    temperature
        Of the maps; None for the one fitted.
    device
        Where the model is to be.

    Raises
    ------
    BadInputError
        When a file is missing or damaged, or does not belong to the others.
    """
    data = read_decoding_data(files, target)
    fitted = read_table(files["temperature"], text=["at_bound"])
    return DecoderFiles(
        read_decoder(files["model"], data, decoder, device),
        data,
        temperature_for(temperature, fitted),
    )


def write_decoder_table(
    path: str | Path, table: pd.DataFrame, columns: Mapping[str, str], decoder: str, seed: str
) -> None:
    """Write a table of one decoder and seed, which its first columns name.

    Parameters
    ----------
    path
        Final name, ending in `.tsv`.
    table
        Without columns `decoder` and `seed`.
    columns
        What each column holds, in their order.
    decoder, seed
        Whose it is.
    """
    write_table(path, table.assign(decoder=decoder, seed=seed)[list(columns)], columns)


def temperature_for(stated: float | None, fitted: pd.DataFrame) -> float:
    """Choose the temperature of the maps: the one stated, or the one fitted; warn at its bound.

    Parameters
    ----------
    stated
        None for the one fitted.
    fitted
        With `neurospect.saliency.decoders.TEMPERATURE_COLUMNS`, one row.
    """
    if stated is not None:
        return stated
    temperature: Any = fitted["temperature"].iloc[0]
    bound = fitted["at_bound"].iloc[0]
    if not pd.isna(bound):
        log.warning(
            "the fitted temperature, %g, is the %s bound of the fit: the validation split does not "
            "fix it; look at the criteria over a range of temperatures",
            temperature, bound,
        )  # fmt: skip
    return float(temperature)
