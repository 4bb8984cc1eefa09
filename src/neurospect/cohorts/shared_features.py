"""Which features a whole cohort shares, and why the others are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def common_features(features: Collection[Sequence[str]]) -> tuple[list[str], dict[str, str]]:
    """Tell the features that most participants have from those that few have.

    A feature that few have is dropped rather than missed in everybody else, so that one odd
    file cannot cost the others anything.

    Parameters
    ----------
    features
        Names of the features of each participant.

    Returns
    -------
    list of str
        Those that more than half of the participants have, as they first occur.
    dict
        The others, and in how many they are.
    """
    counts = Counter(name for each in features for name in each)
    common = [name for name, count in counts.items() if 2 * count > len(features)]
    rare = {
        name: f"in {count} of {len(features)} participants only"
        for name, count in counts.items()
        if 2 * count <= len(features)
    }
    return common, rare


def reasons_to_drop(
    features: Sequence[str], bad: Mapping[str, NDArray[np.bool_]], fault: str
) -> dict[str, str]:
    """Name the features that are bad in anybody, in how many they are, and who is the first.

    Parameters
    ----------
    features
        Names of the features.
    bad
        Of each participant, whether a feature is bad; shape (features,), bool.
    fault
        What is wrong with a bad one, such as `missing`.
    """
    reasons = {}
    for column, name in enumerate(features):
        who = [participant for participant, flags in bad.items() if flags[column]]
        if who:
            reasons[name] = f"{fault} in {len(who)}, the first {who[0]}"
    return reasons
