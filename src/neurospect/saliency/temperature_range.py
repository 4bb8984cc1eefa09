"""The criteria of the gradient over a range of temperatures."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn

from neurospect.saliency.decoding_data import DecodingData
from neurospect.saliency.judged_maps import CRITERIA_COLUMNS, judged_maps
from neurospect.saliency.map_targets import MapTargets
from neurospect.saliency.probability_gradients import Differentiated

RANGE_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed")},
    "temperature": "that logits were divided by",
    "criterion": CRITERIA_COLUMNS["criterion"],
    "correlation": "mean correlation of the gradient over the test examples that have one",
    "undefined": "share of the test examples without a correlation",
}


def criteria_over_temperatures(
    model: nn.Module,
    data: DecodingData,
    targets: MapTargets,
    temperatures: Sequence[float],
    *,
    device: torch.device,
    of: Differentiated = "probability",
) -> pd.DataFrame:
    """Judge the gradient at several temperatures of the softmax.

    Parameters
    ----------
    model, data, targets, device, of
        As for `judged_maps`.
    temperatures
        Which; may be none.

    Returns
    -------
    pandas.DataFrame
        `RANGE_COLUMNS` but decoder and seed.
    """
    rows = []
    for temperature in temperatures:
        judged = judged_maps(
            model,
            data,
            targets,
            {"gradient": {}},
            device=device,
            temperature=temperature,
            of=of,
        )
        for criterion, own in judged.groupby("criterion"):
            values = own["correlation"]
            rows.append((temperature, criterion, values.mean(), float(values.isna().mean())))
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS)[2:])
