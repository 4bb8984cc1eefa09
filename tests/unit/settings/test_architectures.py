"""The families that a configuration may name, held against those that can be built."""

from typing import get_args

from neurospect.models.registry import FAMILIES, accepted_tasks, architecture_settings
from neurospect.settings.architectures import (
    ARCHITECTURE_SETTINGS,
    ONLY_CLASSIFIES,
    ModelFamily,
)


def test_every_family_that_can_be_built_can_be_named_and_no_other():
    assert set(get_args(ModelFamily)) == set(ARCHITECTURE_SETTINGS) == set(FAMILIES)


def test_every_setting_of_a_family_can_be_given_and_no_other():
    for family, names in ARCHITECTURE_SETTINGS.items():
        assert set(names) == set(architecture_settings(family)), family


def test_the_families_that_only_classify_are_known():
    only = {family for family in FAMILIES if accepted_tasks(family) == ("classification",)}
    assert only == set(ONLY_CLASSIFIES)
