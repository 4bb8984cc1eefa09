"""HCP's task maps are found by the names of their contrasts; its tables give participants."""

from pathlib import Path

import pandas as pd
import pytest

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.cohorts.hcp_contrasts import PUBLISHED_ORDER, TASK_CONTRASTS, opposite
from neurospect.cohorts.hcp_layout import cohort_folder, find_task_maps, unlisted_subjects
from neurospect.cohorts.hcp_participants import hcp_participants
from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components

# Cope numbers as papers on the HCP's tasks cite them.
CITED = {
    "WM": {"2BK-0BK": 11, "BODY": 15, "TOOL-AVG": 22, "AVG-TOOL": 30},
    "GAMBLING": {"PUNISH": 1, "REWARD": 2, "REWARD-PUNISH": 6},
    "MOTOR": {"CUE": 1, "LF": 2, "LH": 3, "RF": 4, "RH": 5, "T": 6, "LH-AVG": 10, "AVG-T": 26},
    "LANGUAGE": {"MATH": 1, "STORY": 2, "MATH-STORY": 3, "STORY-MATH": 4},
    "SOCIAL": {"RANDOM": 1, "TOM": 2, "RANDOM-TOM": 3, "TOM-RANDOM": 6},
    "RELATIONAL": {"MATCH": 1, "REL": 2, "MATCH-REL": 3, "REL-MATCH": 4},
    "EMOTION": {"FACES": 1, "SHAPES": 2, "FACES-SHAPES": 3},
}


def analysis(root: Path, subject: str, task: str, smoothing: str = "s4") -> Path:
    return root.joinpath(
        subject,
        "MNINonLinear",
        "Results",
        f"tfMRI_{task}",
        f"tfMRI_{task}_hp200_{smoothing}_level2vol.feat",
    )


def put_maps(folder: Path, copes: list[int], statistic: str = "zstat1") -> None:
    """Make empty files where maps lie; nothing opens them."""
    for cope in copes:
        path = folder / f"cope{cope}.feat" / "stats" / f"{statistic}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def put_subject(root: Path, subject: str, **kind: str) -> None:
    """Make all copes of all tasks, in the published order, with no list of contrasts."""
    for task, names in PUBLISHED_ORDER.items():
        folder = analysis(root, subject, task, kind.get("smoothing", "s4"))
        put_maps(folder, list(range(1, len(names) + 1)), kind.get("statistic", "zstat1"))


def one(root: Path, task: str) -> tuple[list[TaskMapFiles], list[Exclusion]]:
    examples, exclusions = find_task_maps(root, ["100307"])
    return (
        [each for each in examples if each.task == task],
        [each for each in exclusions if each.what == f"task {task}"],
    )


def copes(example: TaskMapFiles) -> list[str]:
    return [path.parent.parent.name for path in example.files]


# Contrasts


@pytest.mark.parametrize("task", CITED)
def test_the_published_order_gives_the_cope_numbers_that_are_cited(task: str) -> None:
    numbers = {name: n for n, name in enumerate(PUBLISHED_ORDER[task], start=1)}
    assert {name: numbers[name] for name in CITED[task]} == CITED[task]
    assert len(numbers) == {"WM": 30, "MOTOR": 26}.get(task, 6)


def test_the_opposite_of_the_opposite_is_the_contrast() -> None:
    assert opposite("MATH-STORY") == "STORY-MATH"
    assert opposite("REWARD") == "neg_REWARD"
    for name in sum(PUBLISHED_ORDER.values(), ()):
        assert opposite(opposite(name)) == name


