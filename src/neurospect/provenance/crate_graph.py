"""The graph of a crate: files, jobs and parameters as JSON-LD.

It follows RO-Crate 1.1 and the profiles Process Run, Workflow Run and Provenance Run Crate 0.5 and
Workflow RO-Crate 1.0. Its context is spelt out, so that it can be read without a network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from neurospect.provenance.archive import is_figure
from neurospect.provenance.content import Json, canonical_json, value_sha256
from neurospect.provenance.crate_content import (
    CrateContent,
    CrateFile,
    CrateJob,
    crate_files,
    version_of,
)

Entity: TypeAlias = dict[str, Any]

_WFRUN = "https://w3id.org/ro/terms/workflow-run#"
_BIOSCHEMAS = "https://bioschemas.org/"
_SCHEMA_TERMS = (
    *("CreativeWork", "Dataset", "SoftwareSourceCode", "SoftwareApplication", "ComputerLanguage"),
    *("HowTo", "HowToStep", "PropertyValue", "CreateAction", "ControlAction", "OrganizeAction"),
    *("about", "actionStatus", "additionalType", "alternateName", "contentSize"),
    *("creativeWorkStatus", "datePublished", "description", "encodingFormat", "endTime"),
    *("exampleOfWork", "hasPart", "identifier", "instrument", "license", "mainEntity", "mentions"),
    *("name", "object", "position", "programmingLanguage", "result", "softwareVersion"),
    *("startTime", "step", "subjectOf", "url", "value", "version", "workExample"),
)
CONTEXT: dict[str, str] = {
    **{term: f"http://schema.org/{term}" for term in _SCHEMA_TERMS},
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": f"{_BIOSCHEMAS}ComputationalWorkflow",
    "FormalParameter": f"{_BIOSCHEMAS}FormalParameter",
    "input": f"{_BIOSCHEMAS}ComputationalWorkflow#input",
    "output": f"{_BIOSCHEMAS}ComputationalWorkflow#output",
    "buildInstructions": "https://codemeta.github.io/terms/buildInstructions",
    "environment": f"{_WFRUN}environment",
    "sha256": f"{_WFRUN}sha256",
}
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
_COMPLETED = "http://schema.org/CompletedActionStatus"
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".nc": "application/x-netcdf",
    ".gz": "application/gzip",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".smk": "text/plain",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
_BYTES = "application/octet-stream"
_POSITION = re.compile(r"\.\d+$")


def crate_json(content: CrateContent) -> str:
    """Write the graph of a crate, ``ro-crate-metadata.json``."""
    graph = list(_entities(content).values())
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"


def _entities(content: CrateContent) -> dict[str, Entity]:
    """Entities by id; an entity that several jobs tell of is there once."""
    files = {key: _file(file) for key, file in crate_files(content).items()}
    entities = {each["@id"]: each for each in _top(content, list(files))}
    entities |= files
    rules = list(dict.fromkeys(job.record.rule for job in content.jobs))
    for each in (*_workflow(content, rules), *_steps(content, rules), *_tools(content)):
        entities[each["@id"]] = {**entities.get(each["@id"], {}), **each}
    for job in content.jobs:
        entities |= {each["@id"]: each for each in (_action(job), *_values(job))}
    for key, parameters in _examples(content).items():
        entities[key]["exampleOfWork"] = _references(parameters)
    return entities


def _top(content: CrateContent, files: list[str]) -> Iterator[Entity]:
    """Yield the crate itself, its description, and the profiles that it keeps to."""
    yield {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _references(["https://w3id.org/ro/crate/1.1", _WORKFLOW_CRATE]),
    }
    unsound = "; ".join(content.breaks)
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": content.name,
        "description": "Results of neurospect, the jobs that made them, and what each was made "
        + ("from. " + (f"NOT SOUND: {unsound}." if unsound else "An audit found no break.")),
        "creativeWorkStatus": "Unsound" if unsound else "Sound",
        "datePublished": max(job.record.run.ended for job in content.jobs),
        "license": content.license,
        "conformsTo": _references(_PROFILES),
        "hasPart": _references(files),
        "mainEntity": {"@id": content.workflow.id},
        "mentions": _references(["#organize", "#run", *map(_action_id, content.jobs)]),
    }
    for key, (name, version) in _PROFILES.items():
        yield {"@id": key, "@type": "CreativeWork", "name": name, "version": version}


def _workflow(content: CrateContent, rules: list[str]) -> Iterator[Entity]:
    """Yield the workflow, its language and its engine, and its run as a whole."""
    runs = [job.record.run for job in content.jobs]
    times = {"startTime": min(r.started for r in runs), "endTime": max(r.ended for r in runs)}
    home = content.workflow.id
    yield {
        "@id": home,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "neurospect",
        "version": version_of(content, "neurospect"),
        "conformsTo": {"@id": f"{_BIOSCHEMAS}profiles/ComputationalWorkflow/1.0-RELEASE"},
        "programmingLanguage": {"@id": _SNAKEMAKE},
        "hasPart": _references(dict.fromkeys(map(_tool_id, content.jobs))),
        "step": _references(f"{home}#{rule}" for rule in rules),
        "input": {"@id": f"{home}#input/raw"},
        "output": {"@id": f"{home}#output/results"},
    }
    yield _formal(f"{home}#input/raw", "raw", "File")
    yield _formal(f"{home}#output/results", "results", "File")
    snakemake = version_of(content, "snakemake")
    about = {"name": "Snakemake", "url": "https://snakemake.readthedocs.io"}
    yield {"@id": _SNAKEMAKE, "@type": "ComputerLanguage", **about, "version": snakemake}
    engine = {"@id": "#snakemake", "@type": "SoftwareApplication", **about}
    yield {**engine, "softwareVersion": snakemake}
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "Run of the workflow",
        "description": "Every job from raw files to results, also where they ran on several days.",
        "instrument": {"@id": home},
        "object": _references(_raw(content)),
        "result": _references(_results(content)),
        **times,
        "actionStatus": _COMPLETED,
    }
    yield {
        "@id": "#organize",
        "@type": "OrganizeAction",
        "name": "Snakemake running the steps",
        "instrument": {"@id": "#snakemake"},
        "object": _references(f"#control/{rule}" for rule in rules),
        "result": {"@id": "#run"},
        **times,
        "actionStatus": _COMPLETED,
    }


def _steps(content: CrateContent, rules: list[str]) -> Iterator[Entity]:
    for position, rule in enumerate(rules, start=1):
        jobs = [job for job in content.jobs if job.record.rule == rule]
        step = {
            "@id": f"{content.workflow.id}#{rule}",
            "@type": "HowToStep",
            "name": rule,
            "position": position,
            "workExample": _references(dict.fromkeys(map(_tool_id, jobs))),
        }
        pins = dict.fromkeys(job.environment for job in jobs if job.environment)
        yield {**step, "buildInstructions": _references(pins)} if pins else step
        yield {
            "@id": f"#control/{rule}",
            "@type": "ControlAction",
            "name": f"Jobs of {rule}",
            "instrument": {"@id": step["@id"]},
            "object": _references(map(_action_id, jobs)),
            "actionStatus": _COMPLETED,
        }


def _tools(content: CrateContent) -> Iterator[Entity]:
    """Yield scripts, and the parameters by which jobs give them files and values."""
    latest = {_tool_id(job): job for job in content.jobs}
    slots: dict[str, dict[str, dict[str, set[str]]]] = {
        tool: {"input": {}, "output": {}} for tool in latest
    }
    for job in content.jobs:
        tool = _tool_id(job)
        for slot, value in _given(job).items():
            slots[tool]["input"].setdefault(slot, set()).add(_kind(value))
        slots[tool]["input"] |= {_slot(job, file.name): {"File"} for file, _ in job.inputs}
        slots[tool]["output"] |= {_slot(job, file.name, True): {"File"} for file, _ in job.outputs}
    for tool, job in latest.items():
        used = slots[tool]
        yield {
            "@id": tool,
            "@type": ["File", "SoftwareApplication"] if job.script else "SoftwareApplication",
            "name": Path(job.record.script).name,
            # Of the script and of every module of the library that it reaches.
            "version": job.record.code,
            **{way: _references(names) for way, names in used.items() if names},
        }
        for slot, kinds in (*used["input"].items(), *used["output"].items()):
            kind = next(iter(kinds)) if len(kinds) == 1 else "PropertyValue"
            yield _formal(slot, slot.rpartition("/")[2], kind)


def _action(job: CrateJob) -> Entity:
    record = job.record
    wildcards = ", ".join(f"{name} {value}" for name, value in record.wildcards.items())
    given = [each["@id"] for each in _values(job)]
    action: Entity = {
        "@id": _action_id(job),
        "@type": "CreateAction",
        "name": f"{record.rule}: {wildcards}" if wildcards else record.rule,
        "description": f"Job of recipe {record.recipe}.",
        "identifier": record.recipe,
        "instrument": {"@id": _tool_id(job)},
        "startTime": record.run.started,
        "endTime": record.run.ended,
        "actionStatus": _COMPLETED,
        "subjectOf": {"@id": job.file.id},
    }
    read = dict.fromkeys([*(file.id for _, file in job.inputs), *given])
    parts = {"object": read, "result": dict.fromkeys(file.id for _, file in job.outputs)}
    return action | {name: _references(ids) for name, ids in parts.items() if ids}


def _values(job: CrateJob) -> Iterator[Entity]:
    """Yield params and wildcards; equal ones that go to the same script are one entity."""
    for slot, value in _given(job).items():
        plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        yield {
            "@id": f"#value/{value_sha256([slot, value])[:32]}",
            "@type": "PropertyValue",
            "name": slot.rpartition("/")[2],
            "value": value if plain else canonical_json(value),
            "exampleOfWork": {"@id": slot},
        }


def _examples(content: CrateContent) -> dict[str, list[str]]:
    """Parameters that each file was given for, by file."""
    home = content.workflow.id
    examples: dict[str, dict[str, None]] = {}
    for key in _raw(content):
        examples.setdefault(key, {})[f"{home}#input/raw"] = None
    for key in _results(content):
        examples.setdefault(key, {})[f"{home}#output/results"] = None
    for job in content.jobs:
        for read, file in job.inputs:
            examples.setdefault(file.id, {})[_slot(job, read.name)] = None
        for made, file in job.outputs:
            examples.setdefault(file.id, {})[_slot(job, made.name, True)] = None
    return {key: list(parameters) for key, parameters in examples.items()}


def _raw(content: CrateContent) -> list[str]:
    made = {file.id for job in content.jobs for _, file in job.outputs}
    read = (file.id for job in content.jobs for _, file in job.inputs)
    return [key for key in dict.fromkeys(read) if key not in made]


def _results(content: CrateContent) -> list[str]:
    """Figures, and whatever else no job reads."""
    read = {file.id for job in content.jobs for _, file in job.inputs}
    made = (file for job in content.jobs for _, file in job.outputs)
    ends = (file.id for file in made if file.id not in read or is_figure(file.name))
    return list(dict.fromkeys(ends))


def _given(job: CrateJob) -> dict[str, Json]:
    """Params and wildcards, by the id of the parameter that they are values of."""
    given = {**job.record.params, **job.record.wildcards}
    return {f"{_tool_id(job)}#param/{name}": value for name, value in given.items()}


def _slot(job: CrateJob, name: str, made: bool = False) -> str:
    # The files of a named list, name.0, name.1 and so on, are values of one parameter.
    return f"{_tool_id(job)}#{'output' if made else 'input'}/{_POSITION.sub('', name)}"


def _tool_id(job: CrateJob) -> str:
    return job.script.id if job.script else f"#{job.record.script}"


def _action_id(job: CrateJob) -> str:
    return f"#job/{job.file.id}"


def _formal(key: str, name: str, kind: str) -> Entity:
    return {"@id": key, "@type": "FormalParameter", "name": name, "additionalType": kind}


def _kind(value: Json) -> str:
    """Type of a parameter, in the words of schema.org."""
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        return "PropertyValue"
    return {int: "Integer", float: "Float"}.get(type(value), "Text")


def _file(file: CrateFile) -> Entity:
    entity: Entity = {"@id": file.id, "@type": "File", "name": file.name}
    if file.note:
        entity["description"] = file.note
    entity["encodingFormat"] = _FORMATS.get(Path(file.name).suffix, _BYTES)
    if file.name == "README.md":
        entity["about"] = {"@id": "./"}
    return {**entity, "contentSize": str(file.size), "sha256": file.sha256}


def _references(ids: Iterable[str]) -> Any:
    """Refer to entities; one alone stands without a list, as RO-Crate wants it."""
    references = [{"@id": key} for key in ids]
    return references[0] if len(references) == 1 else references
