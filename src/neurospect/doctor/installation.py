"""Python, the locked packages, Snakemake and its plugins, and the state of the checkout."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import neurospect
from neurospect.doctor.findings import Finding, fault, ok, warning
from neurospect.doctor.profiles import Profile
from neurospect.doctor.programs import ask, missing
from neurospect.provenance.environment import read_pins

LOCK = "requirements.lock"
INSTALL = "Install the locked versions: make setup, then source .venv/bin/activate."
MOST_NAMED = 6


def checkout() -> Path | None:
    """Return the repository that the library runs from; None where it was installed elsewhere."""
    root = Path(neurospect.__file__).parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def python_version() -> Iterator[Finding]:
    """Hold Python's version against what the library needs."""
    from packaging.specifiers import SpecifierSet

    needed = metadata.metadata("neurospect")["Requires-Python"]
    found = platform.python_version()
    if found in SpecifierSet(needed):
        yield ok("Python", found)
    else:
        yield fault("Python", found, needed, "Set up again: make setup PYTHON=python3.11.")


def locked_packages(root: Path | None) -> Iterator[Finding]:
    """Hold each installed package against its pin.

    Parameters
    ----------
    root
        The checkout that holds the lock; None for the working directory.
    """
    from packaging.specifiers import SpecifierSet

    lock = (root or Path.cwd()) / LOCK
    if not lock.is_file():
        yield warning(
            "packages",
            f"no {LOCK} in {lock.parent}",
            "the lock, to hold the installed versions against",
            "Work in a checkout of the repository.",
        )
        return
    wrong, absent = [], []
    pins = read_pins(lock)
    for pin in pins.values():
        name, _, version = pin.partition("==")
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        # as pip does: 2.13.0+cu130 is a build of 2.13.0
        if not SpecifierSet(f"=={version}").contains(installed, prereleases=True):
            wrong.append(f"{name} {installed}, locked {version}")
    if wrong:
        yield fault("packages", _some(wrong), f"the versions of {LOCK}", INSTALL)
    if absent:
        yield warning("packages", f"not installed: {_some(absent)}", f"all of {LOCK}", INSTALL)
    if not wrong and not absent:
        yield ok("packages", f"{len(pins)}, each as {LOCK} pins it")


def snakemake_versions(profile: Profile) -> Iterator[Finding]:
    """Tell Snakemake's version, and that of the plugin that the profile's executor needs."""
    packages = ["snakemake"]
    if profile.executor != "local":
        packages.append(f"snakemake-executor-plugin-{profile.executor}")
    for name in packages:
        try:
            yield ok(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield fault(name, "not installed", "it, to run the workflow", INSTALL)


def state_of_checkout(root: Path | None) -> Iterator[Finding]:
    """Tell the commit, and what was changed since."""
    if root is None:
        yield ok("code", f"neurospect {metadata.version('neurospect')}, installed as a package")
        return
    if missing("git"):
        yield warning("code", "no git", "git, to tell the commit", "Load or install git.")
        return
    commit = ask("git", "-C", str(root), "rev-parse", "--short", "HEAD")
    changed = ask("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    if not commit.good or not changed.good:
        said = (changed if commit.good else commit).last_words
        remedy = "Work in a clone; results are tied to digests of the code in any case."
        yield warning("code", said, "a git checkout", remedy)
    elif changed.said.strip():
        count = len(changed.said.splitlines())
        yield warning(
            "code",
            f"commit {commit.said.strip()}, and {count} changed file{'s' * (count > 1)}",
            "a commit without changes, which others can check out",
            "Commit the changes before results that are to be published.",
        )
    else:
        yield ok("code", f"commit {commit.said.strip()}, nothing changed")


def _some(names: list[str]) -> str:
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return "; ".join([*names[:MOST_NAMED], *more])
