"""Digits beside a block that tells nothing."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from neurospect.cohorts.block_digits import load, make_block_digits, null_block, signal_regions
from neurospect.cohorts.mnist import read_packaged_digits
from neurospect.errors import BadInputError


def test_one_block_is_the_digit_as_it_was_and_the_other_is_the_same_in_all() -> None:
    cohort = make_block_digits([3, 8], 40, seed=0)
    source = read_packaged_digits()
    place = {name: row for row, name in enumerate(source.participants["participant_id"])}
    regions = signal_regions(cohort)
    assert regions.sum() == 80 * 28 * 28
    for image, region, row in zip(
        cohort.array, regions, cohort.participants.itertuples(), strict=True
    ):
        original = place[row.participant_id]
        assert row.digit == source.participants["digit"][original]
        np.testing.assert_array_equal(image[region].reshape(28, 28), source.array[original])
        np.testing.assert_array_equal(image[~region].reshape(28, 28), null_block())


def test_which_block_is_on_top_tells_nothing_of_the_class() -> None:
    cohort = make_block_digits([0, 1], 400, seed=1)
    upper = cohort.participants["signal"] == "upper"
    shares = upper.groupby(cohort.participants["digit"]).mean()
    assert len(shares) == 2
    assert shares.between(0.42, 0.58).all()


def test_the_digits_can_be_told_apart_wherever_they_are() -> None:
    cohort = make_block_digits([0, 1], 150, seed=2)
    flat, classes = cohort.array.reshape(300, -1), cohort.participants["digit"].to_numpy()
    order = np.random.default_rng(0).permutation(300)
    model = LogisticRegression(max_iter=300).fit(flat[order[:200]], classes[order[:200]])
    assert model.score(flat[order[200:]], classes[order[200:]]) > 0.9


def test_the_settings_name_digits_as_texts() -> None:
    asked = {"classes": ["3", "8"], "per_class": 4, "seed": 5}
    made = make_block_digits([3, 8], 4, seed=5)
    assert load(asked).array.tobytes() == made.array.tobytes()
    with pytest.raises(BadInputError, match="folder, seed: found classes, folder, per_class"):
        load({"classes": ["3", "8"], "per_class": 4, "folder": "."})


def test_the_seed_alone_decides_the_images() -> None:
    first, again, other = (make_block_digits([0, 1], 5, seed=seed) for seed in (3, 3, 4))
    assert first.array.tobytes() == again.array.tobytes()
    assert not np.array_equal(first.array, other.array)


@pytest.mark.parametrize(
    ("digits", "per_class", "words"),
    [
        ([3], 5, "digits: found"),
        ([3, 3], 5, "digits: found"),
        ([3, 10], 5, "digits: found"),
        ([3, 4], 0, "per_class: found 0"),
        ([3, 4], 501, "per_class: found 501"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    digits: list[int], per_class: int, words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        make_block_digits(digits, per_class, seed=0)
