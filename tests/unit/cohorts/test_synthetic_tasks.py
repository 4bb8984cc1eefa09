"""The made images hold what the saliency paper's figure 1 shows."""

import numpy as np
import pytest
from scipy import ndimage

from neurospect.cohorts import synthetic_tasks
from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks, synthetic_templates
from neurospect.errors import BadInputError


def regions_by_owner() -> dict[str, int]:
    """Count connected regions of the union, by the classes in which they are active."""
    templates = synthetic_templates()
    labels, count = ndimage.label(templates.any(0))
    owners: dict[str, int] = {}
    for region in range(1, count + 1):
        inside = labels == region
        assert np.count_nonzero(inside) == 9
        active = "".join(
            name for name, one in zip("ABC", templates, strict=True) if one[inside].all()
        )
        assert all(one[inside].all() or not one[inside].any() for one in templates)
        owners[active] = owners.get(active, 0) + 1
    return owners


def test_every_class_has_one_region_of_its_own_two_shared_with_one_and_three_with_all() -> None:
    expected = {"A": 1, "B": 1, "C": 1, "AB": 1, "BC": 1, "AC": 1, "ABC": 3}
    assert regions_by_owner() == expected


def test_regions_are_boxes_of_three_pixels_at_their_stated_places() -> None:
    union = synthetic_templates().any(0)
    places = [7, 8, 9, 15, 16, 17, 23, 24, 25]
    np.testing.assert_array_equal(np.flatnonzero(union.any(0)), places)
    np.testing.assert_array_equal(np.flatnonzero(union.any(1)), places)
    assert union.shape == (32, 32)
    assert set(np.unique(synthetic_templates())) == {0, 1}
    assert synthetic_templates()[0].mean() == pytest.approx(0.0527, abs=1e-3)


def test_images_are_templates_with_noise_of_the_standard_deviation_asked_for() -> None:
    cohort = make_synthetic_tasks(per_class=200, noise_sd=0.5, seed=1)
    assert cohort.participants["task"].value_counts().to_dict() == {"A": 200, "B": 200, "C": 200}
    for name, template in zip("ABC", synthetic_templates(), strict=True):
        noise = cohort.array[cohort.participants["task"] == name] - template
        assert noise.std() == pytest.approx(0.5, rel=0.01)
        assert np.abs(noise.mean(0)).max() < 0.5 / np.sqrt(200) * 5
        neighbours = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
        assert abs(neighbours) < 0.01


def test_the_seed_alone_decides_the_images() -> None:
    settings = {"per_class": 3, "noise_sd": 0.5, "seed": 4}
    first, again = synthetic_tasks.load(settings), synthetic_tasks.load(settings)
    assert first.array.tobytes() == again.array.tobytes()
    other = synthetic_tasks.load({**settings, "seed": 5})
    assert not np.array_equal(first.array, other.array)
    assert synthetic_tasks.raw_files(settings) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"per_class": 0, "noise_sd": 0.5, "seed": 0}, "per_class: found 0"),
        ({"per_class": 2, "noise_sd": -1.0, "seed": 0}, "noise_sd: found -1.0"),
        ({"per_class": 2, "noise_sd": float("nan"), "seed": 0}, "noise_sd: found nan"),
        ({"per_class": 2, "seed": 0}, "noise_sd: found per_class, seed"),
        ({"per_class": 2, "noise_sd": 0.5, "seed": 0, "classes": 3}, "classes: found"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        synthetic_tasks.load(settings)
