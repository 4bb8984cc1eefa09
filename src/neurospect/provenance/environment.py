"""Conda environments of the workflow, generated from the lock, and their digests."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from neurospect.arrays.atomic import write_text
from neurospect.errors import BadInputError
from neurospect.provenance.content import value_sha256

_FILES = ("numpy", "pandas", "xarray", "netCDF4", "pydantic", "PyYAML")

ENVIRONMENTS = {
    "cohorts": ("mlxtend", "nibabel", "nilearn", "scikit-learn", "scipy", "threadpoolctl", *_FILES),
    "training": ("torch", "transformers", "scipy", "threadpoolctl", *_FILES),
    "statistics": ("scipy", *_FILES),
    "figures": ("matplotlib", "nibabel", "nilearn", "seaborn", *_FILES),
}
"""Direct requirements of each family of rules."""

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s#;]+)")
_LISTED_PIN = re.compile(r"""^\s*-\s*["']?([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s#;"']+)""")

_HEADER = """\
# Generated from requirements.lock by `make generated`; do not edit.
# What the rules of the family "{name}" need, pinned as everywhere else.
"""


def write_envs(folder: str | Path, lock: str | Path) -> list[Path]:
    """Write one conda environment file for each family of rules.

    Parameters
    ----------
    folder
        Where ``<name>.yaml`` are written.
    lock
        The lock, ``requirements.lock``; what it pins must be installed.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    BadInputError
        The lock lacks a direct requirement, or a pinned package is not installed.
    """
    pins = read_pins(lock)
    written = []
    for name, requirements in ENVIRONMENTS.items():
        chosen = _with_dependencies(requirements, pins, lock)
        lines = [
            _HEADER.format(name=name) + "channels:",
            "  - conda-forge",
            "  - nodefaults",
            "dependencies:",
            "  - python >=3.11",
            "  - pip",
            "  - pip:",
            *(f"      - {pins[package]}" for package in chosen),
        ]
        path = Path(folder) / f"{name}.yaml"
        write_text(path, "\n".join(lines) + "\n")
        written.append(path)
    return written


def env_digest(env_file: str | Path) -> str:
    """Digest of the pins in an environment file; their order, comments and layout do not count.

    Raises
    ------
    BadInputError
        The file is missing or pins nothing.
    """
    pins = _pins(env_file, _LISTED_PIN)
    return value_sha256(sorted(f"{name}=={pin.partition('==')[2]}" for name, pin in pins.items()))


def environments_in(folder: Path) -> dict[str, str]:
    """Names of the environment files of a folder by digest; what pins nothing is left out."""
    digests = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            digests[env_digest(path)] = path.name
        except BadInputError:
            continue
    return digests


def read_pins(lock: str | Path) -> dict[str, str]:
    """Pins of a lock, ``name==version``, by normalised name.

    Raises
    ------
    BadInputError
        The file is missing or pins nothing.
    """
    return _pins(lock, _PIN)


def _pins(path: str | Path, pattern: re.Pattern[str]) -> dict[str, str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInputError(
            path,
            "file",
            found=error.strerror,
            expected="a readable file",
            remedy="Check the path; `make generated` writes the environments again.",
        ) from error
    found = [match for line in lines if (match := pattern.match(line))]
    if not found:
        raise BadInputError(
            path,
            "pins",
            found="none",
            expected="lines that pin a package, name==version",
            remedy="Restore the file; `make generated` writes the environments again.",
        )
    return {_normalised(match[1]): f"{match[1]}=={match[2]}" for match in found}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_dependencies(
    requirements: Iterable[str], pins: dict[str, str], lock: str | Path
) -> list[str]:
    """Normalised names of requirements and of all that they need, as far as the lock pins it."""
    # Only generating needs packaging; a job that asks for a digest may run without it.
    from packaging.requirements import Requirement

    waiting = [Requirement(name) for name in requirements]
    for requirement in waiting:
        if _normalised(requirement.name) not in pins:
            raise _not_pinned(lock, requirement.name)
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = _normalised(requirement.name)
        extras = ["", *sorted(requirement.extras)]
        # A build for another accelerator asks for more; the lock says what belongs to this one.
        fresh = [extra for extra in extras if (name, extra) not in seen and name in pins]
        seen.update((name, extra) for extra in fresh)
        needs = [Requirement(text) for text in (_requires(name, lock) if fresh else [])]
        waiting.extend(
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in fresh)
        )
    return sorted({name for name, _ in seen})


def _requires(name: str, lock: str | Path) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError as error:
        raise BadInputError(
            lock,
            name,
            found="a pin of a package that is not installed",
            expected="every pinned package installed",
            remedy="Install the lock first: make setup.",
        ) from error


def _not_pinned(lock: str | Path, name: str) -> BadInputError:
    return BadInputError(
        lock,
        name,
        found="no pin",
        expected=f"{name}==<version>",
        remedy="Renew the lock: make lock.",
    )


def main(arguments: list[str] | None = None) -> None:
    """Write the environment files (``make generated`` calls this)."""
    parser = argparse.ArgumentParser(prog="python -m neurospect.provenance.environment")
    parser.add_argument("folder", type=Path, help="where to write, usually envs")
    parser.add_argument("--lock", type=Path, default=Path("requirements.lock"))
    options = parser.parse_args(arguments)
    for path in write_envs(options.folder, options.lock):
        print(path)


if __name__ == "__main__":
    main()
