"""A figure made small, for pages that show many."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

WIDTH = 720
"""Of the preview, in pixels."""
QUALITY = 70


def preview(figure: str | Path) -> bytes:
    """Make a PNG small: `WIDTH` pixels wide, as WebP, some tens of kilobytes.

    Parameters
    ----------
    figure
        A PNG; one that is narrower keeps its size.

    Returns
    -------
    bytes
        The same figure gives the same bytes.
    """
    with Image.open(figure) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    written = BytesIO()
    small.save(written, "WEBP", quality=QUALITY)
    return written.getvalue()
