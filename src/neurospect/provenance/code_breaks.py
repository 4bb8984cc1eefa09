"""What an audit finds changed beside the results: code and environments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.archive import find_file
from neurospect.provenance.breaks import Break, BreakKind, broken
from neurospect.provenance.environment import environments_in
from neurospect.provenance.places import Filed
from neurospect.provenance.source import source_modules
from neurospect.provenance.survey import Survey, figures_of

ENVIRONMENTS_FOLDER = "envs"


def changed_code(survey: Survey) -> Iterator[Break]:
    """Yield scripts that are gone, or reach other code than their jobs ran."""
    found: dict[tuple[Path, str], list[Filed]] = defaultdict(list)
    reached = cache(source_modules)
    for filed in survey.made:
        if filed.intact:
            script = find_file(filed, filed.record.script)
            state = _code_state(filed, script, reached) if script else "no such script"
            if state:
                found[script or filed.root / filed.record.script, state].append(filed)
    for (script, state), filed_there in found.items():
        codes = sorted({filed.record.code[:12] for filed in filed_there})
        yield broken(
            BreakKind.CODE_CHANGED,
            script,
            f"code {', '.join(codes)}",
            state,
            figures_of(survey, filed_there),
        )


def _code_state(filed: Filed, script: Path, reached: Callable[[Path], dict[str, str]]) -> str:
    """Say how the modules that a script reaches differ from the record; empty where they agree."""
    then = filed.record.modules
    try:
        now = reached(script)
    except BadInputError as fault:
        return str(fault)
    changes = {
        "changed": [name for name in then if name in now and now[name] != then[name]],
        "newly reached": [name for name in now if name not in then],
        "no longer reached": [name for name in then if name not in now],
    }
    parts = [f"{change}: {', '.join(names)}" for change, names in changes.items() if names]
    return "; ".join(parts)


def changed_environments(survey: Survey) -> Iterator[Break]:
    """Yield environments of jobs that no environment file pins any more."""
    gone: dict[tuple[Path, str], list[Filed]] = defaultdict(list)
    pins = cache(environments_in)
    for filed in survey.made:
        digest = filed.record.environment
        if digest is not None and filed.intact:
            own = filed.root / ENVIRONMENTS_FOLDER
            if digest not in pins(own if own.is_dir() else Path.cwd() / ENVIRONMENTS_FOLDER):
                gone[own, digest].append(filed)
    for (folder, digest), readers in gone.items():
        rules = ", ".join(sorted({filed.record.rule for filed in readers}))
        now = [f"{name} {other[:12]}" for other, name in pins(folder).items()]
        yield broken(
            BreakKind.ENVIRONMENT_CHANGED,
            folder,
            f"environment {digest[:12]} of {rules}",
            ", ".join(now) or "no environment file",
            figures_of(survey, readers),
        )
