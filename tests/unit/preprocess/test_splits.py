"""No family crosses splits, nobody is lost, and sizes are met exactly where families allow."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components
from neurospect.preprocess.splits import (
    SUMMARY_COLUMNS,
    assign_splits,
    check_splits,
    read_splits,
    split_summary,
    write_splits,
)

THREE = {"training": 0.8, "validation": 0.1, "test": 0.1}


def people(count: int, **columns: object) -> pd.DataFrame:
    ids = [f"{number:06d}" for number in range(count)]
    return pd.DataFrame({"participant_id": ids, **columns})


def in_families(sizes: list[int]) -> tuple[pd.DataFrame, pd.Series]:
    frame = people(sum(sizes))
    names = np.repeat([f"f{number}" for number in range(len(sizes))], sizes)
    return frame, pd.Series(names, index=frame["participant_id"])


def sizes_of(splits: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(count) for name, count in splits["split"].value_counts().items()}


def hcp_like(count: int, seed: int = 0) -> pd.DataFrame:
    """Make families as in a twin study: one to six members, and some half-siblings."""
    generator = np.random.default_rng(seed)
    rows: list[tuple[object, object, object, str]] = []
    for family in itertools.count():
        if len(rows) == count:
            break
        size = generator.choice([1, 2, 3, 4, 5, 6], p=[0.22, 0.36, 0.3, 0.09, 0.02, 0.01])
        for _ in range(min(int(size), count - len(rows))):
            # one in thirty has a father of their own, and so a family number of their own
            father = 90_000 + len(rows) if generator.random() < 1 / 30 else 60_000 + family
            sex = str(generator.choice(["F", "M"]))
            rows.append((50_000 + family, father, f"{50_000 + family}_{father}", sex))
    frame = pd.DataFrame(rows, columns=["Mother_ID", "Father_ID", "Family_ID", "sex"])
    frame.insert(0, "participant_id", [str(100_307 + 7 * number) for number in range(count)])
    return frame


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stratify_by", [None, "sex"])
@pytest.mark.parametrize(("count", "training"), [(965, 778), (975, 788)])
def test_a_twin_study_is_split_in_the_sizes_asked_for(
    count: int, training: int, stratify_by: str | None, seed: int
) -> None:
    frame = hcp_like(count, seed)
    components = family_components(frame)
    sizes = {"training": training, "validation": 92, "test": 95}
    splits = assign_splits(frame, components, sizes=sizes, seed=seed, stratify_by=stratify_by)
    assert sizes_of(splits) == sizes
    # relatives by any of the three ids, seen without the components
    merged = frame.merge(splits, on="participant_id")
    for column in ("Mother_ID", "Father_ID", "Family_ID"):
        assert merged.groupby(column)["split"].nunique().max() == 1
    if stratify_by:
        women = merged.assign(woman=merged["sex"] == "F").groupby("split")["woman"].mean()
        assert women.max() - women.min() < 0.08


def test_sizes_that_do_not_sum_to_the_cohort_are_refused_with_both_numbers() -> None:
    sizes = {"training": 788, "validation": 92, "test": 95}
    with pytest.raises(BadInputError, match=r"sum to 975.*a sum of 965"):
        assign_splits(people(965), None, sizes=sizes, seed=0)


def test_all_families_go_to_training_while_they_fit() -> None:
    frame, components = in_families([6, 5, 4, 4, 3, 3, 2, 2, 2] + [1] * 29)
    sizes = {"training": 40, "validation": 10, "test": 10}
    for seed in range(5):
        splits = assign_splits(frame, components, sizes=sizes, seed=seed)
        families = splits.groupby("component").agg(n=("split", "size"), split=("split", "first"))
        assert set(families.loc[families["n"] > 1, "split"]) == {"training"}


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=12, max_size=60),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_nobody_is_lost_and_no_component_crosses(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    frame, components = in_families(sizes)
    if data.draw(st.booleans()):
        frame["sex"] = data.draw(
            st.lists(st.sampled_from("FM"), min_size=len(frame), max_size=len(frame))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = assign_splits(
            frame,
            components,
            fractions=THREE,
            seed=seed,
            stratify_by="sex" if "sex" in frame else None,
        )
    assert splits["participant_id"].to_list() == frame["participant_id"].to_list()
    assert set(splits["split"]) == {"training", "validation", "test"}
    where = dict(zip(splits["participant_id"], splits["split"], strict=True))
    for _, members in components.groupby(components):
        assert len({where[member] for member in members.index}) == 1


@settings(deadline=None)
@given(
    parts=st.tuples(st.integers(1, 60), st.integers(1, 30), st.integers(1, 30)),
    seed=st.integers(0, 2**32),
)
def test_sizes_are_exact_when_nobody_has_relatives(parts: tuple[int, int, int], seed: int) -> None:
    sizes = dict(zip(("training", "validation", "test"), parts, strict=True))
    splits = assign_splits(people(sum(parts)), None, sizes=sizes, seed=seed)
    assert sizes_of(splits) == sizes
    assert splits["component"].to_list() == splits["participant_id"].to_list()


@settings(deadline=None)
@given(of_class=st.lists(st.integers(10, 60), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_each_class_has_its_share_of_each_split_but_for_rounding(
    of_class: list[int], seed: int
) -> None:
    frame = people(sum(of_class), site=np.repeat([f"s{k}" for k in range(len(of_class))], of_class))
    splits = assign_splits(frame, None, fractions=THREE, seed=seed, stratify_by="site")
    counts = pd.crosstab(frame["site"], splits["split"])
    shares = counts.sum(axis=0).to_dict()
    for site, row in counts.iterrows():
        for split, found in row.items():
            ideal = of_class[int(str(site)[1:])] * shares[split] / len(frame)
            assert abs(found - ideal) < 2


def test_equal_classes_are_shared_out_exactly() -> None:
    frame = people(5000, digit=[str(number % 10) for number in range(5000)])
    splits = assign_splits(frame, None, fractions=THREE, seed=0, stratify_by="digit")
    counts = pd.crosstab(frame["digit"], splits["split"])
    assert (counts["training"] == 400).all()
    assert (counts["validation"] == 50).all()
    assert (counts["test"] == 50).all()


def test_the_seed_alone_decides_and_not_the_order_of_rows() -> None:
    frame = hcp_like(200)
    components = family_components(frame)

    def assigned(table: pd.DataFrame, seed: int) -> dict[str, str]:
        splits = assign_splits(table, components, fractions=THREE, seed=seed, stratify_by="sex")
        return dict(zip(splits["participant_id"], splits["split"], strict=True))

    assert assigned(frame, 1) == assigned(frame.sample(frac=1, random_state=0), 1)
    assert assigned(frame, 1) != assigned(frame, 2)


def test_chance_decides_among_participants_without_relatives() -> None:
    frame = people(60)
    tested = sum(
        (assign_splits(frame, None, fractions=THREE, seed=seed)["split"] == "test").to_numpy()
        for seed in range(120)
    )
    # 120 draws at one in ten: 12 on average, and nobody never or always
    assert tested.sum() == 120 * 6
    assert tested.min() >= 1
    assert tested.max() <= 30


def test_sizes_that_no_families_make_are_approached_with_a_warning() -> None:
    frame, components = in_families([2] * 20)
    sizes = {"training": 31, "validation": 4, "test": 5}
    with pytest.warns(UserWarning, match="the nearest"):
        splits = assign_splits(frame, components, sizes=sizes, seed=0)
    reached = sizes_of(splits)
    assert sum(abs(reached[name] - sizes[name]) for name in sizes) == 2


def test_a_cohort_too_large_for_the_search_is_split_to_within_one_family() -> None:
    frame, components = in_families([2] * 3001)
    sizes = {"training": 4801, "validation": 600, "test": 601}
    with pytest.warns(UserWarning, match="the nearest"):
        splits = assign_splits(frame, components, sizes=sizes, seed=0)
    reached = sizes_of(splits)
    assert max(abs(reached[name] - sizes[name]) for name in sizes) == 1


def test_a_split_that_would_stay_empty_is_refused() -> None:
    frame, components = in_families([10, 10])
    with pytest.raises(BadInputError, match="families so large"):
        assign_splits(frame, components, fractions=THREE, seed=0)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"sizes": {"training": 8, "test": 2}, "fractions": {"training": 0.8, "test": 0.2}},
        {"sizes": {"training": 8, "dev": 2}},
        {"sizes": {"training": 10}},
        {"sizes": {"validation": 8, "test": 2}},
        {"sizes": {"training": 8, "test": 3}},
        {"sizes": {"training": 10, "test": 0}},
        {"fractions": {"training": 0.8, "test": 0.1}},
        {"fractions": {"training": 0.99, "test": 0.01}},
    ],
)
def test_sizes_that_make_no_sense_are_refused(asked: dict[str, dict[str, float]]) -> None:
    with pytest.raises(BadInputError) as caught:
        assign_splits(people(10), None, seed=0, **asked)  # type: ignore[arg-type]
    assert caught.value.field == "sizes"


def test_participants_without_component_or_class_are_named() -> None:
    frame, components = in_families([1, 2, 3, 4])
    with pytest.raises(BadInputError, match="no component for 000001"):
        assign_splits(frame, components.drop("000001"), fractions=THREE, seed=0)
    with pytest.raises(BadInputError, match="no such column"):
        assign_splits(frame, components, fractions=THREE, seed=0, stratify_by="site")
    frame["site"] = ["a"] * 9 + [None]
    with pytest.raises(BadInputError, match="missing values"):
        assign_splits(frame, components, fractions=THREE, seed=0, stratify_by="site")
    with pytest.raises(BadInputError, match="000003 missing or twice"):
        assign_splits(pd.concat([frame, frame.iloc[[3]]]), None, fractions=THREE, seed=0)


def small_splits() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": ["000000", "000001", "000002", "000003"],
            "component": ["a", "a", "b", "c"],
            "split": ["training", "training", "validation", "test"],
        }
    )


def test_a_component_that_crosses_splits_is_named() -> None:
    crossing = small_splits().assign(split=["training", "test", "validation", "test"])
    with pytest.raises(BadInputError, match="component: found a in more than one split"):
        check_splits(crossing)


def test_splits_that_are_not_splits_are_refused() -> None:
    good = small_splits()
    check_splits(good)
    with pytest.raises(BadInputError, match="000000 more than once"):
        check_splits(good.assign(participant_id=["000000", "000000", "000002", "000003"]))
    with pytest.raises(BadInputError, match="found holdout, expected one of training"):
        check_splits(good.replace("test", "holdout"))
    with pytest.raises(BadInputError, match="without a component"):
        check_splits(good.assign(component=["a", "a", None, "c"]))
    with pytest.raises(BadInputError, match="columns"):
        check_splits(good.drop(columns="component"))


def test_written_splits_read_back_in_the_order_of_the_participants(tmp_path: Path) -> None:
    write_splits(tmp_path / "splits.tsv", small_splits())
    turned = people(4).iloc[[2, 0, 3, 1]]
    back = read_splits(tmp_path / "splits.tsv", turned)
    assert back["participant_id"].to_list() == ["000002", "000000", "000003", "000001"]
    assert back["split"].to_list() == ["validation", "training", "test", "training"]


def test_splits_changed_by_hand_are_refused_when_read(tmp_path: Path) -> None:
    path = tmp_path / "splits.tsv"
    write_splits(path, small_splits())
    path.write_text(path.read_text().replace("000001\ta\ttraining", "000001\ta\ttest"))
    with pytest.raises(BadInputError, match="a in more than one split") as caught:
        read_splits(path, people(4))
    assert caught.value.where == str(path)
    with pytest.raises(BadInputError, match="in more than one split"):
        write_splits(path, small_splits().assign(component="a"))


def test_splits_of_another_cohort_are_refused_naming_who_is_missing_and_who_is_extra(
    tmp_path: Path,
) -> None:
    write_splits(tmp_path / "splits.tsv", small_splits())
    with pytest.raises(BadInputError, match="no split for 000004, 000005"):
        read_splits(tmp_path / "splits.tsv", people(6))
    with pytest.raises(BadInputError, match="splits for 000003, not in the cohort"):
        read_splits(tmp_path / "splits.tsv", people(3))


def test_the_summary_counts_participants_families_and_classes(tmp_path: Path) -> None:
    frame = people(4, sex=["F", "M", "F", "F"])
    summary = split_summary(small_splits(), frame, "sex")
    assert list(summary.columns) == list(SUMMARY_COLUMNS)
    rows = summary.set_index(["split", "level"])
    assert rows.loc[("training", "all")].to_list() == [2, 1, 2]
    assert rows.loc[("training", "M")].to_list() == [1, 1, 1]
    assert rows.loc[("test", "F")].to_list() == [1, 1, 1]
    assert len(split_summary(small_splits())) == 3


def test_twins_in_two_splits_of_a_file_made_by_hand_are_named(tmp_path):
    """Whatever the file says of components, the participants table knows who is related."""
    people = pd.DataFrame(
        {"participant_id": ["1", "2", "3", "4"], "Mother_ID": ["m", "m", "n", None]}
    )
    lines = ["participant_id\tcomponent\tsplit", "1\ta\ttraining", "2\tb\ttest"]
    lines += ["3\tc\ttraining", "4\td\tvalidation"]
    path = tmp_path / "splits.tsv"
    path.write_text("\n".join(lines) + "\n")
    assert read_splits(path, people)["split"].to_list() == [
        "training",
        "test",
        "training",
        "validation",
    ]
    with pytest.raises(BadInputError, match=r"splits.tsv: split: .*1 in training, 2 in test"):
        read_splits(path, people, ["Mother_ID"])
