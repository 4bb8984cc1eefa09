"""The conda environments say what the lock says."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import yaml

from neurospect.errors import BadInputError
from neurospect.provenance.environment import (
    ENVIRONMENTS,
    env_digest,
    main,
    read_pins,
    write_envs,
)

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements.lock"


def pins_of(path: Path) -> list[str]:
    content = yaml.safe_load(path.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    python, pip, listed = content["dependencies"]
    assert (python, pip) == ("python >=3.11", "pip")
    pins: list[str] = listed["pip"]
    return pins


def test_the_committed_environments_are_those_that_the_lock_gives(tmp_path: Path) -> None:
    for path in write_envs(tmp_path, LOCK):
        assert (ROOT / "envs" / path.name).read_text() == path.read_text(), "run: make generated"
    assert {path.name for path in (ROOT / "envs").glob("*.yaml")} == {
        f"{name}.yaml" for name in ENVIRONMENTS
    }


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_pin_of_an_environment_stands_in_the_lock(name: str) -> None:
    locked = LOCK.read_text().splitlines()
    pins = pins_of(ROOT / "envs" / f"{name}.yaml")
    assert set(pins) <= set(locked)
    assert {pin.split("==")[0] for pin in pins} >= set(ENVIRONMENTS[name])


def test_what_a_package_needs_is_pinned_with_it_and_nothing_else() -> None:
    training = {pin.split("==")[0] for pin in pins_of(ROOT / "envs/training.yaml")}
    # torch needs sympy, which needs mpmath.
    assert {"sympy", "mpmath"} <= training
    assert not {"snakemake", "pytest", "matplotlib"} & training
    assert "torch" not in {pin.split("==")[0] for pin in pins_of(ROOT / "envs/figures.yaml")}


def test_the_command_of_make_generated_writes_every_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    main([str(tmp_path)])
    assert len(capsys.readouterr().out.splitlines()) == len(ENVIRONMENTS)
    assert len(list(tmp_path.glob("*.yaml"))) == len(ENVIRONMENTS)


def test_the_digest_depends_on_pins_and_on_nothing_else(tmp_path: Path) -> None:
    one, other, third = (tmp_path / f"{name}.yaml" for name in "abc")
    one.write_text("# x\ndependencies:\n  - pip:\n      - numpy==2.0\n      - Pillow==1.0\n")
    other.write_text("dependencies:\n- pip:\n  - pillow==1.0 # y\n  - 'numpy==2.0'\n")
    third.write_text(one.read_text().replace("2.0", "2.0.1"))
    assert env_digest(one) == env_digest(other)
    assert env_digest(one) != env_digest(third)
    assert len(env_digest(one)) == 64


def test_a_missing_or_empty_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.yaml"):
        env_digest(tmp_path / "nowhere.yaml")
    (tmp_path / "empty.yaml").write_text("dependencies:\n  - pip\n")
    with pytest.raises(BadInputError, match=r"empty\.yaml: pins: found none"):
        env_digest(tmp_path / "empty.yaml")


def test_a_lock_without_a_direct_requirement_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("\n".join(line for line in LOCK.read_text().splitlines() if "mlx" not in line))
    with pytest.raises(BadInputError, match=r"mlxtend: found no pin.*make lock"):
        write_envs(tmp_path, lock)


def test_the_lock_is_what_is_installed_here() -> None:
    for name, pin in read_pins(LOCK).items():
        assert metadata.version(name).partition("+")[0] == pin.partition("==")[2].partition("+")[0]
