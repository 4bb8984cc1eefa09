"""Tables of single decoders that are summarised over seeds, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurospect.saliency.decoder_checks import CHECK_COLUMNS
from neurospect.saliency.decoder_removal import CURVE_COLUMNS, RETRAINING_COLUMNS
from neurospect.saliency.decoders import ACCURACY_COLUMNS, TEMPERATURE_COLUMNS
from neurospect.saliency.mean_map_tests import MEAN_MAP_COLUMNS
from neurospect.saliency.temperature_range import RANGE_COLUMNS


@dataclass(frozen=True)
class Summarised:
    """How one kind of table is summarised.

    Attributes
    ----------
    columns
        What each of its columns holds.
    by
        Columns that tell the rows of one seed apart.
    values
        Columns whose mean and standard deviation over seeds are taken.
    """

    columns: Mapping[str, str]
    by: tuple[str, ...]
    values: tuple[str, ...]


SUMMARISED = {
    "accuracy": Summarised(
        ACCURACY_COLUMNS, ("decoder", "split", "examples", "chance"), ("accuracy", "loss")
    ),
    "temperature": Summarised(
        TEMPERATURE_COLUMNS, ("decoder",), ("temperature", "bounded", "loss", "loss_before")
    ),
    "temperatures": Summarised(
        RANGE_COLUMNS, ("decoder", "temperature", "criterion"), ("correlation", "undefined")
    ),
    "sanity_checks": Summarised(
        CHECK_COLUMNS,
        ("decoder", "method", "check", "layer"),
        ("correlation", "rank_correlation_of_size", "training_accuracy", "accuracy_on_shuffled"),
    ),
    "retraining": Summarised(
        RETRAINING_COLUMNS, ("decoder", "method", "removed", "fraction"), ("accuracy",)
    ),
    "removal_curves": Summarised(
        CURVE_COLUMNS, ("decoder", "method", "mode", "fraction"), ("probability",)
    ),
    "mean_map_tests": Summarised(
        MEAN_MAP_COLUMNS, ("decoder", "method", "class"), ("correlation", "significant")
    ),
}
