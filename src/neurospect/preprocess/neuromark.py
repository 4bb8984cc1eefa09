"""The 53 components of NeuroMark fMRI 1.0 as a table, and checks of a reference template.

Components, domains and peaks are those that Du et al. (2020, NeuroImage: Clinical 28, 102375)
list. Two entries there contradict themselves and are mended here. Component 49, posterior
cingulate, is printed with y = +54.5 mm, in the frontal lobe; that is the one y of the 53 that
does not lie on the template's 3 mm grid, and -54.5 mm does. Component 33 is called left with a
peak at x = +44.5 mm and the short name R IPL: it is right.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurospect.arrays.images import image_md5, image_stem, image_volumes, read_image
from neurospect.arrays.tables import read_table
from neurospect.errors import BadInputError

TABLE = Path(__file__).with_name("neuromark_fmri_1.0.tsv")
# An edit of the facts must be an edit of this module too, so that steps that reach it go stale.
TABLE_SHA256 = "626ca04cdcfdc151e6b0d905c4ac8e83fb69d0b0f303d336f52403c2bc8f0152"

DOMAINS = {
    "SC": "subcortical",
    "AUD": "auditory",
    "SM": "sensorimotor",
    "VIS": "visual",
    "CC": "cognitive control",
    "DM": "default mode",
    "CB": "cerebellar",
}

NEUROMARK_NAME = re.compile(r"neuromark[_-]?fmri[_-]?1[._]0", re.IGNORECASE)
NEUROMARK_SHAPE = (53, 63, 52, 53)
NEUROMARK_MD5 = "8d134f7ba22659d29ba75abac0979357"


@dataclass(frozen=True)
class Template:
    """A reference template that can be read.

    Parameters
    ----------
    path
        The 4-D NIfTI.
    components
        How many maps it holds, K.
    is_neuromark
        Whether it is NeuroMark_fMRI_1.0 itself, bit for bit.
    """

    path: Path
    components: int
    is_neuromark: bool


def neuromark_components() -> pd.DataFrame:
    """List the components of NeuroMark fMRI 1.0.

    Returns
    -------
    pandas.DataFrame
        Shape (53, 6): `component` (1 to 53, the order of the template's volumes), `domain`
        (a key of `DOMAINS`), `label`, and the peak `x`, `y`, `z` (MNI, mm).

    Raises
    ------
    BadInputError
        If the table was edited since this version was made.
    """
    found = hashlib.sha256(TABLE.read_bytes()).hexdigest()
    if found != TABLE_SHA256:
        raise BadInputError(
            TABLE,
            "sha256",
            found=found,
            expected=TABLE_SHA256,
            remedy="Restore the file; a table of your own goes beside a template of your own.",
        )
    frame = read_table(TABLE, ["component", "domain", "label", "x", "y", "z"])
    return frame.astype({"x": np.float64, "y": np.float64, "z": np.float64})


def check_template(path: str | Path, labels: pd.DataFrame | None = None) -> Template:
    """Check that a file can serve as reference template, and say what it is.

    Parameters
    ----------
    path
        A 4-D NIfTI, shape (x, y, z, K), of any K. If it is named NeuroMark_fMRI_1.0 (.nii or
        .nii.gz), it must be that file: its shape, dtype and MD5 (uncompressed) are checked.
    labels
        The table that describes its components, one row each.

    Raises
    ------
    BadInputError
        If the file is no readable 4-D NIfTI, is cut short, is named NeuroMark_fMRI_1.0 and is
        something else, or has another number of maps than `labels` has rows.
    """
    final = Path(path)
    image = read_image(final, dimensions=4)
    for _ in image_volumes(final, image):
        pass  # a file that is cut short is refused before any run is read
    is_neuromark = NEUROMARK_NAME.fullmatch(image_stem(final)) is not None
    if is_neuromark:
        _check_neuromark(final, image)
    components = int(image.shape[3])
    if labels is not None and len(labels) != components:
        raise BadInputError(
            final,
            "components",
            found=f"{components} maps and {len(labels)} rows in the table of labels",
            expected="one row for each map",
            remedy="Give the table of labels that belongs to this template, in its order.",
        )
    return Template(final, components, is_neuromark)


def _check_neuromark(path: Path, image: Any) -> None:
    kind = (tuple(image.shape), image.get_data_dtype())
    remedy = "Fetch NeuroMark_fMRI_1.0 again, or give a template of another kind another name."
    if kind != (NEUROMARK_SHAPE, np.dtype(np.int16)):
        raise BadInputError(
            path,
            "shape and dtype",
            found=f"{kind[1]} {kind[0]}",
            expected=f"int16 {NEUROMARK_SHAPE}, as NeuroMark_fMRI_1.0 has",
            remedy=remedy,
        )
    md5 = image_md5(path)
    if md5 != NEUROMARK_MD5:
        raise BadInputError(
            path,
            "MD5",
            found=md5,
            expected=f"{NEUROMARK_MD5}, that of NeuroMark_fMRI_1.0",
            remedy=remedy,
        )
