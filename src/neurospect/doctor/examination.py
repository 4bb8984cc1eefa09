"""Every check, one after the other; none of them stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from neurospect.doctor import computing, inputs, installation, slurm, storage
from neurospect.doctor.findings import Finding, fault, faults_of, ok
from neurospect.doctor.profiles import Profile, find_profile, read_profile
from neurospect.errors import BadInputError, BadInputsError
from neurospect.settings import Config, Settings


def examine_setup(
    configfiles: Sequence[Path] = (), profile_folder: Path | None = None
) -> list[Finding]:
    """Check what can be checked before work starts; no job is started, nothing is left behind.

    Parameters
    ----------
    configfiles
        Laid over `config/config.yaml`, the later over the earlier, as Snakemake does.
    profile_folder
        Folder of a workflow profile; None for the default one.

    Returns
    -------
    list of Finding
        In the order of the checks.

    Raises
    ------
    BadInputError
        If a file or a folder that was named is not there.
    """
    for file in configfiles:
        if not file.is_file():
            raise BadInputError(
                file,
                "configuration",
                found="no such file",
                expected="a YAML file",
                remedy="Correct the path; it starts from the working directory.",
            )
    find_profile(profile_folder)
    profiles: list[Profile] = []
    findings = _guarded("profile", _profile, profile_folder, profiles)
    profile = profiles[0] if profiles else Profile()
    root = installation.checkout()
    findings += [
        *_guarded("Python", installation.python_version),
        *_guarded("packages", installation.locked_packages, root),
        *_guarded("Snakemake", installation.snakemake_versions, profile),
        *_guarded("code", installation.state_of_checkout, root),
    ]
    settings: list[Settings] = []
    findings += _guarded("configuration", _configuration, configfiles, settings)
    config = settings[0].config if settings else Config()
    for sound in settings:
        findings += _guarded("template", inputs.template, sound)
    findings += _guarded("results", storage.folders, Path(config.results))
    findings += _guarded("shared results", storage.shared_folder)
    findings += _guarded("clock", inputs.clock, Path(config.results))
    return findings + _of_machines(profile, config)


def _profile(folder: Path | None, profiles: list[Profile]) -> Iterable[Finding]:
    """Keep the profile where it can be read; nothing else is said of it."""
    profiles.append(read_profile(folder))
    return ()


def _configuration(configfiles: Sequence[Path], settings: list[Settings]) -> Iterable[Finding]:
    """Keep the settings where they are sound."""
    settings.append(inputs.read_settings(configfiles))
    return inputs.configuration(settings[0])


def _of_machines(profile: Profile, config: Config) -> list[Finding]:
    """Check what jobs will run on: this machine, or a cluster."""
    if profile.executor == "slurm":
        return [
            *_guarded("GPU of jobs", computing.gpus_of_jobs, config.device, profile),
            *_guarded("Slurm", slurm.slurm, profile, config.threads),
        ]
    findings = [
        *_guarded("GPU", computing.gpus_here, config.device),
        *_guarded("cores", computing.cores_here, config.threads, profile),
    ]
    if profile.executor == "local":
        said = "not looked at (--profile workflow/profiles/slurm looks)"
        return [*findings, ok("Slurm", said)]
    return findings


def _guarded(
    check: str, function: Callable[..., Iterable[Finding]], *arguments: object
) -> list[Finding]:
    """Run a check; what it cannot deal with is a finding, too."""
    findings: list[Finding] = []
    try:
        for finding in function(*arguments):
            findings.append(finding)
    except (BadInputError, BadInputsError) as refused:
        findings += faults_of(check, refused)
    except Exception as error:
        findings.append(
            fault(
                check,
                f"the check itself stopped: {type(error).__name__}: {error}",
                "an answer",
                "Look at this by hand, and report it as a defect of neurospect.",
            )
        )
    return findings
