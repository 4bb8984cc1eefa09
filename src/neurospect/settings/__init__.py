"""The typed configuration: one source for the default config, its schema and every check."""

from neurospect.settings.checking import Settings, check_settings
from neurospect.settings.models import ComparisonPanel, Config, Experiment, ModelPanel
from neurospect.settings.saliency_models import SaliencyExperiment

__all__ = [
    "ComparisonPanel",
    "Config",
    "Experiment",
    "ModelPanel",
    "SaliencyExperiment",
    "Settings",
    "check_settings",
]
