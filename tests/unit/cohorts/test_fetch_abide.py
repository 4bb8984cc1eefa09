"""ABIDE is fetched by nilearn, from a server that lays it out as the project published it."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from written_abide import FILES, GOOD, put_phenotypes, put_series, series

from neurospect.cli import main
from neurospect.cohorts.abide import abide_roi_cohort
from neurospect.cohorts.abide_fetch import fetch_abide
from neurospect.cohorts.abide_layout import abide_roi_files, abide_runs
from neurospect.cohorts.abide_participants import PHENOTYPES
from neurospect.errors import BadInputError


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """Serve a small tree laid out as the project published it."""
    remote = tmp_path / "remote"
    put_phenotypes(remote)
    for strategy in ("filt_noglobal", "nofilt_noglobal"):
        outputs = remote / "Outputs" / "cpac" / strategy
        for seed, name in enumerate(FILES):
            put_series(outputs / "rois_ho" / f"{name}_rois_ho.1D", series(20, seed))
            for each in ("func_preproc", "func_mask"):
                (outputs / each).mkdir(exist_ok=True)
                (outputs / each / f"{name}_{each}.nii.gz").write_bytes(name.encode())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(SimpleHTTPRequestHandler, directory=remote)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", remote
        listening.shutdown()
        thread.join()


def test_the_command_fetches_and_names_every_file(
    server: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fetch", "abide", "--out", str(tmp_path / "here"), "--url", server[0]]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"{name}_rois_ho.1D" in said for name in GOOD)
    cohort, _ = abide_roi_cohort(tmp_path / "here")
    assert cohort.participants["file_id"].to_list() == GOOD


def test_what_was_fetched_is_read_as_a_cohort(server: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = server
    files = fetch_abide(tmp_path / "here", url=url, verbose=0)
    assert [path.name for path in files] == [PHENOTYPES, *(f"{name}_rois_ho.1D" for name in GOOD)]
    assert all(path.is_file() for path in files)
    cohort, exclusions = abide_roi_cohort(tmp_path / "here")
    assert abide_roi_files(tmp_path / "here") == files
    assert cohort.participants["file_id"].to_list() == GOOD
    # whom the raters found bad was not fetched, and is named
    assert [each.participant_id for each in exclusions] == ["sub-0050002", "sub-0050030"]


def test_runs_are_fetched_for_the_first_so_many_of_all(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = server
    files = fetch_abide(
        tmp_path / "ABIDE_pcp",
        derivatives=["func_preproc", "func_mask"],
        n_subjects=2,
        band_pass=False,
        quality_checked=False,
        url=url,
        verbose=0,
    )
    assert files[1] == (
        tmp_path / "ABIDE_pcp/cpac/nofilt_noglobal/Pitt_0050003_func_preproc.nii.gz"
    )
    assert files[1].read_bytes() == b"Pitt_0050003"
    found = abide_runs(tmp_path / "ABIDE_pcp", band_pass=False)
    assert [run.participant_id for run in found.runs] == ["sub-0050003", "sub-0050030"]
    assert {run.image for run in found.runs} | {run.mask for run in found.runs} == set(files[1:])


def test_a_file_that_cannot_be_fetched_is_named_and_the_next_call_goes_on(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, remote = server
    lost = remote / "Outputs" / "cpac" / "filt_noglobal" / "rois_ho" / "NYU_0050952_rois_ho.1D"
    kept = shutil.copy(lost, tmp_path / "kept")
    lost.unlink()
    with pytest.raises(BadInputError, match=r"404 .*NYU_0050952_rois_ho\.1D"):
        fetch_abide(tmp_path / "here", url=url, verbose=0)
    first = tmp_path / "here/ABIDE_pcp/cpac/filt_noglobal" / f"{GOOD[0]}_rois_ho.1D"
    written = first.stat().st_mtime_ns
    shutil.copy(kept, lost)
    files = fetch_abide(tmp_path / "here", url=url, verbose=0)
    assert all(path.is_file() for path in files)
    assert first.stat().st_mtime_ns == written


@pytest.mark.parametrize("content", ["<html>moved</html>", "#1\t#2\n" + "1\t2\n" * 9 + "1\n"])
def test_a_damaged_series_is_named_and_fetched_anew_once_deleted(
    server: tuple[str, Path], tmp_path: Path, content: str
) -> None:
    url, remote = server
    source = remote / "Outputs" / "cpac" / "filt_noglobal" / "rois_ho" / f"{GOOD[1]}_rois_ho.1D"
    sound = source.read_text()
    source.write_text(content)
    with pytest.raises(BadInputError, match="Delete the file and fetch it again") as caught:
        fetch_abide(tmp_path / "here", url=url, verbose=0)
    damaged = Path(caught.value.where)
    assert damaged.name == source.name
    source.write_text(sound)
    damaged.unlink()
    assert damaged in fetch_abide(tmp_path / "here", url=url, verbose=0)
    assert damaged.read_text() == sound


def test_a_page_in_place_of_the_phenotypic_csv_is_named(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, remote = server
    (remote / PHENOTYPES).write_text("<html>\nmoved\n</html>\n")
    with pytest.raises(BadInputError, match="Delete the phenotypic CSV and fetch it") as caught:
        fetch_abide(tmp_path / "here", url=url, verbose=0)
    assert caught.value.where == str(tmp_path / "here" / "ABIDE_pcp" / PHENOTYPES)


def test_a_server_that_does_not_answer_and_wrong_names_are_refused(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = server
    with pytest.raises(BadInputError, match="fetching rois_ho of ABIDE: found ConnectionError"):
        fetch_abide(tmp_path / "here", url="http://127.0.0.1:9", verbose=0)
    assert list((tmp_path / "here/ABIDE_pcp").iterdir()) == [], "nilearn leaves an empty folder"
    with pytest.raises(BadInputError, match=r"found 'rois_xyz', expected some of .*rois_ho"):
        fetch_abide(tmp_path / "there", derivatives=["rois_ho", "rois_xyz"], url=url, verbose=0)
    assert not (tmp_path / "there").exists()
    with pytest.raises(BadInputError, match="derivatives: found 'rois_ho', expected a list"):
        fetch_abide(tmp_path / "here", derivatives="rois_ho", url=url)
    with pytest.raises(BadInputError, match="n_subjects: found 0"):
        fetch_abide(tmp_path / "here", n_subjects=0, url=url)
    with pytest.raises(BadInputError, match="pipeline: found 'css'"):
        fetch_abide(tmp_path / "here", pipeline="css", url=url)  # type: ignore[arg-type]
