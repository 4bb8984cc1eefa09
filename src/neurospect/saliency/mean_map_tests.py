"""Mean maps of a decoder against the templates of the classes, tested with random phases."""

from __future__ import annotations

import logging
import math

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.saliency.judged_maps import CRITERIA_COLUMNS
from neurospect.saliency.spatial_null import spatial_correlation_test

log = logging.getLogger(__name__)

ALPHA = 0.05
MEAN_MAP_COLUMNS = {
    **{name: CRITERIA_COLUMNS[name] for name in ("decoder", "seed", "method")},
    "class": "whose mean map is tested, over the test examples of that class",
    "correlation": "with what is special about the class: its template minus the mean template; "
    "n/a where either is the same everywhere",
    "p": "two-sided, against maps of the same spectrum with random phases",
    "p_bonferroni": "p times the number of maps of the decoder that were tested, at most 1",
    "significant": f"whether p_bonferroni is at most {ALPHA:g}; n/a where there is no p",
    "naive_p": "as if voxels were independent of each other, which they are not",
    "surrogates": "random maps for each of the two",
}


def mean_map_tests(maps: xr.DataTree, *, surrogates: int, seed: int) -> pd.DataFrame:
    """Test whether the mean map of each class is more like its template than chance.

    Parameters
    ----------
    maps
        As `neurospect.saliency.decoder_maps.decoder_maps` gives them.
    surrogates, seed
        As in `spatial_correlation_test`.

    Returns
    -------
    pandas.DataFrame
        `MEAN_MAP_COLUMNS` but decoder and seed, one row per method and class.
    """
    templates, mask = maps["template"].to_numpy(), maps["mask"].to_numpy().astype(bool)
    special = templates - templates.mean(0)
    rows = []
    for method, node in maps.children.items():
        for place, name in enumerate(maps["class"].to_numpy().tolist()):
            values = node["mean_map"].to_numpy()[place]
            try:
                found = spatial_correlation_test(
                    values, special[place], mask, surrogates=surrogates, seed=seed
                )
            except BadInputError as fault:
                log.warning("%s, class %s, not tested: %s", method, name, fault)
                rows.append((method, name, np.nan, np.nan, np.nan, surrogates))
                continue
            rows.append((method, name, found.correlation, found.p, found.naive_p, surrogates))
    columns = ["method", "class", "correlation", "p", "naive_p", "surrogates"]
    table = pd.DataFrame(rows, columns=columns)
    tested = table["p"].notna()
    table["p_bonferroni"] = (table["p"] * tested.sum()).clip(upper=1)
    table["significant"] = (table["p_bonferroni"] <= ALPHA).astype("boolean").where(tested)
    if tested.sum() > ALPHA * (surrogates + 1):
        log.warning(
            "%d surrogates cannot make any of %d maps significant: the smallest p is %.2g. Ask for "
            "%d or more (significance.surrogates).",
            surrogates, tested.sum(), 1 / (surrogates + 1), math.ceil(tested.sum() / ALPHA) - 1,
        )  # fmt: skip
    return table[list(MEAN_MAP_COLUMNS)[2:]]
