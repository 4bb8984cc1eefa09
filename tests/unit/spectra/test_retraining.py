import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy import stats

from neurospect.arrays.checkpoints import write_checkpoint
from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError
from neurospect.spectra.label_permutation import permuted_differences
from neurospect.spectra.monitored_training import Monitoring, train_with_spectra
from neurospect.spectra.retraining import (
    gather_retrainings,
    permuted_places,
    retrained_differences,
)
from neurospect.stats.cluster_differences import cluster_tables
from neurospect.stats.effect_sizes import effect_sizes
from neurospect.stats.group_differences import permutation_table, weight_table
from neurospect.training.loop import TrainingPlan

EPOCHS = 5
MONITORING = Monitoring("group", ["a", "b", "c"], 1, EPOCHS, ["a", "b"], 3, 3)
OPTIONS = {
    "target": "group",
    "family": "mlp",
    "architecture": {"widths": [3], "activation": "tanh"},
    "plan": TrainingPlan("classification", EPOCHS, 0.05, evaluate_every=EPOCHS),
    "device": "cpu",
}


@pytest.fixture(autouse=True, scope="module")
def process_settings():
    """Training sets threads and determinism for the whole process; the other tests keep theirs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def prepared(seed=0, samples=48, features=5, groups="abc"):
    """Participants whose data say nothing of their group, in two sites and pairs of siblings."""
    rng = np.random.default_rng(seed)
    participants = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02d}" for number in range(samples)],
            "group": np.resize(list(groups), samples),
            "site": np.repeat(["x", "y"], samples // 2),
            "split": "training",
        }
    )
    participants.loc[samples - 6 :, "split"] = "validation"
    return participants, rng.normal(size=(samples, features)).astype(np.float32)


def observed(participants, array, monitoring=MONITORING, **options):
    blocks = train_with_spectra(
        participants, array, monitoring=monitoring, **{**OPTIONS, **options}
    ).blocks
    return permuted_differences(blocks, ["a", "b"], permutations=9, seed=0), blocks


def retrained(blocks, participants, array, numbers, monitoring=MONITORING, **options):
    return retrained_differences(
        blocks, participants, array, ["a", "b"],
        **{"numbers": numbers, "seed": 0, "monitoring": monitoring, **OPTIONS, **options},
    )  # fmt: skip


def test_a_retraining_in_which_nobody_changes_places_repeats_the_training_to_the_bit():
    participants, array = prepared()
    _, blocks = observed(participants, array)
    again = train_with_spectra(
        participants, array, monitoring=MONITORING, places=np.arange(len(array)), **OPTIONS
    )
    for name, node in blocks.children.items():
        xr.testing.assert_identical(node.to_dataset(), again.blocks[name].to_dataset())


def test_a_retraining_is_a_training_on_data_that_changed_places():
    participants, array = prepared()
    in_pass, blocks = observed(participants, array)
    found = retrained(blocks, participants, array, [7])
    places = permuted_places(participants, ["a", "b"], MONITORING, [0, 7])
    _, other = observed(participants, array[places])
    gathered = gather_retrainings(in_pass, other, [found])
    for name in other.children:
        ratios = gathered[name]
        np.testing.assert_array_equal(ratios["permuted"].values[0], ratios["difference"])
        gradient = other[name]["gradient"]
        sums = gradient.groupby("group").sum("block").values.astype(float)
        expected = np.log2(np.divide(*np.linalg.svd(sums.swapaxes(0, 1), compute_uv=False)))
        tested = ratios["tested"].values == 1
        assert tested.any()
        # Group a and b share a step's values; xarray puts groups before steps.
        np.testing.assert_allclose(
            ratios["difference"].values[tested], expected[tested], rtol=1e-3, atol=1e-4
        )


def test_data_change_places_only_between_the_groups_inside_sites_and_by_families():
    participants, _ = prepared()
    participants["component"] = np.repeat([f"family {n}" for n in range(24)], 2)
    within = dataclasses.replace(MONITORING, within=["site"])
    taking = participants["group"].isin(["a", "b"]) & (participants["split"] == "training")
    moved = np.zeros(len(participants))
    for number in range(30):
        places = permuted_places(participants, ["a", "b"], within, [0, number])
        assert sorted(places) == list(range(len(participants)))
        moved += places != np.arange(len(participants))
        assert (participants["site"].to_numpy()[places] == participants["site"]).all()
        family = participants["component"]
        for _, rows in participants[taking].groupby("component"):
            assert family.iloc[places[rows.index]].nunique() == 1
    assert (moved[taking] > 0).all()
    assert (moved[~taking] == 0).all()


def test_a_retraining_does_not_depend_on_its_batch_or_on_how_many_there_are():
    participants, array = prepared()
    in_pass, blocks = observed(participants, array)
    whole = retrained(blocks, participants, array, [1, 2, 3])
    parts = [retrained(blocks, participants, array, numbers) for numbers in ([1, 2], [3])]
    for name in whole.children:
        joined = xr.concat([part[name].to_dataset() for part in parts], "permutation")
        xr.testing.assert_identical(joined, whole[name].to_dataset())
    one = gather_retrainings(in_pass, blocks, [whole])
    other = gather_retrainings(in_pass, blocks, parts)
    for name in whole.children:
        xr.testing.assert_identical(one[name].to_dataset(), other[name].to_dataset())


class Interruption(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def trainings(monkeypatch):
    """Names of the trainings that were begun; the one named in `stop` ends with an interruption."""
    begun = {"names": [], "stop": None}

    def counted(*arguments, name, **options):
        begun["names"].append(name)
        if name == begun["stop"]:
            raise Interruption
        return train_with_spectra(*arguments, name=name, **options)

    monkeypatch.setattr("neurospect.spectra.retraining.train_with_spectra", counted)
    return begun


@pytest.mark.parametrize("finished", [0, 2])
def test_interrupted_retrainings_train_only_the_rest_and_end_with_the_same_bits(
    tmp_path, trainings, finished
):
    participants, array = prepared()
    _, blocks = observed(participants, array)
    write_datatree(tmp_path / "whole.nc", retrained(blocks, participants, array, [4, 5, 6]))
    kept = {"checkpoint": tmp_path / "unfinished.pt", "identity": "recipe"}
    every = [f"retraining, retraining {number}" for number in (4, 5, 6)]
    trainings["stop"] = every[finished]
    with pytest.raises(Interruption):
        retrained(blocks, participants, array, [4, 5, 6], **kept)
    trainings.update(names=[], stop=None)
    write_datatree(
        tmp_path / "resumed.nc", retrained(blocks, participants, array, [4, 5, 6], **kept)
    )
    assert trainings["names"] == every[finished:]
    assert (tmp_path / "resumed.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()


def test_finished_retrainings_of_another_identity_or_seed_are_not_used(tmp_path, trainings):
    participants, array = prepared()
    _, blocks = observed(participants, array)
    kept = {"checkpoint": tmp_path / "unfinished.pt"}
    for options in ({"identity": "recipe"}, {"identity": "other"}, {"seed": 1}):
        trainings["names"].clear()
        retrained(blocks, participants, array, [4], **kept, **options)
        assert len(trainings["names"]) == 1


def test_a_checkpoint_that_holds_no_retrainings_is_refused_before_any_training(tmp_path, trainings):
    participants, array = prepared()
    _, blocks = observed(participants, array)
    whose = {"identity": "", "seed": 0, "groups": ["a", "b"]}
    for content in ({}, {"differences": [4]}, {"differences": {4: {"0.weight": [1.0, 2.0]}}}):
        write_checkpoint(tmp_path / "unfinished.pt", {**whose, **content})
        with pytest.raises(BadInputError, match="checkpoint: found no differences"):
            retrained(blocks, participants, array, [4], checkpoint=tmp_path / "unfinished.pt")
    assert trainings["names"] == []


def test_retrainings_have_the_format_of_permuted_differences(tmp_path):
    """So that every test runs over them, from the files that jobs write."""
    participants, array = prepared()
    in_pass, blocks = observed(participants, array)
    for name, tree in {
        "in_pass": in_pass,
        "blocks": blocks,
        "batch": retrained(blocks, participants, array, range(19)),
    }.items():
        write_datatree(tmp_path / f"{name}.nc", tree)
    read = {name: read_datatree(tmp_path / f"{name}.nc") for name in ("in_pass", "blocks", "batch")}
    gathered = gather_retrainings(read["in_pass"], read["blocks"], [read["batch"]])
    write_datatree(tmp_path / "gathered.nc", gathered)
    gathered = read_datatree(tmp_path / "gathered.nc")
    for name, node in in_pass.children.items():
        assert set(gathered[name].variables) == set(node.variables)
        assert gathered[name]["permuted"].dims == node["permuted"].dims
        np.testing.assert_allclose(gathered[name]["difference"], node["difference"], atol=1e-3)
    table = permutation_table(gathered, alpha=0.05)
    assert set(table["retrained"]) == {True}
    assert set(table["relabelings"]) == {19}
    assert set(table["target"]) == {"yes"}
    assert len(weight_table(gathered, alpha=0.05)) == 2
    assert len(cluster_tables(gathered, forming=1.0, alpha=0.05)[1]) == len(table)
    assert len(effect_sizes(gathered)) == len(table)


def test_a_value_is_tested_where_it_is_above_the_noise_in_every_training():
    participants, array = prepared()
    in_pass, blocks = observed(participants, array)
    batch = retrained(blocks, participants, array, [1, 2])
    batch["2.weight"]["above"][1, 0, 0] = 0
    gathered = gather_retrainings(in_pass, blocks, [batch])
    above = in_pass["2.weight"]["tested"].values.copy()
    assert above[0, 0]
    above[0, 0] = 0
    np.testing.assert_array_equal(gathered["2.weight"]["tested"], above)


@pytest.mark.parametrize(
    "options",
    [
        {"plan": dataclasses.replace(OPTIONS["plan"], task="autoencoding")},
        {"target": "site"},
    ],
)
def test_where_labels_were_not_learnt_the_ordinary_test_stays(options):
    participants, array = prepared()
    participants["site"] = np.repeat(["x", "y"], 3).tolist() * 8
    in_pass, blocks = observed(participants, array, **options)
    batch = retrained(blocks, participants, array, [1], **options)
    assert not batch.children
    assert gather_retrainings(in_pass, blocks, [batch]) is in_pass
    assert set(permutation_table(in_pass, alpha=0.2)["retrained"]) == {False}
    assert set(permutation_table(in_pass, alpha=0.2)["target"]) == {"no"}


def test_batches_that_do_not_belong_together_are_refused():
    participants, array = prepared()
    in_pass, blocks = observed(participants, array)
    batch = retrained(blocks, participants, array, [1])
    with pytest.raises(BadInputError, match="permutation: found a number twice"):
        gather_retrainings(in_pass, blocks, [batch, batch])
    later = xr.DataTree.from_dict(
        {name: node.to_dataset().assign_coords(step=node["step"] + 1)
         for name, node in batch.children.items()}
    )  # fmt: skip
    with pytest.raises(BadInputError, match=r"0\.weight: found no retrainings at the same steps"):
        gather_retrainings(in_pass, blocks, [later])


def test_with_random_labels_that_were_learnt_retraining_is_right_and_relabeling_is_not():
    """Thirty features of 24 participants: labels are learnt by heart."""
    smallest = []
    plan = dataclasses.replace(OPTIONS["plan"], epochs=20, evaluate_every=20)
    two = dataclasses.replace(MONITORING, levels=["a", "b"], blocks_per_group=6)
    for seed in range(16):
        participants, array = prepared(seed, samples=30, features=30, groups="ab")
        in_pass, blocks = observed(participants, array, two, plan=plan)
        batch = retrained(blocks, participants, array, range(9), two, plan=plan)
        gathered = gather_retrainings(in_pass, blocks, [batch])
        smallest.append(
            [permutation_table(tree, alpha=0.1)["p"].min() for tree in (in_pass, gathered)]
        )
    by_relabeling, by_retraining = np.array(smallest).T
    # Uniform over 0.1, 0.2, ..., 1.
    uniform = stats.norm(0.55, np.sqrt(99 / 12) / 10 / 4)
    assert uniform.ppf(0.001) < by_retraining.mean() < uniform.ppf(0.999)
    assert by_relabeling.mean() < uniform.ppf(0.001)
    counts = np.bincount(np.rint(by_retraining * 10).astype(int) - 1 >= 5, minlength=2)
    assert stats.binomtest(int(counts[0]), 16).pvalue > 0.001
