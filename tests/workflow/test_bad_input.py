"""Bad input ends in one clear message, before work where that can be, and leaves nothing behind."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from checkout import RUN, SINUSOID, Checkout


def made(checkout: Checkout) -> list[str]:
    """Files under results that are not logs."""
    return sorted(
        path.name
        for path in (checkout.root / "results").rglob("*")
        if path.is_file() and path.suffix != ".log" and path.name != ".gitkeep"
    )


def refused(checkout: Checkout, config: str, *options: str) -> str:
    """Run with `config` laid over the tiny one; return what was said."""
    (checkout.root / "bad.yaml").write_text(config)
    run = checkout.snakemake(*options, configs=(SINUSOID, "bad.yaml"))
    assert run.returncode != 0, run.stdout
    assert "Traceback" not in run.stdout
    return run.stdout


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            "overrides: {sinusoid_mlp: {trainig: {epochs: 3}}}",
            "trainig: found an unknown key, expected one of title,",
        ),
        ("experimnts: [sinusoid_mlp]", "experimnts: found an unknown key"),
        (
            "overrides: {sinusoid_mlp: {panels: {A: {widths: [0]}}}}",
            "panels.A.widths.0: found 0, expected 1 or more",
        ),
        ("experiments: [sinusoid_mpl]", "Did you mean sinusoid_mlp?"),
        (
            "results: README.md/results",
            "README.md is not a folder, expected a folder that can be written",
        ),
        (
            "overrides: {sinusoid_mlp: {groups: {levels: ['1', '2', '3', '4', '9']}}}",
            "groups.levels: found 9, expected classes that cohort sinusoid keeps (1, 2, 3, 4)",
        ),
    ],
)
def test_a_faulty_configuration_is_refused_before_any_job(
    fresh_checkout: Checkout, config: str, words: str
):
    assert words in refused(fresh_checkout, config)
    assert made(fresh_checkout) == []


def test_all_faults_come_at_once(fresh_checkout: Checkout):
    said = refused(
        fresh_checkout,
        "seeds: [0, 0]\noverrides: {sinusoid_mlp: {model: cnn, panels: {G: {compares: Z}}}}",
    )
    assert "seeds: found 0 more than once" in said
    assert "sinusoid_mlp.model: found \"cnn\", expected 'mlp'" in said


def test_a_group_of_one_sample_is_refused_before_training(fresh_checkout: Checkout):
    said = refused(
        fresh_checkout,
        "cohorts: {sinusoid: {per_class: 3}}\nsplits: {training: 0.4, validation: 0.3, test: 0.3}",
        "--until",
        "train",
    )
    assert "found 1 sample, expected at least 2" in said
    assert "model.pt" not in made(fresh_checkout)


def test_a_corrupt_checkpoint_is_named(fresh_checkout: Checkout):
    unfinished = fresh_checkout.root / RUN / "A/seed-0/unfinished_training.pt"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"PK\x03\x04 cut short")
    said = refused(fresh_checkout, "{}", "--", f"{RUN}/A/seed-0/model.pt")
    assert "unfinished_training.pt: checkpoint: found a file that cannot be read" in said
    assert "model.pt" not in made(fresh_checkout)


def write_idx(folder: Path, images: int) -> None:
    """Four IDX files like MNIST's, but small: their checksums are not those published."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for part in ("train", "t10k"):
        pixels = rng.integers(0, 256, (images, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, images, dtype=np.uint8)
        header = struct.pack(">IIII", 2051, images, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, images) + labels.tobytes()
        )


IDX = "experiments: [mnist_mlp]\noverrides: {}\ncohorts: {mnist: {source: idx, folder: idx}}"


def test_an_idx_file_cut_short_is_named(fresh_checkout: Checkout):
    write_idx(fresh_checkout.root / "idx", 50)
    path = fresh_checkout.root / "idx/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1000])
    said = refused_mnist(fresh_checkout)
    assert "train-images-idx3-ubyte" in said
    assert "bytes" in said
    assert made(fresh_checkout) == []


def test_a_gzip_file_cut_short_is_named(fresh_checkout: Checkout):
    write_idx(fresh_checkout.root / "idx", 50)
    path = fresh_checkout.root / "idx/train-images-idx3-ubyte"
    zipped = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(zipped[: len(zipped) // 2])
    assert "train-images-idx3-ubyte.gz" in refused_mnist(fresh_checkout)
    assert made(fresh_checkout) == []


def test_idx_files_that_are_not_those_published_are_refused(fresh_checkout: Checkout):
    write_idx(fresh_checkout.root / "idx", 50)
    assert "md5" in refused_mnist(fresh_checkout)
    assert made(fresh_checkout) == []


def refused_mnist(checkout: Checkout) -> str:
    (checkout.root / "idx.yaml").write_text(IDX)
    run = checkout.snakemake("--until", "prepare_cohort", configs=("idx.yaml",))
    assert run.returncode != 0, run.stdout
    assert "Traceback" not in run.stdout
    return run.stdout


def test_nan_in_a_prepared_array_is_refused_by_training(edited: Checkout):
    array = edited.root / "results/sinusoid/prepared/array.npy"
    values = np.load(array)
    values[3, 4] = np.nan
    np.save(array, values)
    said = refused(edited, "{}", "--", f"{RUN}/A/seed-0/model.pt")
    assert "array.npy" in said
    assert "nan" in said.lower()


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_damaged_array_is_named(edited: Checkout, kept: float):
    array = edited.root / "results/sinusoid/prepared/array.npy"
    content = array.read_bytes()
    array.write_bytes(content[: int(kept * len(content))])
    said = refused(edited, "{}", "--", f"{RUN}/A/seed-0/model.pt")
    assert "array.npy" in said
