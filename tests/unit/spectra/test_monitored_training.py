import dataclasses
import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from neurospect.arrays.labelled import write_datatree
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.spectra.label_permutation import labels_are_target, permuted_differences
from neurospect.spectra.monitored_training import Monitoring, train_with_spectra
from neurospect.stats.group_differences import permutation_table
from neurospect.training.loop import TrainingPlan, TrainingStoppedError

EPOCHS = 24
FEATURES = 7
PLAN = TrainingPlan(
    "classification", epochs=EPOCHS, learning_rate=0.01, evaluate_every=5, checkpoint_every=5
)
MONITORING = Monitoring(
    group_column="site",
    levels=["north", "south", "east"],
    every=1,
    factors_every=4,
    compared=["east", "north"],
    blocks_per_group=4,
    block_steps=6,
)


class Interruption(Exception):
    """Stands for whatever ends a process."""


def prepared(seed=0):
    """60 participants of three sites and two diagnoses, in the order of their ids."""
    rng = np.random.default_rng(seed)
    participants = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02d}" for number in range(60)],
            "site": rng.permutation(np.repeat(["east", "north", "south"], 20)),
            "diagnosis": rng.permutation(np.repeat(["patient", "control"], 30)),
            "split": rng.permutation(np.repeat(["training", "validation", "test"], [40, 10, 10])),
        }
    )
    return participants, rng.normal(size=(60, FEATURES)).astype(np.float32)


def training(participants=None, array=None, plan=PLAN, monitoring=MONITORING, **options):
    known, measured = prepared()
    arguments = {
        "target": "diagnosis",
        "family": "mlp",
        "architecture": {"widths": [6], "activation": "tanh"},
        "device": "cpu",
        **options,
    }
    return train_with_spectra(
        known if participants is None else participants,
        measured if array is None else array,
        plan=plan,
        monitoring=monitoring,
        **arguments,
    )


def changed(**changes):
    return dataclasses.replace(MONITORING, **changes)


def bytes_of(trained, folder):
    """Everything that came of a training, as it is written."""
    folder.mkdir()
    write_datatree(folder / "spectra.nc", trained.spectra)
    write_datatree(folder / "blocks.nc", trained.blocks)
    weights = b"".join(p.detach().cpu().numpy().tobytes() for p in trained.model.parameters())
    return (
        (folder / "spectra.nc").read_bytes(),
        (folder / "blocks.nc").read_bytes(),
        trained.history.to_csv(),
        weights,
    )


@pytest.fixture(autouse=True, scope="module")
def process_settings():
    """Training sets threads and determinism for the whole process; the other tests keep theirs."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return bytes_of(training(), tmp_path_factory.mktemp("undisturbed") / "results")


def after_each_epoch(action):
    """Call `action` with the number of optimizer steps so far; return the hook's handle."""
    steps = 0

    def hook(optimizer, arguments, named):
        nonlocal steps
        steps += 1
        action(steps)

    return register_optimizer_step_post_hook(hook)


def interrupted(checkpoint, at, **options):
    def stop(passes):
        if passes == at:
            raise Interruption

    handle = after_each_epoch(stop)
    try:
        with pytest.raises(Interruption):
            training(checkpoint=checkpoint, **options)
    finally:
        handle.remove()


@pytest.mark.parametrize("epoch", [1, 6, 7, 13, 24])
def test_an_interrupted_training_ends_with_the_same_spectra_to_the_byte(
    epoch, undisturbed, tmp_path
):
    interrupted(tmp_path / "unfinished.pt", epoch)
    resumed = training(checkpoint=tmp_path / "unfinished.pt")
    assert bytes_of(resumed, tmp_path / "results") == undisturbed


