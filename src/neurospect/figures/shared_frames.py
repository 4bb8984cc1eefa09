"""Pages in frames of one page: made small, and what they have in common said once.

Browsers show no page of more than two megabytes inside another that holds it (as a report does),
and the parts of a view are large: its scripts, and the pictures of all cuts through the brain.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

_PICTURE = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]{2000,}")
_LARGE = re.compile(rf"{_PICTURE.pattern}|(?<=<script>).{{2000,}}?(?=</script>)", re.DOTALL)
_FILL = """\
<script>
const shared = [...document.querySelectorAll("script.shared")].map((part) => part.textContent);
for (const frame of document.querySelectorAll("iframe[data-page]")) {
  frame.srcdoc = frame.dataset.page.replace(/%SHARED-(\\d+)%/g, (_, number) => shared[number]);
}
</script>"""


def shared_frames(pages: Sequence[str]) -> tuple[list[str], list[str]]:
    """Prepare pages to stand in frames of one page.

    Parameters
    ----------
    pages
        HTML, each of which stands alone.

    Returns
    -------
    list of str
        For each page, the attribute that an `iframe` needs, to show it.
    list of str
        HTML of what the pages share, to stand behind the frames; and the script that puts it in.
    """
    smaller = [_PICTURE.sub(lambda found: with_palette(found[0]), page) for page in pages]
    found = Counter(part for page in smaller for part in set(_LARGE.findall(page)))
    # In the order of the first page, so that the same pages give the same text.
    parts = [part for part in dict.fromkeys(_LARGE.findall("".join(smaller))) if found[part] > 1]
    for number, part in enumerate(parts):
        smaller = [page.replace(part, f"%SHARED-{number}%") for page in smaller]
    scripts = [f'<script type="text/plain" class="shared">{part}</script>' for part in parts]
    attributes = [f'data-page="{escape(page)}"' for page in smaller]
    return attributes, [*scripts, _FILL] if pages else []


def with_palette(picture: str) -> str:
    """Write a picture with a palette if it has 256 colours or fewer: the same colours, smaller.

    Parameters
    ----------
    picture
        PNG in base64.

    Returns
    -------
    str
        The same. Pictures of more colours are returned as they are.
    """
    pixels = np.asarray(Image.open(BytesIO(b64decode(picture))).convert("RGBA"))
    packed = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    colours, places = np.unique(packed, return_inverse=True)
    if len(colours) > 256:
        return picture
    channels = colours[:, np.newaxis].view(np.uint8)
    image = Image.fromarray(places.reshape(packed.shape).astype(np.uint8), mode="P")
    image.putpalette(channels[:, :3].tobytes())
    written = BytesIO()
    image.save(written, "PNG", optimize=True, transparency=channels[:, 3].tobytes())
    return b64encode(written.getvalue()).decode()
