"""The volumes of a whole cohort as features, fitted on its training split only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.head_size import ETIV
from neurospect.errors import BadInputError
from neurospect.preprocess.volume_features import HeadSize, fit_volume_features

FEATURE_COLUMNS = {
    "volume": "name of the volume, as FreeSurfer gives it",
    "used": "whether it is a feature; features stand in this order",
    "reason": "why it is none: missing, constant, explained (by the covariates) or head size",
}


def residualised_volumes(
    participants: pd.DataFrame,
    array: NDArray[np.floating],
    names: Sequence[str],
    splits: pd.DataFrame,
    *,
    etiv: HeadSize,
    covariates: Sequence[str],
    categorical: Sequence[str] = (),
) -> tuple[NDArray[np.float32], pd.DataFrame]:
    """Turn the volumes of a cohort into features, fitted on its training split.

    Parameters
    ----------
    participants
        One row per participant, with `participant_id` and the covariates.
    array
        Volumes in mm³, shape (participants, volumes).
    names
        Of the volumes.
    splits
        participant_id and split, in the order of the participants.
    etiv, covariates, categorical
        As in `fit_volume_features`; covariates are columns of `participants`.

    Returns
    -------
    features : numpy.ndarray
        Shape (participants, features), float32, without unit.
    table : pandas.DataFrame
        With `FEATURE_COLUMNS`, one row per volume, dropped or not.

    Raises
    ------
    BadInputError
        As `fit_volume_features`.
    """
    absent = [name for name in covariates if name not in participants]
    if absent:
        raise BadInputError(
            "participants",
            "columns",
            found=", ".join(participants.columns),
            expected=", ".join(covariates),
            remedy=f"Mend the covariates: there is no {', '.join(absent)}.",
        )
    ids = pd.Index(participants["participant_id"], name="participant_id")
    volumes = pd.DataFrame(np.asarray(array, dtype=np.float64), index=ids, columns=list(names))
    known = participants.set_index("participant_id")[list(covariates)]
    training = splits["participant_id"][splits["split"] == "training"]
    fit = fit_volume_features(volumes, known, training, etiv=etiv, categorical=categorical)
    reasons = {ETIV: "head size", **fit.dropped}
    table = pd.DataFrame(
        {
            "volume": list(names),
            "used": [name in fit.columns for name in names],
            "reason": [reasons.get(name, "") for name in names],
        }
    )
    return fit.transform(volumes, known).to_numpy(dtype=np.float32), table