def test_interrupted_mini_batches_end_with_the_same_spectra_to_the_byte(tmp_path):
    options = {
        "plan": dataclasses.replace(PLAN, batch_size=16),
        "monitoring": changed(compared=[], every=2, factors_every=6),
    }
    whole = bytes_of(training(**options), tmp_path / "undisturbed")
    for at in (8, 11, 40):
        interrupted(tmp_path / "unfinished.pt", at, **options)
    resumed = training(checkpoint=tmp_path / "unfinished.pt", **options)
    assert bytes_of(resumed, tmp_path / "resumed") == whole


def test_how_often_checkpoints_are_written_does_not_change_a_byte(undisturbed, tmp_path):
    often = dataclasses.replace(PLAN, checkpoint_every=1)
    trained = training(plan=often, checkpoint=tmp_path / "unfinished.pt")
    assert bytes_of(trained, tmp_path / "results") == undisturbed


# A line longer than half of what a pipe holds: the training cannot run ahead of who reads it.
CHILD = """
import dataclasses, sys
sys.path.insert(0, {folder!r})
import test_monitored_training as tests
def say(passes):
    sys.stdout.write(f"{{passes}}".rjust(40_000) + chr(10))
    sys.stdout.flush()
tests.after_each_epoch(say)
tests.training(plan=dataclasses.replace(tests.PLAN, checkpoint_every=1), checkpoint={checkpoint!r})
"""


def killed(checkpoint, after):
    """Train in another process and kill it while it works on the epochs after so many."""
    code = CHILD.format(folder=str(Path(__file__).parent), checkpoint=str(checkpoint))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        for _ in range(after):
            line = child.stdout.readline()
            assert line, "the training ended by itself"
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def test_a_killed_training_ends_with_the_same_spectra_to_the_byte(undisturbed, tmp_path):
    """Killed in the middle of its first epochs, then twice more on the way that was left."""
    checkpoint = tmp_path / "unfinished.pt"
    for after in (1, 6, 4):
        killed(checkpoint, after)
    plan = dataclasses.replace(PLAN, checkpoint_every=1)
    passes = []
    handle = after_each_epoch(passes.append)
    try:
        resumed = training(plan=plan, checkpoint=checkpoint)
    finally:
        handle.remove()
    assert 1 <= len(passes) <= EPOCHS - 8
    assert bytes_of(resumed, tmp_path / "results") == undisturbed


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(undisturbed, tmp_path):
    assert bytes_of(training(), tmp_path / "again") == undisturbed
    other = bytes_of(training(plan=dataclasses.replace(PLAN, seed=1)), tmp_path / "other")
    assert all(a != b for a, b in zip(other, undisturbed, strict=True))


