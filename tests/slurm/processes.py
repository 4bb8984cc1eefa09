"""Processes of this machine, as /proc tells of them."""

from __future__ import annotations

from pathlib import Path


def process_ids() -> list[int]:
    """Return the ids of all processes, in order."""
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def process_name(pid: int) -> str:
    """Return a process's name; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot; None once it has ended."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def session(pid: int) -> int | None:
    """Return the id of the session that a process belongs to; None once it has ended."""
    fields = _stat_fields(pid)
    return int(fields[3]) if fields else None


def environment(pid: int) -> set[str]:
    """Return the environment that a process began with; nothing where it is not ours to see."""
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return set()


def _stat_fields(pid: int) -> list[str]:
    # The name, second, is in brackets and may hold spaces: count from behind it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
