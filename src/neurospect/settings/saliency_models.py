"""What a saliency experiment may say, value by value; see `saliency_agreement` for the rest."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field

from neurospect.settings.architectures import ModelFamily
from neurospect.settings.cohort_models import Count, Positive, Seed, Strict
from neurospect.settings.models import (
    ArchitectureSettings,
    Experiment,
    ExperimentData,
    Name,
    TrainingSettings,
)

Fraction = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
MapMethod = Literal[
    "gradient",
    "gradient_x_input",
    "smoothgrad",
    "integrated_gradients",
    "weights",
    "haufe_pattern",
]
WayOfTraining = Literal["plain", "random_noise", "pgd", "algorithm1"]
# Of linear decoders only: the same map for every example.
LINEAR_METHODS: tuple[MapMethod, ...] = ("weights", "haufe_pattern")
# What each way of training takes, the radius of its noise first.
TRAINING_OPTIONS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "random_noise": ("epsilon",),
    "pgd": ("epsilon", "steps", "step_size"),
    "algorithm1": ("epsilon", "hops", "one_pass"),
}


class DecoderSettings(ArchitectureSettings):
    """A model that tells the classes apart, and how it is trained against noise."""

    model: ModelFamily = Field(description="family of models")
    initial_weights: Literal["pytorch", "glorot"] = Field(
        default="pytorch",
        description="PyTorch's, or Glorot's uniform ones with biases of zero (the paper's code)",
    )
    training: WayOfTraining = Field(
        default="plain",
        description="on the examples as they are; with random noise; on adversarial examples "
        "(pgd); or by algorithm 1 of the paper",
    )
    epsilon: Positive | None = Field(
        default=None,
        description="radius of the noise, a length in the whole input (L2): with the number of "
        "voxels of a mask or crop it grows as the square root",
    )
    steps: Count | None = Field(default=None, description="of pgd in each update; null for 3")
    step_size: Positive | None = Field(
        default=None, description="of pgd, in units of the input; null for half of epsilon"
    )
    hops: Count | None = Field(
        default=None, description="updates of algorithm1 with each mini-batch; null for 4"
    )
    one_pass: bool | None = Field(
        default=None,
        description="whether algorithm1 moves its noise in the pass of the update itself; null "
        "for no, as printed",
    )
    maps: list[MapMethod] | None = Field(
        default=None,
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="which of the experiment's maps are made of it; null for all that it has",
    )

    @property
    def training_options(self) -> dict[str, Any]:
        """Options of the way of training, without those left to it."""
        stated = {name: getattr(self, name) for name in TRAINING_OPTIONS[self.training]}
        return {name: value for name, value in stated.items() if value is not None}


class DecoderTrainingSettings(TrainingSettings):
    """How decoders are trained, with Adam."""

    weight_penalty: NotNegative = Field(
        default=0.0, description="times the sum of squared weights, is added to the loss"
    )
    micro_batch_size: Count | None = Field(
        default=None,
        description="samples of a step that go through the model at once: their gradients are "
        "accumulated until all samples have, which takes less memory; null for all",
    )


class NoOptions(Strict):
    """A method without options: {}."""


class SmoothgradOptions(Strict):
    """Mean gradient over noisy inputs."""

    samples: Count = Field(default=25, description="noisy inputs per example")
    standard_deviation: Positive = Field(
        default=0.3, description="of the noise, in units of the input; the paper: 2 on HCP"
    )
    seed: Seed = Field(default=0, description="of the noise")


class IntegratedGradientsOptions(Strict):
    """Gradient integrated from a baseline to the input."""

    steps: Count = Field(default=50, description="points of the quadrature")
    baseline: float = Field(default=0.0, description="one value for the whole input")


class MapSettings(Strict):
    """Which maps are made: a method, and its options; null for none of that kind."""

    gradient: NoOptions | None = Field(
        default=None, description="of the class's probability by the input"
    )
    gradient_x_input: NoOptions | None = Field(
        default=None, description="the gradient times the input"
    )
    smoothgrad: SmoothgradOptions | None = Field(
        default=None, description="the mean gradient over noisy inputs"
    )
    integrated_gradients: IntegratedGradientsOptions | None = Field(
        default=None, description="the gradient from a baseline to the input"
    )
    weights: NoOptions | None = Field(
        default=None, description="of linear decoders: the same for every example"
    )
    haufe_pattern: NoOptions | None = Field(
        default=None, description="activation patterns of linear decoders (Haufe et al., 2014)"
    )

    @property
    def options(self) -> dict[MapMethod, dict[str, Any]]:
        """Options by method, of those that are made."""
        return cast(dict[MapMethod, dict[str, Any]], self.model_dump(exclude_none=True))


class CriteriaSettings(Strict):
    """What maps are held against."""

    templates: Literal["all", "subject"] = Field(
        default="all",
        description="all: mean inputs of the classes over the test split; subject: each test "
        "participant's own mean inputs, where participants have examples of several classes",
    )
    temperature: Positive | None = Field(
        default=None,
        description="that logits are divided by; null for the one fitted on the validation split",
    )
    temperatures: list[Positive] = Field(
        default=[0.25, 0.5, 1.0, 2.0, 4.0, 10.0],
        json_schema_extra={"uniqueItems": True},
        description="over which the criteria of the gradient are reported, too",
    )
    gradient_of: Literal["probability", "log_odds"] = Field(
        default="probability",
        description="what is differentiated: a class's probability; or its log odds, whose "
        "gradients point the same way and do not vanish where a model is very sure",
    )
    mask: str | None = Field(
        default=None,
        description="where maps are compared: a 3-D NIfTI on the grid of the cohort, or .npy of "
        "an example's shape; null for the cohort's own mask, or everywhere",
    )


class RegularisationSettings(Strict):
    """A sweep over weight penalties: every decoder, trained with each."""

    penalties: list[NotNegative] = Field(
        default=[],
        json_schema_extra={"uniqueItems": True},
        description="weight penalties; none for no sweep",
    )
    learning_rate: Positive | None = Field(
        default=None, description="of the sweep; null for that of training"
    )


class SanitySettings(Strict):
    """Maps of models that learned nothing, compared with those that were made."""

    examples: Count = Field(default=50, description="test examples whose maps are compared")
    labels: bool = Field(
        default=True, description="whether to train on shuffled labels, too (as long as training)"
    )
    seed: Seed = Field(default=0, description="of the shuffling")


class RemovalSettings(Strict):
    """Salient values removed, and decoders trained again on what is left."""

    fractions: list[Fraction] = Field(
        default=[0.1, 0.3, 0.5, 0.7, 0.9],
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="shares of the values; three trainings each",
    )
    method: Literal["gradient", "gradient_x_input", "smoothgrad", "integrated_gradients"] = Field(
        default="gradient", description="one of the experiment's maps, by whose size values rank"
    )
    seed: Seed = Field(default=0, description="of the removal at random")


class SignificanceSettings(Strict):
    """Mean maps against their templates, tested with maps of random phases."""

    surrogates: Annotated[int, Field(ge=19)] = Field(default=1000, description="random maps")
    seed: Seed = Field(default=0, description="of their phases")


class SaliencyExperiment(ExperimentData):
    """One experiment file with decoders, whose saliency maps are made and judged."""

    decoders: dict[Name, DecoderSettings] = Field(
        min_length=1, description="one entry a decoder, in the order of the figures"
    )
    training: DecoderTrainingSettings = Field(
        default_factory=DecoderTrainingSettings, description="how decoders are trained"
    )
    maps: MapSettings = Field(
        default_factory=lambda: MapSettings(gradient=NoOptions()), description="which maps are made"
    )
    criteria: CriteriaSettings = Field(
        default_factory=CriteriaSettings, description="what they are held against"
    )
    baselines: bool = Field(
        default=True,
        description="whether to score a support vector machine and the nearest mean, too",
    )
    regularisation: RegularisationSettings = Field(
        default_factory=RegularisationSettings, description="a sweep over weight penalties"
    )
    sanity_checks: SanitySettings | None = Field(
        default=None, description="comparison with models that learned nothing; null for none"
    )
    removal: RemovalSettings | None = Field(
        default=None, description="remove, or keep, and retrain; null for none"
    )
    significance: SignificanceSettings | None = Field(
        default=None, description="test of the mean maps; null for none"
    )

    @property
    def penalised(self) -> dict[str, tuple[str, float]]:
        """Decoders of the sweep by name: of which decoder, and with which weight penalty."""
        return {
            f"{decoder}-penalty-{_named(penalty)}": (decoder, penalty)
            for penalty in self.regularisation.penalties
            for decoder in self.decoders
        }

    def trained(self, name: str) -> dict[str, Any]:
        """Say what the decoder of a name is, of the experiment itself or of its sweep."""
        decoder, penalty = self.penalised.get(name, (name, self.training.weight_penalty))
        own = self.decoders[decoder]
        return {
            "family": own.model,
            "architecture": own.stated_architecture,
            "initial_weights": own.initial_weights,
            "training": own.training,
            "options": own.training_options,
            "weight_penalty": penalty,
        }

    def learning_rate(self, name: str) -> float:
        """Learning rate of a decoder, of the experiment itself or of its sweep."""
        of_sweep = self.regularisation.learning_rate if name in self.penalised else None
        return of_sweep or self.training.learning_rate

    def maps_of(self, decoder: str) -> dict[MapMethod, dict[str, Any]]:
        """Methods of which a decoder has maps, with their options."""
        own = self.decoders[self.penalised.get(decoder, (decoder, 0.0))[0]]
        return {
            method: options
            for method, options in self.maps.options.items()
            if (own.maps is None or method in own.maps)
            and (own.model == "linear" or method not in LINEAR_METHODS)
        }


def _named(penalty: float) -> str:
    """Write a penalty as short as tells it from every other one."""
    short = f"{penalty:g}"
    return short if float(short) == penalty else repr(penalty)


def is_saliency_experiment(content: Any) -> bool:
    """Tell a saliency experiment by the keys that no other experiment has."""
    own = SaliencyExperiment.model_fields.keys() - Experiment.model_fields.keys()
    return isinstance(content, dict) and "panels" not in content and not own.isdisjoint(content)
