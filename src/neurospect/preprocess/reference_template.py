"""The reference template that an analysis is given, or the stand-in; and its labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.images import image_md5, read_image
from neurospect.errors import BadInputError
from neurospect.preprocess.component_labels import numbered_components, read_component_labels
from neurospect.preprocess.neuromark import check_template, neuromark_components
from neurospect.preprocess.stand_in_template import COMMENT, stand_in_template

STAND_IN = "stand-in"


@dataclass(frozen=True, eq=False)
class ReferenceTemplate:
    """Reference maps, and what they are.

    Parameters
    ----------
    image
        4-D NIfTI, shape (x, y, z, components).
    components
        One row per map: component, domain, label; peak coordinates where they are known.
    facts
        Name and checksum, for a JSON sidecar.
    """

    image: Any
    components: pd.DataFrame
    facts: dict[str, Any]


def open_template(
    template: str | Path, labels: str | Path | None, *, stand_in_mask: Any
) -> ReferenceTemplate:
    """Open a template, or make the stand-in.

    Parameters
    ----------
    template
        A 4-D NIfTI, or `stand-in`.
    labels
        TSV with component, domain and label. None for those of NeuroMark (its template and the
        stand-in), or for numbers.
    stand_in_mask
        3-D NIfTI in MNI space, inside of which, and on whose grid, the stand-in is made.

    Raises
    ------
    BadInputError
        If template or labels cannot be used, or do not belong together.
    """
    table = None if labels is None else read_component_labels(labels)
    if str(template) == STAND_IN:
        return _stand_in(table, labels, stand_in_mask)
    path = Path(template)
    checked = check_template(path, table)
    if table is None:
        neuromark = checked.is_neuromark
        table = neuromark_components() if neuromark else numbered_components(checked.components)
    facts = {
        "Name": path.name,
        "StandIn": False,
        "IsNeuroMark": checked.is_neuromark,
        "MD5": image_md5(path),
    }
    return ReferenceTemplate(read_image(path, dimensions=4), table, facts)


def _stand_in(
    table: pd.DataFrame | None, labels: str | Path | None, mask: Any
) -> ReferenceTemplate:
    image = stand_in_template(mask=mask)
    components = neuromark_components() if table is None else table
    if len(components) != image.shape[3]:
        raise BadInputError(
            labels or STAND_IN,
            "rows",
            found=len(components),
            expected=f"{image.shape[3]}, one for each map of the stand-in",
            remedy="Leave the labels out: the stand-in has its own.",
        )
    md5 = hashlib.md5(image.to_bytes(), usedforsecurity=False).hexdigest()
    facts = {"Name": STAND_IN, "StandIn": True, "Warning": COMMENT, "MD5": md5}
    return ReferenceTemplate(image, components, facts)
