"""What a crate holds beside results, records and code: for people, for BIDS, for the doubtful."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from neurospect.provenance.audit import Examination
from neurospect.provenance.breaks import break_json, for_terminal, on_one_line, shown_path
from neurospect.provenance.crate_content import CrateContent, version_of

DESCRIPTION = "dataset_description.json"


def audit_page(found: Examination) -> str:
    """Write what an audit found as JSON."""
    content = {
        "records": found.records,
        "files": found.files,
        "breaks": [break_json(each) for each in found.breaks],
        "unrecorded": [shown_path(path) for path in found.unrecorded],
        "left_out": [shown_path(path) for path in found.left_out],
    }
    return json.dumps(content, indent=2) + "\n"


def is_derivative(description: Any) -> bool:
    """Whether this describes a derivative as BIDS wants it."""
    keys = ("Name", "BIDSVersion", "License")
    return (
        isinstance(description, dict)
        and description.get("DatasetType") == "derivative"
        and all(isinstance(description.get(key), str) for key in keys)
    )


def description_page(content: CrateContent, descriptions: Iterable[Mapping[str, Any]]) -> str:
    """Write the crate's description as a BIDS derivative, from those of the cohorts in it."""
    every = list(descriptions)
    sources = [each for one in every for each in one.get("SourceDatasets", [])]
    generated = [
        {"Name": "neurospect", "Version": version_of(content, "neurospect")},
        {"Name": "Snakemake", "Version": version_of(content, "snakemake")},
    ]
    description = {
        "Name": content.name,
        "BIDSVersion": max(one["BIDSVersion"] for one in every),
        "DatasetType": "derivative",
        "GeneratedBy": generated,
        "SourceDatasets": [each for at, each in enumerate(sources) if each not in sources[:at]],
        "License": content.license,
    }
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


def licenses(descriptions: Iterable[Mapping[str, Any]]) -> str:
    """Licences of the data that the results were made from."""
    return ", ".join(dict.fromkeys(one["License"] for one in descriptions)) or "not stated"


def readme_page(content: CrateContent) -> str:
    """Write what the crate is and how to look into it."""
    rules = ", ".join(dict.fromkeys(job.record.rule for job in content.jobs))
    broken = "\n".join(f"- {line}" for line in content.breaks)
    state = (
        f"**These results are not sound.** When they were packed, an audit found:\n\n{broken}\n"
        if content.breaks
        else "When these results were packed, an audit found no break from raw files to figures.\n"
    )
    return for_terminal(f"""\
# {on_one_line(content.name)}

{state}
`ro-crate-metadata.json` says which job made which file from which (Provenance Run Crate 0.5).
It holds {len(content.jobs)} jobs of these steps: {rules}.
Raw files are named there by their sha256; they are not in here. `audit.json` holds the audit.
Beside every result lies the record of its job, so `neurospect trace FIGURE` works in here.
""")
