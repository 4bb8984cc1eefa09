"""The files that the typed configuration generates: commented defaults and JSON schemas."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from neurospect.arrays.atomic import write_text
from neurospect.settings.models import Config, Experiment
from neurospect.settings.saliency_models import SaliencyExperiment

HEADER = """\
# Defaults of every setting, generated from src/neurospect/settings (make generated).
# Put what you change into a file of your own and give it with --configfile: it is laid over these.
# yaml-language-server: $schema=schemas/config.schema.json
"""


def generated_files() -> dict[str, str]:
    """Return the text of each generated file by its path inside the config folder."""
    return {
        "config.yaml": HEADER + "\n".join(_commented(Config())) + "\n",
        "schemas/config.schema.json": _schema(Config),
        "schemas/experiment.schema.json": _schema(Experiment),
        "schemas/saliency.schema.json": _schema(SaliencyExperiment),
    }


def write_generated(folder: str | Path) -> None:
    """Write the generated files into the config folder."""
    for name, text in generated_files().items():
        write_text(Path(folder) / name, text)


def _schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _commented(model: BaseModel, indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), field.alias or name
        if isinstance(value, dict):
            value = model.model_dump(by_alias=True)[key]
        if not indent:
            lines.append("")
        lines += textwrap.wrap(
            field.description or "",
            width=96,
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}#   ",
        )
        if isinstance(value, BaseModel):
            lines += [f"{indent}{key}:", *_commented(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