def test_without_a_list_of_contrasts_the_published_order_counts(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    examples, exclusions = find_task_maps(tmp_path, ["100307"])
    assert not exclusions
    assert {each.task: copes(each) for each in examples} == {
        "WM": ["cope11.feat"],
        "GAMBLING": ["cope2.feat", "cope1.feat"],
        "MOTOR": ["cope2.feat", "cope3.feat", "cope4.feat", "cope5.feat", "cope6.feat"],
        "LANGUAGE": ["cope3.feat"],
        "SOCIAL": ["cope6.feat"],
        "RELATIONAL": ["cope4.feat"],
        "EMOTION": ["cope3.feat"],
    }
    assert all(path.is_file() for each in examples for path in each.files)
    assert {cohort_folder(path) for each in examples for path in each.files} == {tmp_path}
    assert not any(each.negated for each in examples)
    assert {each.participant_id for each in examples} == {"100307"}
    assert examples[2].contrast == "mean of LF, LH, RF, RH and T"
    assert examples[3].contrast == "MATH-STORY"


def test_the_file_that_names_the_contrasts_is_told(tmp_path: Path) -> None:
    """What it says decides which maps are read and with which sign, so it is raw data as well."""
    put_subject(tmp_path, "100307")
    assert {each.named_by for each in find_task_maps(tmp_path, ["100307"])[0]} == {None}
    folder = analysis(tmp_path, "100307", "SOCIAL")
    design, listed = folder / "design.con", folder / "Contrasts.txt"
    for path, text in ((design, "/ContrastName2\tTOM-RANDOM\n"), (listed, "RANDOM-TOM\n")):
        path.write_text(text)
        (example,), _ = one(tmp_path, "SOCIAL")
        assert example.named_by == path
    assert example.negated


def test_a_list_of_contrasts_wins_over_the_published_order(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    folder = analysis(tmp_path, "100307", "SOCIAL")
    (folder / "Contrasts.txt").write_text("TOM-RANDOM\r\nRANDOM\nTOM\n\n")
    (example,), _ = one(tmp_path, "SOCIAL")
    assert copes(example) == ["cope1.feat"]
    # and over design.con
    (folder / "design.con").write_text("/ContrastName2\tTOM-RANDOM\n")
    (example,), _ = one(tmp_path, "SOCIAL")
    assert copes(example) == ["cope1.feat"]


def test_design_con_names_contrasts_where_there_is_no_list(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    design = analysis(tmp_path, "100307", "GAMBLING") / "design.con"
    design.write_text(
        "/ContrastName1\tREWARD\n/ContrastName2  neg_X \n/ContrastName5 PUNISH\n/NumWaves\t4\n"
    )
    (example,), _ = one(tmp_path, "GAMBLING")
    assert copes(example) == ["cope1.feat", "cope5.feat"]


def test_a_design_con_of_the_second_level_alone_says_nothing_of_contrasts(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    design = analysis(tmp_path, "100307", "LANGUAGE") / "design.con"
    design.write_text("/ContrastName1\tmean\n/NumWaves\t1\n")
    (example,), _ = one(tmp_path, "LANGUAGE")
    assert copes(example) == ["cope3.feat"]


def test_a_contrast_listed_with_the_opposite_sign_alone_is_negated(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    folder = analysis(tmp_path, "100307", "LANGUAGE")
    (folder / "Contrasts.txt").write_text("MATH\nSTORY\nSTORY-MATH\n")
    (example,), _ = one(tmp_path, "LANGUAGE")
    assert (copes(example), example.negated) == (["cope3.feat"], True)
    assert example.contrast == "MATH-STORY"


def test_a_contrast_whose_opposite_alone_is_on_the_disk_is_negated(tmp_path: Path) -> None:
    put_maps(analysis(tmp_path, "100307", "LANGUAGE"), [4])
    put_maps(analysis(tmp_path, "100307", "GAMBLING"), [4, 5])
    (example,), _ = one(tmp_path, "LANGUAGE")
    assert (copes(example), example.negated) == (["cope4.feat"], True)
    (example,), _ = one(tmp_path, "GAMBLING")
    assert (copes(example), example.negated) == (["cope5.feat", "cope4.feat"], True)


def test_a_mean_is_never_made_of_both_signs(tmp_path: Path) -> None:
    put_maps(analysis(tmp_path, "100307", "GAMBLING"), [1, 5])
    examples, (exclusion,) = one(tmp_path, "GAMBLING")
    assert not examples
    assert exclusion.fault.where.endswith("cope2.feat/stats/zstat1.nii.gz")


def test_a_contrast_in_neither_direction_drops_the_task_and_says_which_are_there(
    tmp_path: Path,
) -> None:
    put_subject(tmp_path, "100307")
    folder = analysis(tmp_path, "100307", "EMOTION")
    (folder / "Contrasts.txt").write_text("FACES\nSHAPES\n")
    examples, (exclusion,) = one(tmp_path, "EMOTION")
    assert not examples
    assert exclusion.fault.where == str(folder / "Contrasts.txt")
    assert exclusion.fault.field == "contrasts"
    assert exclusion.fault.found == "FACES, SHAPES"
    assert "FACES-SHAPES" in exclusion.fault.expected


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"TOM-RANDOM\nTOM\nTOM-RANDOM\n"])
def test_a_list_of_contrasts_that_cannot_be_trusted_drops_the_task(
    tmp_path: Path, content: bytes
) -> None:
    put_subject(tmp_path, "100307")
    listed = analysis(tmp_path, "100307", "SOCIAL") / "Contrasts.txt"
    listed.write_bytes(content)
    examples, (exclusion,) = one(tmp_path, "SOCIAL")
    assert not examples
    assert exclusion.fault.where == str(listed)


# Subjects


def test_a_missing_task_drops_that_example_alone(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    folder = analysis(tmp_path, "100307", "MOTOR")
    folder.rename(tmp_path / "elsewhere")
    examples, (exclusion,) = find_task_maps(tmp_path, ["100307"])
    assert [each.task for each in examples] == [task for task in TASK_CONTRASTS if task != "MOTOR"]
    assert (exclusion.participant_id, exclusion.what) == ("100307", "task MOTOR")
    assert exclusion.stage == "task maps"
    assert exclusion.fault.where == str(folder)
    assert exclusion.fault.found == "no such folder"


def test_a_missing_map_names_the_file(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307")
    folder = analysis(tmp_path, "100307", "WM")
    for cope in (11, 14):
        (folder / f"cope{cope}.feat" / "stats" / "zstat1.nii.gz").unlink()
    _, (exclusion,) = one(tmp_path, "WM")
    assert exclusion.fault.where == str(folder / "cope11.feat" / "stats" / "zstat1.nii.gz")


def test_subjects_with_nothing_are_listed_and_the_others_go_on(tmp_path: Path) -> None:
    put_subject(tmp_path, "100408")
    (tmp_path / "100206").mkdir()
    examples, exclusions = find_task_maps(tmp_path, ["100206", "100307", "100408"])
    assert {each.participant_id for each in examples} == {"100408"}
    assert len(examples) == 7
    listed = {(each.participant_id, each.what): each.fault.found for each in exclusions}
    assert listed["100206", "participant"] == "none of the 7 tasks"
    assert listed["100307", "participant"] == "no such folder"
    # every task of the folder that is there, by name
    assert len(listed) == 2 + 7


def test_folders_of_subjects_who_are_not_in_the_table_are_listed(tmp_path: Path) -> None:
    for name in ("100206", "100307", "truth"):
        (tmp_path / name).mkdir()
    (exclusion,) = unlisted_subjects(tmp_path, ["100307"])
    assert (exclusion.participant_id, exclusion.what) == ("100206", "participant")


def test_smoothing_and_statistic_are_parts_of_the_names(tmp_path: Path) -> None:
    put_subject(tmp_path, "100307", smoothing="s12", statistic="tstat1")
    examples, exclusions = find_task_maps(tmp_path, ["100307"], smoothing="s12", statistic="tstat1")
    assert len(examples) == 7
    assert not exclusions
    assert examples[0].files[0].name == "tstat1.nii.gz"
    examples, exclusions = find_task_maps(tmp_path, ["100307"], smoothing="s12")
    assert not examples
    assert "zstat1" in exclusions[0].fault.where


def test_a_missing_folder_and_a_name_that_is_no_folder_are_refused(tmp_path: Path) -> None:
    for function in (find_task_maps, unlisted_subjects):
        with pytest.raises(BadInputError, match="nowhere: folder: found no such folder"):
            function(tmp_path / "nowhere", ["100307"])
    for name in ("../100307", "a;rm -rf", ""):
        with pytest.raises(BadInputError, match="letters and digits"):
            find_task_maps(tmp_path, [name])


# Tables of subjects

UNRESTRICTED = "Subject,Release,Gender,Age\n100307,S1200,F,26-30\n100206,S1200,M,36+\n"
RESTRICTED = (
    "Subject,Age_in_Yrs,ZygositySR,ZygosityGT,Family_ID,Mother_ID,Father_ID\n"
    "100206,37,NotTwin, ,51488_81149,51488,81149\n"
    "100307,27,MZ,MZ,51488_81149,51488,81149\n"
)


def tables(folder: Path, unrestricted: str, restricted: str | None = None) -> list[Path]:
    paths = [folder / "unrestricted.csv"]
    paths[0].write_text(unrestricted)
    if restricted is not None:
        paths.append(folder / "restricted.csv")
        paths[1].write_text(restricted)
    return paths


def test_both_tables_give_one_row_per_subject_in_the_order_of_the_first(tmp_path: Path) -> None:
    participants, notes = hcp_participants(*tables(tmp_path, UNRESTRICTED, RESTRICTED))
    assert participants.to_dict("list") == {
        "participant_id": ["100307", "100206"],
        "sex": ["female", "male"],
        "age_band": ["26-30", "36+"],
        "age": [27.0, 37.0],
        "Mother_ID": ["51488", "51488"],
        "Father_ID": ["81149", "81149"],
        "Family_ID": ["51488_81149", "51488_81149"],
    }
    assert notes == []


def test_without_the_restricted_table_families_are_not_known_and_it_says_so(
    tmp_path: Path,
) -> None:
    participants, notes = hcp_participants(*tables(tmp_path, UNRESTRICTED))
    assert list(participants) == ["participant_id", "sex", "age_band"]
    assert notes == ["No restricted CSV was given: families are not known."]


def test_blank_ids_stay_missing_join_nobody_and_are_counted(tmp_path: Path) -> None:
    people = "".join(f"10000{n},S1200,F,26-30\n" for n in range(5))
    kin = (
        "Subject,Age_in_Yrs,Family_ID,Mother_ID,Father_ID\n"
        "100000,,,,\n100001, , , , \n100002,30,F,M,\n100003,30,,M,\n999999,30,F,M,P\n"
    )
    participants, notes = hcp_participants(
        *tables(tmp_path, "Subject,Release,Gender,Age\n" + people, kin)
    )
    families = family_components(participants)
    assert families["100002"] == families["100003"]
    assert families.nunique() == 4
    assert participants["age"].isna().to_list() == [True, True, False, False, True]
    assert notes == [
        "Subjects not in the restricted CSV, whose families are not known: 1, the first 100004.",
        "Subjects without mother, father and family, who join nobody: 2, the first 100000.",
        "Subjects in the restricted CSV alone, who are left out: 1, the first 999999.",
    ]


def test_numbers_with_leading_zeros_and_a_byte_order_mark_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "unrestricted.csv"
    path.write_text('\ufeff"Subject","Gender","Age"\r\n"001234","","22-25"\r\n\r\n')
    participants, _ = hcp_participants(path)
    assert participants["participant_id"].to_list() == ["001234"]
    assert pd.isna(participants["sex"].iloc[0])


@pytest.mark.parametrize(
    ("unrestricted", "restricted", "message"),
    [
        (UNRESTRICTED + "100307,S1200,F,26-30\n", None, "unrestricted.csv: Subject: found 100307"),
        (UNRESTRICTED, RESTRICTED + "100206,1,,,,,\n", "restricted.csv: Subject: found 100206"),
        ("Subject,Age\n1,2\n", None, "columns: found 2 columns, and no Gender.*Give the CSV"),
        (UNRESTRICTED, UNRESTRICTED, "restricted.csv: columns: .* Mother_ID"),
        (UNRESTRICTED + "100408,S1200,X,26-30\n", None, "Gender of subject 100408: found 'X'"),
        (UNRESTRICTED, RESTRICTED.replace(",37,", ",old,"), "Age_in_Yrs of subject 100206"),
        (UNRESTRICTED + "100408,S12", None, "row 4: found 2 cells, expected 4"),
        (UNRESTRICTED + "total,S1200,F,1\n", None, "Subject: found total no number"),
        ("Subject,Gender,Age\n", None, "rows: found nobody, expected a header and rows"),
        ("", None, "unrestricted.csv: rows: found nobody"),
    ],
)
def test_bad_tables_are_refused_by_file_and_field(
    tmp_path: Path, unrestricted: str, restricted: str | None, message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        hcp_participants(*tables(tmp_path, unrestricted, restricted))


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        hcp_participants(tmp_path / "unrestricted.csv")
    (tmp_path / "unrestricted.csv").write_bytes(b"Subject\xff\xfe")
    with pytest.raises(BadInputError, match=r"unrestricted\.csv: file"):
        hcp_participants(tmp_path / "unrestricted.csv")
