"""The frame of every HTML page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def html_page(title: str, style: str, body: Iterable[str]) -> str:
    """Put a page together: its title above its parts.

    Parameters
    ----------
    title
        Plain text; it is escaped.
    style
        CSS.
    body
        HTML of the parts below the title, one after the other.

    Returns
    -------
    str
        HTML that needs nothing besides.
    """
    name = escape(title)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{name}</title>",
            f"<style>\n{style}</style></head>",
            "<body>",
            f"<h1>{name}</h1>",
            *body,
            "</body></html>",
            "",
        ]
    )
