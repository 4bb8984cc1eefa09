"""Check a configuration and its experiments: all faults at once, before any job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurospect.errors import BadInputError, BadInputsError
from neurospect.settings.agreement import faults_of_config, faults_of_experiment
from neurospect.settings.cohort_agreement import CohortKind, faults_of_cohort, kind_of_cohort
from neurospect.settings.command_line import with_numbers_of_command_line
from neurospect.settings.faults import did_you_mean, faults_of_values
from neurospect.settings.layers import Layer, Stated, config_layers, laid_over, read_yaml
from neurospect.settings.models import (
    Config,
    Experiment,
    PermutationSettings,
    SpectraSettings,
    TrainingSettings,
)
from neurospect.settings.saliency_agreement import faults_of_saliency
from neurospect.settings.saliency_models import (
    CriteriaSettings,
    DecoderTrainingSettings,
    RegularisationSettings,
    SaliencyExperiment,
    is_saliency_experiment,
)

SPECTRA_DEFAULTS = {
    "training": TrainingSettings().model_dump(),
    "spectra": SpectraSettings().model_dump(),
    "permutation": PermutationSettings().model_dump(),
}
SALIENCY_DEFAULTS = {
    "training": DecoderTrainingSettings().model_dump(),
    "criteria": CriteriaSettings().model_dump(),
    "regularisation": RegularisationSettings().model_dump(),
}


@dataclass(frozen=True)
class Settings:
    """A checked configuration with the experiments it names: of spectra, and of saliency."""

    config: Config
    experiments: dict[str, Experiment]
    saliency: dict[str, SaliencyExperiment]

    @property
    def cohorts(self) -> dict[str, CohortKind]:
        """Cohorts that are used, each with what it is prepared from."""
        every = (*self.experiments.values(), *self.saliency.values())
        used = [*(each.cohort for each in every), *self.config.prepare]
        source = self.config.cohorts.abide.source
        return {cohort: kind_of_cohort(cohort, source) for cohort in used}


def check_settings(raw: Mapping[str, Any], files: Sequence[str | Path] = ()) -> Settings:
    """Turn a configuration into typed settings.

    Parameters
    ----------
    raw
        The configuration, as read from YAML.
    files
        Where it came from, in any order; used to say which file is at fault.

    Raises
    ------
    BadInputsError
        Naming every fault of the configuration and of each experiment's file.
    """
    layers = config_layers(raw, files)
    config = Stated(laid_over(Config().model_dump(by_alias=True), raw), layers)
    config = with_numbers_of_command_line(config, Config)
    faults = [*faults_of_values(config, Config), *faults_of_config(config)]
    experiments: dict[str, Stated] = {}
    for name in _named_experiments(config):
        try:
            experiments[name] = _experiment(config, name)
        except BadInputError as fault:
            faults.append(fault)
    saliency = {name for name, own in experiments.items() if is_saliency_experiment(own.values)}
    for name in experiments:
        kind = SaliencyExperiment if name in saliency else Experiment
        agreement = faults_of_saliency if name in saliency else faults_of_experiment
        experiments[name] = with_numbers_of_command_line(experiments[name], kind)
        faults += faults_of_values(experiments[name], kind)
        faults += agreement(experiments[name], config)
    for cohort in _cohorts_used(config, experiments.values()):
        faults += faults_of_cohort(config, cohort)
    if faults:
        raise BadInputsError(faults)
    return Settings(
        Config.model_validate(config.values),
        {
            name: Experiment.model_validate(stated.values)
            for name, stated in experiments.items()
            if name not in saliency
        },
        {
            name: SaliencyExperiment.model_validate(stated.values)
            for name, stated in experiments.items()
            if name in saliency
        },
    )


def _named_experiments(config: Stated) -> list[str]:
    if not config.sound(("experiments_folder",)) or ("experiments",) in config.faulty:
        return []
    names = config["experiments",]
    return [
        name
        for position, name in enumerate(names)
        if config.sound(("experiments", position)) and name not in names[:position]
    ]


def _cohorts_used(config: Stated, experiments: Iterable[Stated]) -> list[str]:
    used = [each["cohort",] for each in experiments if each.sound(("cohort",))]
    if config.sound(("prepare",)):
        used += config["prepare",]
    return list(dict.fromkeys(used))


def _experiment(config: Stated, name: str) -> Stated:
    folder = Path(config["experiments_folder",])
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        position = config["experiments",].index(name)
        raise config.fault(
            ("experiments", position),
            found=f"{name}, without a file {file}",
            expected=f"one of {', '.join(known) or 'the files there (none yet)'}",
            remedy=did_you_mean(name, known) or "Add the file, or mend the name.",
        )
    layers = [Layer(str(file), read_yaml(file))]
    for layer in config.layers:
        override = _override(layer.content, name)
        if override:
            layers.append(Layer(layer.file, override, ("overrides", name)))
    stated = laid_over(layers[0].content, _override(config.values, name))
    defaults = SALIENCY_DEFAULTS if is_saliency_experiment(stated) else SPECTRA_DEFAULTS
    return Stated(laid_over(defaults, stated), layers)


def _override(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    overrides = content.get("overrides")
    override = overrides.get(name) if isinstance(overrides, Mapping) else None
    return override if isinstance(override, Mapping) else {}
