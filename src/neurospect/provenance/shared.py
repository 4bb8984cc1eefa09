"""Results that projects share: what Snakemake's between-workflow cache has to be told.

The cache knows the results of a job by its script, its params, the bytes of its raw inputs, in no
order, and the jobs before it. It leaves out the wildcards, the names of files, and which of the
raw files holds which bytes: two participants whose images were swapped would share results with
what they were before. A param of every shared rule tells it.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterable
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.content import Json, file_sha256

PARAM = "shared_as"
"""The param's name; as it speaks of paths, it is no part of a job's recipe."""
FOLDER_VARIABLE = "SNAKEMAKE_OUTPUT_CACHE"


class SharedAs(dict[str, Json]):
    """Where the results of a job lie, and which raw file holds which bytes.

    Raw files are read when the value is written as JSON, as the cache does to make its key, and at
    no other time. To Snakemake's question what is stale, the value always looks the same: raw files
    are inputs, and judged as such.

    Parameters
    ----------
    record
        Path of the job's record, from the working directory.
    raw
        Paths of its raw inputs, in their order. One that is not there has no bytes.
    """

    def __init__(self, record: str, raw: Iterable[str]) -> None:
        super().__init__(record=record, raw=list(raw))

    def items(self) -> ItemsView[str, Json]:  # type: ignore[override]
        """Content with the sha256 of each raw file."""
        files = [Path(str(path)) for path in self["raw"]]  # type: ignore[union-attr]
        held: list[Json] = [
            [path.as_posix(), file_sha256(path) if path.is_file() else None] for path in files
        ]
        return {"raw": held, "record": self["record"]}.items()

    def __repr__(self) -> str:
        return "SharedAs()"

    def __reduce__(self) -> tuple[type[dict[str, Json]], tuple[()]]:
        # Snakemake hands params to a job by pickle: a job does not need it.
        return dict, ()


def check_shared_folder() -> Path:
    """Check the folder of shared results that the environment names.

    Raises
    ------
    BadInputError
        None is named, it is not a whole path, no folder, or cannot be written.
    """
    given = os.environ.get(FOLDER_VARIABLE, "")
    folder = Path(given)
    if not given:
        found = "nothing"
    elif not folder.is_absolute():
        found = f"{given}, a path that starts in the working directory"
    elif not folder.is_dir():
        found = f"{given}, which is no folder"
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        found = f"{given}, which you may not read and write"
    else:
        return folder
    raise BadInputError(
        "environment",
        FOLDER_VARIABLE,
        found=found,
        expected="the whole path of a folder that you may read and write",
        remedy=f"mkdir -p /shared/folder; export {FOLDER_VARIABLE}=/shared/folder. Or leave out "
        "--cache.",
    )