def with_families(seed=0):
    """The same participants, every third of whom has a sibling of the same site and diagnosis."""
    participants, array = prepared(seed)
    by_kind = participants.groupby(["site", "diagnosis", "split"])["participant_id"]
    first = by_kind.transform(lambda ids: [ids.iloc[n // 2 * 2] for n in range(len(ids))])
    is_sibling = np.random.default_rng(seed).random(60) < 0.6
    return participants.assign(
        component=first.where(is_sibling, participants.participant_id)
    ), array


IN_DIAGNOSIS = changed(within=["diagnosis"], blocks_per_group=6)


@pytest.mark.parametrize("engine", ["by_group", "in_pass"])
def test_an_interrupted_training_with_strata_and_families_ends_with_the_same_bytes(
    engine, tmp_path
):
    participants, _ = with_families()
    options = {
        "participants": participants,
        "monitoring": dataclasses.replace(IN_DIAGNOSIS, engine=engine),
    }
    whole = bytes_of(training(**options), tmp_path / "undisturbed")
    interrupted(tmp_path / "unfinished.pt", 13, **options)
    resumed = training(checkpoint=tmp_path / "unfinished.pt", **options)
    assert bytes_of(resumed, tmp_path / "resumed") == whole


def test_both_ways_to_record_keep_the_same_blocks_in_strata_and_families():
    participants, _ = with_families()
    one, other = (
        training(participants, monitoring=dataclasses.replace(IN_DIAGNOSIS, engine=engine)).blocks
        for engine in ("by_group", "in_pass")
    )
    for name, node in one.children.items():
        for coordinate in ("group", "stratum", "unit"):
            assert node[coordinate].values.tolist() == other[name][coordinate].values.tolist()
        np.testing.assert_allclose(
            node["gradient"][0], other[name]["gradient"][0], rtol=1e-4, atol=1e-7
        )
    assert one.attrs["exchanged"] == "within each diagnosis, families whole"


def test_each_block_holds_the_gradient_of_samples_of_its_group_and_stratum():
    """Whoever is not of a stratum and group has no part in the sum of its blocks."""
    trained = training(monitoring=changed(within=["diagnosis"], blocks_per_group=1000))
    node = trained.blocks["0.weight"]
    assert trained.blocks.attrs["block_size"] == 1
    participants, _ = prepared()
    inside = participants[participants["split"] == "training"]
    counts = inside.groupby(["diagnosis", "site"]).size().unstack()[["east", "north"]]
    for diagnosis, matched in counts.min(axis=1).items():
        for site in ("east", "north"):
            kept = (node["stratum"] == diagnosis) & (node["group"] == site)
            assert int(kept.sum()) == matched
    left_over = counts.to_numpy().sum() - 2 * counts.min(axis=1).sum()
    assert trained.blocks.attrs["samples_left_over"] == left_over > 0


@pytest.mark.parametrize(
    ("task", "target", "within", "told"),
    [
        ("classification", "site", [], "yes"),
        ("classification", "kind", [], "yes"),
        ("classification", "diagnosis", [], "no"),
        ("autoencoding", "site", [], "no"),
        ("classification", "mostly_site", [], "in part"),
        ("classification", "diagnosis", ["diagnosis"], "no"),
    ],
)
def test_the_blocks_say_whether_the_labels_were_learnt(task, target, within, told):
    participants, _ = prepared()
    kind = participants["site"].map({"east": "coast", "north": "inland", "south": "inland"})
    mostly = participants["site"].where(participants.index % 5 > 0, "east")
    trained = training(
        participants.assign(kind=kind, mostly_site=mostly),
        plan=dataclasses.replace(PLAN, task=task, epochs=1),
        target=target,
        monitoring=changed(within=within),
    )
    assert labels_are_target(trained.blocks, ["east", "north"]) == told
    assert labels_are_target(trained.blocks, ["north", "east"]) == told


def exact_p(blocks, permitted):
    """By numpy alone: the p value of each step and rank over all permitted relabelings."""
    statistics = []
    for in_a in permitted:
        each = [
            np.log2(np.divide(*(np.linalg.svd(node["gradient"].values[:, side].astype(float).sum(1),
                                              compute_uv=False) for side in (in_a, ~in_a))))
            for node in blocks.children.values()
        ]  # fmt: skip
        statistics.append(np.concatenate([part[:, :2].ravel() for part in each]))
    every = np.array(statistics)
    scores = np.abs(every) / np.sqrt((every**2).mean(axis=0))
    return (scores.max(axis=1)[:, None] >= scores[0] - 1e-6).mean(axis=0)


def test_a_test_within_strata_is_that_over_all_permitted_relabelings():
    """Every way to exchange labels inside a diagnosis, and no other, counted one by one."""
    participants, array = prepared(seed=4)
    trained = training(participants, array, target="site", monitoring=changed(within=["diagnosis"]))
    labels = trained.blocks["0.weight"]["group"].values == "east"
    stratum = trained.blocks["0.weight"]["stratum"].values
    permitted = [labels] + [
        in_a
        for chosen in itertools.combinations(range(labels.size), int(labels.sum()))
        if (in_a := np.isin(np.arange(labels.size), chosen)).tolist() != labels.tolist()
        and all((in_a & (stratum == s)).sum() == (labels & (stratum == s)).sum() for s in stratum)
    ]
    found = permuted_differences(trained.blocks, ["east", "north"], permutations=999, seed=0)
    assert found.attrs["relabelings_possible"] == len(permitted) > 20
    drawn = found["0.weight"]["permuted"].values.reshape(999, -1)
    is_observed = (drawn == found["0.weight"]["difference"].values.ravel()).all(axis=1)
    once = np.unique(drawn[~is_observed], axis=0, return_index=True)[1]
    assert len(once) == len(permitted) - 1, "each of them is drawn, and no other"
    differences = found.isel(permutation=np.flatnonzero(~is_observed)[once])
    for node in differences.children.values():
        node["tested"][:, 2:] = 0
    table = permutation_table(differences, alpha=0.05)
    chosen = table["rank"] <= 2
    assert table.loc[chosen, "tested"].all()
    expected = exact_p(trained.blocks, permitted)
    np.testing.assert_allclose(table.loc[chosen, "p"], expected, rtol=1e-12)
    assert len(np.unique(expected)) >= 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_training_repeats_and_resumes_to_the_same_bytes(tmp_path):
    first = bytes_of(training(device="cuda"), tmp_path / "first")
    assert bytes_of(training(device="cuda"), tmp_path / "again") == first
    interrupted(tmp_path / "unfinished.pt", 13, device="cuda")
    resumed = training(device="cuda", checkpoint=tmp_path / "unfinished.pt")
    assert bytes_of(resumed, tmp_path / "resumed") == first


def test_recording_does_not_change_the_training():
    recorded = training()
    hardly = training(monitoring=changed(every=10**6, factors_every=10**6, compared=[]))
    for a, b in zip(recorded.model.parameters(), hardly.model.parameters(), strict=True):
        assert torch.equal(a, b)
    pd.testing.assert_frame_equal(recorded.history, hardly.history, check_exact=True)


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_the_first_spectra_are_those_of_autograd(task):
    """Each group's share of the mean loss, differentiated by itself."""
    participants, array = prepared()
    trained = training(plan=dataclasses.replace(PLAN, task=task, epochs=2))
    inside = participants[participants["split"] == "training"]
    inputs = torch.from_numpy(array[inside.index]).double()
    codes = torch.from_numpy((inside["diagnosis"] == "patient").to_numpy().astype(int))
    model = build_model(
        "mlp", task=task, input_shape=(FEATURES,), classes=2, seed=0, widths=[6], activation="tanh"
    ).double()
    outputs = model(inputs)
    if task == "classification":
        losses = nn.functional.cross_entropy(outputs, codes, reduction="none") / len(inside)
    else:
        losses = ((outputs - inputs) ** 2).mean(1) / len(inside)
    for group in ["all", *MONITORING.levels]:
        of_group = torch.from_numpy((inside["site"] == group).to_numpy() | (group == "all"))
        gradients = torch.autograd.grad(
            losses[of_group].sum(), [model[0].weight, model[2].weight], retain_graph=True
        )
        for name, gradient in zip(["0.weight", "2.weight"], gradients, strict=True):
            np.testing.assert_allclose(
                trained.spectra[name]["gradient"].sel(step=0, group=group),
                torch.linalg.svdvals(gradient),
                rtol=1e-4,
                atol=1e-7,
            )


def test_groups_come_in_the_order_of_the_levels_with_their_sizes():
    participants, _ = prepared()
    trained = training(plan=dataclasses.replace(PLAN, epochs=1))
    node = trained.spectra["0.weight"]
    assert node["group"].values.tolist() == ["all", "north", "south", "east"]
    inside = participants[participants["split"] == "training"]
    sizes = [int((inside["site"] == site).sum()) for site in MONITORING.levels]
    assert list(node.attrs["group_sizes"]) == [len(inside), *sizes]


def test_participants_of_other_levels_take_no_part():
    participants, array = prepared()
    two = changed(levels=["south", "east"], compared=[])
    trained = training(monitoring=two)
    chosen = participants["site"] != "north"
    assert int(trained.spectra["0.weight"].attrs["group_sizes"][0]) == int(
        (chosen & (participants["split"] == "training")).sum()
    )
    array[~chosen] = 1e6
    again = training(array=array, monitoring=two)
    pd.testing.assert_frame_equal(again.history, trained.history, check_exact=True)


def test_block_gradients_are_kept_of_the_compared_groups_at_spread_steps():
    blocks = training().blocks["0.weight"]
    assert blocks["group"].values.tolist() == ["east"] * 4 + ["north"] * 4
    assert blocks["step"].values[[0, -1]].tolist() == [0, EPOCHS - 1]
    assert blocks["gradient"].shape[1:] == (8, 6, FEATURES)


def test_blocks_of_one_sample_each_sum_to_the_gradient_of_their_group():
    trained = training(monitoring=changed(compared=["south"], blocks_per_group=1000))
    blocks = trained.blocks["2.weight"]["gradient"].sum("block")
    for step in trained.blocks["2.weight"]["step"].values:
        np.testing.assert_allclose(
            np.linalg.svd(blocks.sel(step=step), compute_uv=False),
            trained.spectra["2.weight"]["gradient"].sel(step=step, group="south"),
            rtol=1e-3,
            atol=1e-7,
        )


def test_blocks_are_drawn_from_all_of_a_group_and_not_cut_from_its_order():
    """Participants in the order of their scans would else differ from block to block."""
    participants, array = prepared()
    participants = participants.sort_values("site", ignore_index=True)
    participants["split"] = "training"
    participants.loc[::10, "split"] = "validation"
    drift = np.arange(60) % 20 >= 10
    array[:] = 0.0
    array[drift] = 1.0
    trained = training(
        participants,
        array,
        plan=dataclasses.replace(PLAN, task="autoencoding", epochs=1),
        monitoring=changed(compared=["east"], blocks_per_group=2),
    )
    first, second = (
        np.linalg.norm(block) for block in trained.blocks["2.weight"]["gradient"].values[0]
    )
    assert 0.3 < first / second < 3


def test_the_model_tells_apart_every_class_of_the_participants_used():
    """A class that only the validation split has needs an output, too."""
    participants, _ = prepared()
    validation, test = (
        participants.index[participants["split"] == split][0] for split in ("validation", "test")
    )
    participants.loc[validation, "diagnosis"] = "sibling"
    participants.loc[test, "diagnosis"] = "unknown"
    trained = training(participants)
    assert trained.model[-1].out_features == 3
    assert 0 < trained.history["validation_accuracy"].iloc[-1] < 1


def test_the_target_may_be_the_group():
    participants, array = prepared()
    array[:, 0] += 8 * (participants["site"] == "north")
    array[:, 1] += 8 * (participants["site"] == "south")
    plan = dataclasses.replace(PLAN, epochs=150)
    trained = training(array=array, target="site", plan=plan)
    assert trained.model[-1].out_features == 3
    assert trained.history["validation_accuracy"].iloc[-1] >= 0.9


def test_mini_batches_are_recorded_step_by_step():
    trained = training(
        plan=dataclasses.replace(PLAN, batch_size=16, epochs=4), monitoring=changed(compared=[])
    )
    node = trained.spectra["0.weight"]
    assert node["step"].values.tolist() == list(range(4 * 3))
    assert node["group_size"].sel(group="all").values.tolist() == [16, 16, 8] * 4
    sizes = node["group_size"].values
    np.testing.assert_array_equal(sizes[:, 1:].sum(1), sizes[:, 0])
    assert not trained.blocks.children


def table(**columns):
    participants, _ = prepared()
    for column, change in columns.items():
        participants[column] = change(participants)
    return participants


def in_training(count):
    """Leave so many of site south in the training split."""

    def change(participants):
        south = (participants["site"] == "south") & (participants["split"] == "training")
        return participants["split"].mask(south & (south.cumsum() > count), "test")

    return change


def array_with(value, split):
    participants, array = prepared()
    row = participants.index[participants["split"] == split][3]
    array[row, 2] = value
    return array, row


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"participants": table(split=in_training(1))},
            "group south: found 1 sample, expected",
        ),
        ({"participants": table(split=in_training(0))}, "group south: found 0 samples"),
        (
            {"participants": table(split=lambda p: p["split"].replace("validation", "test"))},
            "splits: validation: found no participant",
        ),
        (
            {"participants": table(diagnosis=lambda p: p["diagnosis"].where(p.index != 4))},
            "participants: diagnosis, row 4: found no class, and 1 such rows",
        ),
        (
            {"participants": table().drop(columns="site")},
            "columns: found participant_id, diagnosis, split, .* Add the missing: site",
        ),
        ({"target": "sex"}, "Add the missing: sex"),
        ({"participants": table().iloc[:50]}, "rows: found 60, expected 50"),
        ({"array": array_with(np.nan, "training")[0]}, "array: row .* found NaN or infinity"),
        ({"array": array_with(-np.inf, "validation")[0]}, "array: row .* found NaN or infinity"),
        (
            {"plan": dataclasses.replace(PLAN, batch_size=8)},
            "batch_size: found 8, expected",
        ),
        ({"plan": dataclasses.replace(PLAN, micro_batch_size=8)}, "micro_batch_size: found 8"),
        ({"monitoring": changed(compared=["east", "west"])}, "group west: found 0 samples"),
        ({"monitoring": changed(within=["scanner"])}, "Add the missing: scanner"),
        (
            {
                "participants": table(sex=lambda p: p["site"].where(p.index != 4)),
                "monitoring": changed(within=["sex"], compared=["east", "north", "south"]),
            },
            "sex of sub-04: found nothing, and 1 such rows",
        ),
        ({"monitoring": changed(within=["site"])}, "strata with one group only: east, north"),
        ({"family": "oracle"}, "family: found 'oracle'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_training(options, words, tmp_path):
    assert table().loc[4, "split"] != "test"
    passes = []
    handle = after_each_epoch(passes.append)
    try:
        with pytest.raises(BadInputError, match=words):
            training(**options, checkpoint=tmp_path / "unfinished.pt")
    finally:
        handle.remove()
    assert passes == []
    assert not (tmp_path / "unfinished.pt").exists()


def test_the_row_that_is_not_finite_is_named():
    array, row = array_with(np.nan, "training")
    with pytest.raises(BadInputError, match=rf"array: row {row}: found NaN or infinity, and 1"):
        training(array=array)


def test_participants_kept_for_the_test_need_not_be_finite():
    array, _ = array_with(np.nan, "test")
    assert training(array=array).history["train_loss"].notna().all()


def test_a_training_that_fails_says_which_it_is():
    array = prepared()[1] * np.float32(1e30)
    plan = dataclasses.replace(PLAN, task="autoencoding")
    with pytest.raises(BadInputError, match="digits A seed 0: loss at epoch 1: found inf"):
        training(array=array, plan=plan, name="digits A seed 0")


def test_a_memory_mapped_array_is_read_as_one_in_memory(undisturbed, tmp_path):
    np.save(tmp_path / "array.npy", prepared()[1])
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    assert bytes_of(training(array=mapped), tmp_path / "results") == undisturbed


def test_a_loss_that_is_no_number_stops_the_training_and_loses_nothing():
    """A learning rate so large that weights overflow after a few epochs."""
    steep = dataclasses.replace(PLAN, task="autoencoding", learning_rate=1e18, epochs=40)
    with pytest.raises(
        TrainingStoppedError, match=r"loss at epoch \d+: found (nan|inf)"
    ) as stopped:
        training(plan=steep)
    epoch = int(re.search(r"epoch (\d+)", stopped.value.field)[1])
    assert 1 < epoch < 40
    assert stopped.value.history["epoch"].to_list() == list(range(1, epoch))
    assert np.isfinite(stopped.value.history["train_loss"]).all()
    node = next(iter(stopped.value.kept.children.values()))
    assert node["step"].to_numpy().tolist() == list(range(epoch))
    assert np.isfinite(node["gradient"].sel(step=0, rank=1)).all()
