from __future__ import annotations

import re
from base64 import b64decode, b64encode
from html import unescape
from io import BytesIO

import numpy as np
from PIL import Image

from neurospect.figures.shared_frames import shared_frames, with_palette


def png(pixels: np.ndarray) -> str:
    written = BytesIO()
    Image.fromarray(pixels, mode="RGBA").save(written, "PNG")
    return b64encode(written.getvalue()).decode()


def pixels_of(picture: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(b64decode(picture))).convert("RGBA"))


def noise(seed: int, colours: int | None) -> np.ndarray:
    random = np.random.default_rng(seed)
    if colours is None:
        return random.integers(0, 256, (60, 70, 4), dtype=np.uint8)
    some = random.integers(0, 256, (colours, 4), dtype=np.uint8)
    return np.asarray(some[random.integers(0, colours, (60, 70))])


def test_a_picture_of_256_colours_or_fewer_has_the_same_pixels_in_fewer_bytes() -> None:
    for colours in (1, 2, 17, 256):
        picture = png(noise(colours, colours))
        smaller = with_palette(picture)
        assert len(smaller) < len(picture)
        np.testing.assert_array_equal(pixels_of(smaller), pixels_of(picture))


def test_a_picture_of_more_colours_stays_as_it_is() -> None:
    picture = png(noise(0, None))
    assert with_palette(picture) == picture


def page(number: int) -> str:
    """A page with a script and a picture that all have, and a picture of its own."""
    pictures = [png(noise(seed, 200)) for seed in (0, number)]
    shown = "".join(f'<img src="data:image/png;base64,{picture}">' for picture in pictures)
    return f"<h1>{number} &amp; more</h1>{shown}<script>{'f(x) < 1 && g();' * 200}</script>"


def test_what_pages_share_stands_once_and_each_is_put_together_again() -> None:
    pages = [page(number) for number in (1, 2, 3)]
    attributes, behind = shared_frames(pages)
    *shared, script = behind
    assert len(shared) == 2
    assert "srcdoc" in script
    parts = [re.sub(r"</?script[^>]*>", "", part) for part in shared]
    for attribute, whole in zip(attributes, pages, strict=True):
        text = unescape(attribute.removeprefix('data-page="').removesuffix('"'))
        for number, part in enumerate(parts):
            assert part not in text
            text = text.replace(f"%SHARED-{number}%", part)
        found, expected = (re.split(r"base64,([^\"]+)", one) for one in (text, whole))
        assert found[::2] == expected[::2]
        for one, other in zip(found[1::2], expected[1::2], strict=True):
            np.testing.assert_array_equal(pixels_of(one), pixels_of(other))
    assert sum(map(len, attributes + behind)) < 0.6 * sum(map(len, pages))


def test_a_single_page_shares_nothing() -> None:
    (attribute,), behind = shared_frames([page(1)])
    assert "%SHARED" not in attribute
    assert len(behind) == 1
