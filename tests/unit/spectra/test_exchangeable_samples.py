import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.spectra.exchangeable_samples import exchange_of, target_tells_apart

EVERYBODY = np.ones(6, dtype=bool)


def table(**columns):
    ids = [f"sub-{number}" for number in range(6)]
    return pd.DataFrame({"participant_id": ids, "component": ids, **columns})


def test_without_columns_and_relatives_nothing_is_restricted():
    found = exchange_of(table(), [], EVERYBODY)
    assert (found.strata, found.units, found.words) == (None, None, "")
    found = exchange_of(table().drop(columns="component"), [], EVERYBODY)
    assert found.units is None


def test_several_columns_make_one_stratum_together():
    found = exchange_of(table(site=list("xxyyyx"), sex=list("ffmmff")), ["site", "sex"], EVERYBODY)
    assert found.strata == ("x, f", "x, f", "y, m", "y, m", "y, f", "x, f")
    assert found.words == "within each site and sex"


def test_relatives_are_units_where_two_of_them_take_part():
    participants = table().assign(component=list("ppqrst"))
    found = exchange_of(participants, [], EVERYBODY)
    assert (found.units, found.words) == (tuple("ppqrst"), "families whole")
    assert exchange_of(participants, [], EVERYBODY & (np.arange(6) > 0)).units is None


def test_participants_with_several_rows_are_units():
    participants = table().iloc[[0, 0, 1, 1, 2, 2]]
    found = exchange_of(participants, [], EVERYBODY)
    assert found.units == tuple(participants["participant_id"])
    assert found.words == "participants whole"


def test_a_column_that_is_not_there_and_a_missing_site_are_refused():
    with pytest.raises(BadInputError, match=r"expected site, within which labels .*exchanged"):
        exchange_of(table(), ["site"], EVERYBODY)
    partly = table(site=["x", "y", None, "x", None, "y"])
    with pytest.raises(BadInputError, match="site of sub-2: found nothing, and 2 such rows"):
        exchange_of(partly, ["site"], EVERYBODY)
    exchange_of(partly, ["site"], partly["site"].notna().to_numpy())


GROUPS = np.repeat([True, False], 20)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (["patient"] * 20 + ["control"] * 20, "yes"),
        (["early"] * 9 + ["late"] * 11 + ["control"] * 20, "yes"),
        (["patient"] * 40, "no"),
        (["patient", "control"] * 20, "no"),
        (["patient"] * 15 + ["control"] * 5 + ["patient"] * 5 + ["control"] * 15, "in part"),
        (["patient"] * 20 + ["control"] * 14 + ["patient"] * 6, "in part"),
    ],
)
def test_classes_tell_groups_apart_where_they_are_shared_out_unevenly(classes, told):
    assert target_tells_apart(GROUPS, classes) == told
    assert target_tells_apart(~GROUPS, classes) == told


def test_inside_strata_only_what_differs_there_counts():
    """Both sexes of one diagnosis: classes differ between groups, but not inside a stratum."""
    in_a = np.array([True] * 16 + [False] * 24)
    diagnosis = ["patient"] * 15 + ["control"] + ["patient"] * 4 + ["control"] * 20
    assert target_tells_apart(in_a, diagnosis) == "in part"
    assert target_tells_apart(in_a, diagnosis, strata=diagnosis) == "no"
    assert target_tells_apart(GROUPS, GROUPS, strata=["x", "y"] * 20) == "yes"


def test_random_classes_count_as_uneven_no_more_often_than_the_level_says():
    rng = np.random.default_rng(0)
    strata = np.repeat(list("xyz"), 40)
    uneven = sum(
        target_tells_apart(rng.random(120) < 0.5, rng.integers(3, size=120), strata) != "no"
        for _ in range(400)
    )
    low, high = stats.binom.ppf([0.001, 0.999], 400, 0.05)
    assert low <= uneven <= high
