"""A picture with a palette of its own, which makes its PNG a third as large."""

from __future__ import annotations

import numpy as np
from PIL import Image

COLOURS = 256
WHITE = (255, 255, 255)


def with_few_colours(picture: Image.Image) -> Image.Image:
    """Give each pixel the nearest of 256 colours that are chosen for the picture.

    A colour has a say in the choice by the root of its pixels, so that a key's colour bar is
    not left to the lines that fill the axes. White stays white.

    Parameters
    ----------
    picture
        In mode RGB.

    Returns
    -------
    PIL.Image.Image
        Of the same size, in mode P; the same picture gives the same pixels.
    """
    pixels = np.asarray(picture, dtype=np.int32)
    codes = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    known, counts = np.unique(codes, return_counts=True)
    colours = np.stack([known >> 16, known >> 8 & 255, known & 255], axis=1).astype(np.uint8)
    said = np.repeat(colours, np.ceil(np.sqrt(counts)).astype(int), axis=0)
    chosen = Image.fromarray(said[np.newaxis]).quantize(COLOURS - 1, kmeans=1).getpalette() or []
    palette = np.array([*WHITE, *chosen], dtype=np.float32).reshape(-1, 3)[:COLOURS]
    # The squared distance of each colour, but for what all entries of the palette share; exact.
    apart = (palette**2).sum(axis=1) - 2 * colours.astype(np.float32) @ palette.T
    entry = np.zeros(1 << 24, dtype=np.uint8)
    entry[known] = apart.argmin(axis=1)
    few = Image.fromarray(entry[codes])
    few.putpalette(palette.astype(np.uint8).tobytes())
    return few
