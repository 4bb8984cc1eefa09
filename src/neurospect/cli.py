"""The command line: a run's components, where figures came from, the proof, a crate of both."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from neurospect.arrays.atomic import write_text
from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.audit import Examination, examine
from neurospect.provenance.breaks import break_text, for_terminal, on_one_line, shown_path
from neurospect.provenance.content import absolute
from neurospect.provenance.crate import UnsoundResultsError, write_crate
from neurospect.provenance.crate_pages import audit_page
from neurospect.provenance.trace import Chain, chain_html, chain_text, trace

SOUND, BROKEN, IMPOSSIBLE = 0, 1, 2
PAGES = (".html", ".htm")
# How a file, or a folder, is called while it is written.
_HALF_WRITTEN = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part(.*)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``neurospect``.

    Returns
    -------
    int
        0 where all is sound, 1 where an audit found a break or the doctor a fault, 2 where the
        request cannot be met.
    """
    options = _parser().parse_args(arguments)
    try:
        return _status(options)
    except BadInputError as fault:
        print(on_one_line(str(fault)), file=sys.stderr)
    except BadInputsError as faults:
        head = str(faults).partition("\n")[0]
        print("\n".join(map(on_one_line, [head, *map(str, faults.faults)])), file=sys.stderr)
    except OSError as error:
        # Whoever closed the pipe has read enough.
        if not isinstance(error, BrokenPipeError):
            print(on_one_line(str(_refused_by_the_system(error))), file=sys.stderr)
    return IMPOSSIBLE


def _status(options: argparse.Namespace) -> int:
    if options.verb == "ica":
        return _ica(options)
    if options.verb == "fetch":
        return _fetch(options)
    if options.verb == "doctor":
        return _doctor(options.config, options.profile, as_json=options.json)
    if options.verb == "trace":
        return _trace(options.figure, options.html)
    if options.verb == "crate":
        return _crate(options)
    return _audit(options.path, as_json=options.json)


