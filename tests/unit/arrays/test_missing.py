import numpy as np
import pandas as pd
import pytest

from neurospect.arrays.missing import missing_places


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (["a", np.nan, "b", None], [1, 3]),
        (("a", pd.NA), [1]),
        (np.array(["a", None, "b"], dtype=object), [1]),
        (np.array([1.0, np.nan]), [1]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), [1]),
        (pd.Series(["a", pd.NA], dtype="string"), [1]),
        (pd.Series([1, None], dtype="Int64"), [1]),
        (pd.Categorical(["a", None]), [1]),
        # A site may be called so.
        (["nan", "NA", ""], []),
        ([0, False], []),
        ([], []),
    ],
)
def test_every_way_to_write_a_missing_value_is_found(values, places):
    assert missing_places(values) == places
