"""What work starts from: the configuration, the reference template, the records so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from neurospect.arrays.images import image_md5, read_image
from neurospect.doctor.findings import Finding, fault, ok, warning
from neurospect.errors import BadInputError
from neurospect.preprocess.component_labels import read_component_labels
from neurospect.preprocess.neuromark import check_template
from neurospect.preprocess.reference_template import STAND_IN
from neurospect.provenance.record import SUFFIX, read_record
from neurospect.settings import Settings, check_settings
from neurospect.settings.layers import laid_over, read_yaml

CONFIG = Path("config/config.yaml")
SIMULATED_RUNS = "simulated-rest"
CLOCK_SLACK = timedelta(minutes=2)


def read_settings(configfiles: Sequence[Path]) -> Settings:
    """Read a configuration as the workflow does: the default one, and others laid over it.

    Raises
    ------
    BadInputError, BadInputsError
        Naming every fault.
    """
    files = [*([CONFIG] if CONFIG.is_file() else []), *configfiles]
    raw: Any = {}
    for file in files:
        raw = laid_over(raw, read_yaml(file))
    return check_settings(raw, files)


def configuration(settings: Settings) -> Iterator[Finding]:
    """Say what a sound configuration asks for."""
    names = [*settings.experiments, *settings.saliency]
    cohorts = ", ".join(settings.cohorts) or "none"
    yield ok("configuration", f"experiments {', '.join(names) or 'none'}; cohorts {cohorts}")


def template(settings: Settings) -> Iterator[Finding]:
    """Check the reference template, where runs are to be analysed with it."""
    chosen = settings.config.components
    of_runs = [cohort for cohort, kind in settings.cohorts.items() if kind == "runs"]
    if chosen.template == STAND_IN:
        measured = [cohort for cohort in of_runs if cohort != SIMULATED_RUNS]
        if measured:
            yield warning(
                "template",
                f"the stand-in, for cohort {', '.join(measured)}",
                "NeuroMark_fMRI_1.0 or a template of your own, for measured runs",
                "Set components.template to the file.",
            )
        else:
            yield ok("template", "the stand-in" if of_runs else "not needed")
        return
    path = Path(chosen.template)
    labels = None if chosen.labels is None else read_component_labels(chosen.labels)
    checked = check_template(path, labels)
    shape = "×".join(map(str, read_image(path, dimensions=4).shape))
    name = "NeuroMark_fMRI_1.0 itself" if checked.is_neuromark else f"{path.name}, no NeuroMark 1.0"
    yield ok(
        "template",
        f"{name}: {checked.components} components, {shape} voxels, MD5 {image_md5(path)}",
    )


def clock(results: Path) -> Iterator[Finding]:
    """Hold this machine's clock against the newest record."""
    ended = {}
    # A pipe of that name would be waited for, for ever.
    for path in sorted(path for path in results.rglob(f"*{SUFFIX}") if path.is_file()):
        try:
            ended[path] = datetime.fromisoformat(read_record(path).run.ended)
        except (BadInputError, ValueError):
            continue  # `neurospect audit` names what is no record
    now = datetime.now(UTC)
    newest = max(ended, key=lambda path: ended[path], default=None)
    if newest is None:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M} UTC; no record yet to compare it with")
    elif ended[newest] > now + CLOCK_SLACK:
        yield fault(
            "clock",
            f"{now:%Y-%m-%d %H:%M} UTC, before {ended[newest]:%Y-%m-%d %H:%M} UTC in {newest}",
            "a clock that is not behind the newest record",
            "Set the clock; Snakemake compares dates to tell what is stale.",
        )
    else:
        yield ok(
            "clock",
            f"{now:%Y-%m-%d %H:%M} UTC; newest of {len(ended):,} records "
            f"{ended[newest]:%Y-%m-%d %H:%M} UTC",
        )
