"""Write measured tables into docs/benchmarks.md, one section per benchmark."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from neurospect.arrays.atomic import write_text

HEADER = """\
# Benchmarks

Measured by the scripts in `benchmarks/` (`make bench`), which write these tables themselves.
Ratios come from one run in which the rivals take turns; absolute times depend on the machine.
"""


def write_section(page: Path, name: str, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put one benchmark's text and table in place of its earlier ones."""
    columns = list(rows[0])
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(row[column]) for column in columns) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}."
    )
    section = f"<!-- {name} -->\n{text}\n{table}\n\n{machine}\n<!-- /{name} -->\n"
    before = page.read_text(encoding="utf-8") if page.exists() else HEADER
    pattern = re.compile(rf"<!-- {name} -->.*<!-- /{name} -->\n", re.DOTALL)
    if pattern.search(before):
        after = pattern.sub(lambda _: section, before)
    else:
        after = before + "\n" + section
    write_text(page, after)