def _say(text: str) -> None:
    """Print to standard output; where it takes no more, say so in the error."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would try once more at its end, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from None


def _refused_by_the_system(error: OSError) -> BadInputError:
    path = Path(str(error.filename or "a file"))
    if half_written := _HALF_WRITTEN.fullmatch(path.name):
        path = path.with_name(half_written[1] + half_written[2])
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return BadInputError(
        path,
        "file system",
        found=error.strerror or type(error).__name__,
        expected="room to write" if full else "a place that can be read, or written, as was asked",
        remedy="Make room, and try again."
        if full
        else "Correct the path, or its permissions; nothing is left half-written.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="neurospect",
        description="Find a run's components; show where figures came from, and prove it.",
    )
    parser.add_argument(
        "--version", action="version", version=f"neurospect {metadata.version('neurospect')}"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_ica(verbs)
    _add_fetch(verbs)
    _add_doctor(verbs)
    tracing = verbs.add_parser("trace", help="print the chain from a figure down to raw files")
    tracing.add_argument("figure", type=Path, metavar="FIGURE")
    tracing.add_argument(
        "--html",
        type=Path,
        metavar="OUT",
        help="write the chain as a page, too; a page there is replaced",
    )
    auditing = verbs.add_parser(
        "audit",
        help="hash every link again and name what does not hold",
        description="Exit status: 0 all holds, 1 a break was found, 2 cannot be audited.",
    )
    auditing.add_argument("path", type=Path, metavar="FIGURE|DIR")
    auditing.add_argument("--json", action="store_true", help="print JSON")
    _add_crate(verbs)
    return parser


def _add_ica(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ica = verbs.add_parser(
        "ica",
        help="find the maps and time courses of one run that belong to a template",
        description="Writes maps, time courses and quality into DIR. Exit status: 0, or 2 where "
        "the run or another file cannot be used.",
    )
    ica.add_argument("run", type=Path, metavar="RUN", help="4-D NIfTI, in the template's space")
    ica.add_argument(
        "--template",
        required=True,
        metavar="FILE",
        help="4-D NIfTI of reference maps; or stand-in: blobs at NeuroMark's peaks, to try it out",
    )
    ica.add_argument("--out", type=Path, required=True, metavar="DIR")
    ica.add_argument(
        "--mask", type=Path, metavar="FILE", help="the run's mask (default: nilearn's EPI mask)"
    )
    ica.add_argument(
        "--labels", type=Path, metavar="TSV", help="component, domain and label of each map"
    )
    # spelt out: the library is loaded only when the verb runs
    ica.add_argument(
        "--method", choices=("constrained_ica", "dual_regression"), default="constrained_ica"
    )
    ica.add_argument(
        "--grid",
        choices=("run", "template"),
        default="run",
        help="on whose voxels the maps lie; the other is resampled (default: %(default)s)",
    )
    ica.add_argument(
        "--confounds", type=Path, metavar="TSV", help="fMRIPrep's, for the mean displacement"
    )
    ica.add_argument("--dtype", choices=("float32", "float64"), default="float32")


def _add_fetch(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fetch = verbs.add_parser("fetch", help="fetch a public cohort (needs internet)")
    fetch.add_argument("cohort", choices=("abide",))
    fetch.add_argument("--out", type=Path, required=True, metavar="DIR")
    fetch.add_argument(
        "--derivatives",
        nargs="+",
        default=["rois_ho"],
        metavar="NAME",
        help="rois_ho and other atlases; func_preproc func_mask for 4-D runs (default: rois_ho)",
    )
    fetch.add_argument("--pipeline", choices=("cpac", "ccs", "dparsf", "niak"), default="cpac")
    fetch.add_argument("--no-band-pass", action="store_true", help="derivatives without a filter")
    fetch.add_argument(
        "--global-signal", action="store_true", help="those with the global signal regressed out"
    )
    fetch.add_argument(
        "--unchecked", action="store_true", help="also participants whom a rater found wanting"
    )
    fetch.add_argument("--participants", type=int, metavar="N", help="the first N only")
    fetch.add_argument("--url", help="another place that holds the same tree")


def _add_crate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    crate = verbs.add_parser(
        "crate",
        help="pack results and how they were made, for others to read",
        description="Writes a Provenance Run Crate 0.5: results, records, code of the workflow, "
        "and who made what from what; raw files are named, not packed. Exit status: 0, 1 where an "
        "audit found a break and nothing was written, 2 where the request cannot be met.",
    )
    crate.add_argument("results", type=Path, metavar="RESULTS")
    crate.add_argument(
        "--out",
        type=Path,
        metavar="DIR|ZIP",
        help="where to; nothing may be there yet (default: RESULTS.crate.zip)",
    )
    crate.add_argument(
        "--figure",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FIGURE",
        help="pack these and what they were made from, nothing else",
    )
    crate.add_argument(
        "--without-data",
        action="store_true",
        help="pack figures, records and code; name all other files by their sha256",
    )
    crate.add_argument(
        "--unsound", action="store_true", help="pack results that are broken, and say so in there"
    )


def _add_doctor(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = verbs.add_parser(
        "doctor",
        help="check installation, folders, configuration and cluster; starts no job",
        description="Exit status: 0 no fault (there may be warnings), 1 a fault was found, 2 a "
        "file or folder that was named is not there.",
    )
    doctor.add_argument(
        "--config",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="laid over config/config.yaml, as with snakemake --configfile",
    )
    doctor.add_argument(
        "--profile", type=Path, metavar="DIR", help="as with snakemake --workflow-profile"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")


def _doctor(configfiles: Sequence[Path], profile: Path | None, *, as_json: bool) -> int:
    from neurospect.doctor import examine_setup, findings_json, findings_text, worst

    findings = examine_setup(configfiles, profile)
    _say(findings_json(findings) if as_json else for_terminal(findings_text(findings)))
    return BROKEN if worst(findings) == "fault" else SOUND


def _fetch(options: argparse.Namespace) -> int:
    from neurospect.cohorts.abide_fetch import fetch_abide

    _refuse_file(options.out)
    for path in fetch_abide(
        options.out,
        derivatives=options.derivatives,
        n_subjects=options.participants,
        pipeline=options.pipeline,
        band_pass=not options.no_band_pass,
        global_signal=options.global_signal,
        quality_checked=not options.unchecked,
        url=options.url,
    ):
        _say(on_one_line(shown_path(path)))
    return SOUND


def _ica(options: argparse.Namespace) -> int:
    from neurospect.preprocess.ica_command import write_run_components
    from neurospect.preprocess.reference_template import STAND_IN

    _refuse_file(options.out)
    new = [folder for folder in (options.out, *options.out.parents) if not folder.exists()]
    settings = {name: value for name, value in vars(options).items() if name != "verb"}
    try:
        for path in write_run_components(**settings):
            _say(on_one_line(shown_path(path)))
    except BadInputError:
        with suppress(OSError):
            for folder in new:
                folder.rmdir()
        raise
    if options.template == STAND_IN:
        print(
            "The template is a stand-in of blobs, NOT NeuroMark: for trials only.", file=sys.stderr
        )
    return SOUND


def _refuse_file(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadInputError(
            folder,
            "--out",
            found="something that is no folder",
            expected="a folder, there already or new",
            remedy="Name another place; what is there stays as it is.",
        )


def _refuse_page(page: Path, chain: Chain) -> None:
    true = page.resolve()
    if page.suffix not in PAGES:
        found = f"a name that ends in {page.suffix or 'no suffix'}"
    elif any(true.is_relative_to(folder.resolve()) for folder in chain.results):
        found = "a place inside the results"
    elif page.exists() and not page.is_file():
        found = "something that is no file"
    else:
        return
    raise BadInputError(
        page,
        "--html",
        found=found,
        expected=f"a page, {' or '.join(PAGES)}, outside of the results; one there is replaced",
        remedy="Name another place; what is there stays as it is.",
    )


def _trace(figure: Path, page: Path | None) -> int:
    chain = trace(figure)
    if page:
        _refuse_page(page, chain)
    _say(chain_text(chain))
    if page:
        write_text(page, chain_html(chain))
    return SOUND


def _audit(path: Path, *, as_json: bool) -> int:
    found = examine(path)
    _say(audit_page(found).rstrip() if as_json else _examination_text(found))
    return BROKEN if found.breaks else SOUND


def _crate(options: argparse.Namespace) -> int:
    home = absolute(options.results)
    out = options.out or home.with_name(f"{home.name}.crate.zip")
    try:
        found = write_crate(
            options.results,
            out,
            figures=options.figure,
            data=not options.without_data,
            unsound=options.unsound,
        )
    except UnsoundResultsError as fault:
        _say(_examination_text(fault.found))
        print("Nothing was packed; --unsound packs it as it is, and says so.", file=sys.stderr)
        return BROKEN
    _say(_examination_text(found))
    _say(on_one_line(shown_path(absolute(out))))
    return SOUND


def _examination_text(found: Examination, most: int = 10) -> str:
    counts = (
        _count(found.records, "record"),
        _count(found.files, "file"),
        _count(len(found.breaks), "break"),
    )
    blocks = [", ".join(counts), *map(break_text, found.breaks)]
    if found.unrecorded:
        counted = _count(len(found.unrecorded), "file")
        title = f"note: {counted} that no record speaks of, so nobody has checked"
        blocks.append(_note(title, found.unrecorded, most))
    if found.left_out:
        title = f"note: {_count(len(found.left_out), 'file')} that this crate was packed without"
        blocks.append(_note(title, found.left_out, most))
    return "\n\n".join(blocks)


def _note(title: str, paths: Sequence[Path], most: int) -> str:
    names = [f"  {on_one_line(shown_path(path))}" for path in paths[:most]]
    if len(paths) > most:
        names.append(f"  and {len(paths) - most} more")
    return "\n".join([title, *names])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    sys.exit(main())
