"""What a configuration and an experiment may say, value by value; see `agreement` for the rest."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from neurospect.settings.architectures import ModelFamily
from neurospect.settings.cohort_models import (
    CohortName,
    CohortSettings,
    ComponentSettings,
    Count,
    Positive,
    Seed,
    Strict,
    TaskMapSettings,
)

Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class SplitSizes(Strict):
    """Numbers of participants."""

    training: Count = Field(description="participants for training")
    validation: Count = Field(description="participants for validation")
    test: Count = Field(description="participants for testing")


class SplitSettings(Strict):
    """Shares of the participants; families stay together."""

    training: Share = Field(default=0.8, description="share for training")
    validation: Share = Field(default=0.1, description="share for validation")
    test: Share = Field(default=0.1, description="share for testing")
    seed: Seed = Field(default=0, description="which participant goes where")
    sizes: dict[CohortName, SplitSizes] = Field(
        default={"synthetic-tasks": SplitSizes(training=3000, validation=3000, test=3000)},
        description="cohort: numbers of participants (or images) instead of shares, as in "
        "{hcp: {training: 788, validation: 92, test: 95}}",
    )
    stratify_by: dict[CohortName, list[str]] = Field(
        default={},
        description="cohort: columns of participants.tsv whose classes are balanced, as in "
        "{abide: [diagnosis, site]}; where nothing is said, the cohort's first class",
    )
    assume_unrelated: list[CohortName] = Field(
        default=[
            "mnist",
            "sinusoid",
            "synthetic-tasks",
            "block-digits",
            "simulated-rest",
            "cobre",
            "bids",
            "abide",
            "simulated-freesurfer",
            "freesurfer",
        ],
        json_schema_extra={"uniqueItems": True},
        description="cohorts whose participants count as unrelated where no family is known",
    )


def _without_needless_slashes(path: str) -> str:
    # Snakemake takes res//x and res/x for two files. What `..` means is for the file system to say.
    return str(PurePath(path))


class Config(Strict):
    """The workflow's configuration."""

    results: Annotated[str, AfterValidator(_without_needless_slashes)] = Field(
        default="results", min_length=1, description="folder for everything that is made"
    )
    experiments_folder: str = Field(
        default="config/experiments", description="folder of the experiment files"
    )
    experiments: list[Name] = Field(
        default=["mnist_mlp"],
        json_schema_extra={"uniqueItems": True},
        description="experiments to run: names of files, without .yaml",
    )
    prepare: list[CohortName] = Field(
        default=[],
        json_schema_extra={"uniqueItems": True},
        description="cohorts to prepare and to show in the report, beside those of the experiments",
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
    components: ComponentSettings = Field(
        default_factory=ComponentSettings, description="maps and time courses of 4-D runs"
    )
    task_maps: TaskMapSettings = Field(
        default_factory=TaskMapSettings, description="the array of task maps"
    )
    splits: SplitSettings = Field(
        default_factory=SplitSettings, description="training, validation and test"
    )


class GroupSettings(Strict):
    """How samples are grouped."""

    column: str = Field(description="column of participants.tsv")
    levels: list[str] = Field(
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="its values, in the order of the figures",
    )


class TrainingSettings(Strict):
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
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of products in the model; bfloat16 (mixed precision) takes half the memory "
        "between forward and backward pass, and with large volumes less time",
    )


class SpectraSettings(Strict):
    """What is recorded while a model trains."""

    every: Count = Field(default=1, description="steps between gradient spectra")
    factors_every: Count = Field(
        default=50,
        description="steps between spectra of activations and adjoints; a multiple of every",
    )
    engine: Literal["auto", "by_group", "in_pass"] = Field(
        default="auto",
        description="how a step is recorded: by_group runs it group by group; in_pass takes "
        "products beside the pass of the whole batch; auto takes what costs less",
    )
    over_ties: bool = Field(
        default=False,
        description="whether to record, at the steps of factors_every, also the gradient at each "
        "time step, token or kernel position",
    )
    leading: Count | None = Field(
        default=None,
        description="so many singular values, the largest, of weights with 512 inputs and outputs "
        "or more, with their error; null for all, exactly",
    )


class PermutationSettings(Strict):
    """The permutation test of group differences."""

    permutations: Annotated[int, Field(ge=19)] = Field(default=1000, description="relabelings")
    steps: Count = Field(default=24, description="steps tested, spread evenly on a log axis")
    blocks_per_group: Annotated[int, Field(ge=4)] = Field(
        default=12, description="blocks of samples per group whose labels are permuted"
    )
    alpha: Share = Field(default=0.05, description="family-wise error rate")
    cluster_forming_z: Positive = Field(
        default=2.0, description="smallest absolute z of a step and rank that joins a cluster"
    )
    seed: Seed = Field(default=0, description="which relabelings")
    within: list[str] = Field(
        default=[],
        json_schema_extra={"uniqueItems": True},
        description="columns of participants.tsv inside whose values labels are exchanged, as in "
        "[site]; families stay together wherever they are known",
    )
    retrainings: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="trainings under permuted labels, in place of relabelings, where labels were "
        "what the model learnt; 0 for none",
    )
    retrainings_per_job: Count = Field(default=10, description="trainings in one job")


class ArchitectureSettings(Strict):
    """What a family of models lets one choose."""

    widths: list[Count] | None = Field(
        default=None,
        min_length=1,
        description="units (or filters) of each hidden layer; null for the family's own",
    )
    activation: Literal["relu", "tanh", "sigmoid", "elu", "identity"] | None = Field(
        default=None, description="after hidden layers; null for the family's own"
    )
    architecture: dict[str, bool | int | float | list[int]] = Field(
        default={},
        description="what else the family lets one choose, as in {heads: 2} or {kernel: 5}",
    )

    @property
    def stated_architecture(self) -> dict[str, Any]:
        """Settings as `build_model` takes them, without those left to the family."""
        every = {"widths": self.widths, "activation": self.activation, **self.architecture}
        return {name: value for name, value in every.items() if value is not None}


class ModelPanel(ArchitectureSettings):
    """A panel that trains a model and shows its spectra."""

    task: Literal["autoencoding", "classification"] = Field(description="what the model learns")


class ComparisonPanel(Strict):
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


class ExperimentData(Strict):
    """What every experiment is about: its figure, and the data."""

    title: str = Field(description="what the figure shows, in a few words")
    figure: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="name of the figure, as in 1")
    cohort: CohortName = Field(description="where the data come from")
    array: Name | None = Field(
        default=None,
        description="which array of the cohort models read, as in time_courses or spatial_maps; "
        "null where there is one",
    )
    target: str = Field(description="column that classification learns")


class Experiment(ExperimentData):
    """One experiment file: a figure of a paper, or a user's own."""

    groups: GroupSettings = Field(description="groups of samples whose gradients are told apart")
    model: ModelFamily = Field(description="family of models")
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

    def architecture(self, panel: str) -> dict[str, Any]:
        """Return the settings of a panel's model, without those left to the family."""
        return self.models[panel].stated_architecture

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
