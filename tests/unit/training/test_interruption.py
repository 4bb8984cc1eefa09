"""A training that is interrupted and called again ends with the bits of an undisturbed one."""

import dataclasses
import pathlib
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from interruptions import Interruption
from torch import nn

from neurospect.arrays.checkpoints import read_checkpoint, write_checkpoint
from neurospect.errors import BadInputError
from neurospect.training.loop import Examples, TrainingPlan, train

EPOCHS = 11
PLAN = TrainingPlan(
    "classification", epochs=EPOCHS, learning_rate=0.01, evaluate_every=4, checkpoint_every=3
)
OFTEN = dataclasses.replace(PLAN, checkpoint_every=1)


class Tally:
    """Something that grows with the training."""

    def __init__(self):
        self.seen = []

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen = list(state["seen"])


@dataclasses.dataclass
class Run:
    """One call of `train`, on a model that draws random numbers of its own."""

    checkpoint: pathlib.Path | None
    plan: TrainingPlan = PLAN
    stop_at: int | None = None
    identity: str = "recipe"
    width: int = 6

    def __post_init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(4, self.width), nn.Tanh(), nn.Dropout(0.3), nn.Linear(self.width, 2)
        )
        self.tally = Tally()
        self.passes = 0
        # Other random numbers than those of any other run.
        torch.seed()

    def __call__(self):
        rng = np.random.default_rng(0)
        inputs = torch.tensor(rng.normal(size=(20, 4)), dtype=torch.float32)
        examples = Examples(inputs, (inputs[:, 0] > 0).long())
        self.model.register_forward_hook(self._count)
        self.history = train(
            self.model,
            examples,
            self.plan,
            validation=Examples(inputs[:7], examples.classes[:7]),
            checkpoint=self.checkpoint,
            identity=self.identity,
            alongside={"tally": self.tally},
        )
        return self

    def _count(self, module, inputs, output):
        if not module.training:
            return
        self.passes += 1
        self.tally.seen.append(len(self.tally.seen) + 1)
        if len(self.tally.seen) == self.stop_at:
            raise Interruption


def interrupted(checkpoint, at, **options):
    run = Run(checkpoint, stop_at=at, **options)
    with pytest.raises(Interruption):
        run()
    return run


def assert_same(run, other):
    pd.testing.assert_frame_equal(run.history, other.history, check_exact=True)
    weights, others = run.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert run.tally.seen == other.tally.seen


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "unfinished.pt"


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("epoch", [1, 3, 4, 5, 9, 10, 11])
def test_an_interrupted_training_ends_with_the_same_bits(checkpoint, epoch, batch_size):
    plan = dataclasses.replace(PLAN, batch_size=batch_size)
    passes_per_epoch = 1 if batch_size is None else 3
    undisturbed = Run(None, plan)()
    interrupted(checkpoint, epoch * passes_per_epoch, plan=plan)
    resumed = Run(checkpoint, plan)()
    assert_same(resumed, undisturbed)
    kept = (epoch - 1) // 3 * 3
    assert resumed.passes == (EPOCHS - kept) * passes_per_epoch


def test_a_training_may_be_interrupted_again_and_again(checkpoint):
    for epoch in (2, 4, 5, 8, 11):
        interrupted(checkpoint, epoch)
    assert_same(Run(checkpoint)(), Run(None)())


def test_how_often_checkpoints_are_written_does_not_change_the_training(checkpoint):
    assert_same(Run(checkpoint, OFTEN)(), Run(None)())


def test_an_interruption_while_a_state_is_taken_leaves_the_earlier_checkpoint(checkpoint):
    run = Run(checkpoint)
    taken = run.tally.state_dict

    def fail_at_the_second():
        if len(run.tally.seen) == 6:
            raise Interruption
        return taken()

    run.tally.state_dict = fail_at_the_second
    with pytest.raises(Interruption):
        run()
    resumed = Run(checkpoint)()
    assert resumed.passes == EPOCHS - 3
    assert_same(resumed, Run(None)())


WIDE = """
import sys
sys.path.insert(0, {folder!r})
import torch
import test_interruption as tests
torch.set_num_threads(1)
tests.Run(tests.pathlib.Path({checkpoint!r}), tests.OFTEN, width=300_000)()
"""


def test_a_training_killed_while_it_writes_a_checkpoint_ends_with_the_same_bits(checkpoint):
    """Every checkpoint takes 20 MB, so that the kill falls into the writing of one."""
    code = WIDE.format(folder=str(pathlib.Path(__file__).parent), checkpoint=str(checkpoint))
    for written_before in (0, 1):
        child = subprocess.Popen([sys.executable, "-c", code])
        while child.poll() is None:
            unfinished = [path for path in checkpoint.parent.iterdir() if path != checkpoint]
            if unfinished and checkpoint.exists() >= written_before:
                child.kill()
                child.wait()
            time.sleep(0.001)
        assert child.returncode == -signal.SIGKILL
        for path in unfinished:
            path.unlink(missing_ok=True)
    resumed = Run(checkpoint, OFTEN, width=300_000)()
    assert_same(resumed, Run(None, OFTEN, width=300_000)())


def test_a_finished_training_is_not_run_again(checkpoint):
    plan = dataclasses.replace(PLAN, checkpoint_every=EPOCHS)
    first, again = Run(checkpoint, plan)(), Run(checkpoint, plan)()
    assert again.passes == 0
    assert_same(again, first)


@pytest.mark.parametrize(
    "other",
    [
        {"identity": "another recipe"},
        {"plan": dataclasses.replace(PLAN, learning_rate=0.02)},
        {"plan": dataclasses.replace(PLAN, epochs=EPOCHS + 5)},
        {"plan": dataclasses.replace(PLAN, seed=1)},
    ],
)
def test_the_checkpoint_of_another_training_is_not_used(checkpoint, other):
    interrupted(checkpoint, 8)
    run = Run(checkpoint, **other)()
    assert run.passes == run.plan.epochs
    assert_same(run, Run(None, **other)())


def test_a_checkpoint_that_does_not_fit_the_model_is_refused_by_name(checkpoint):
    interrupted(checkpoint, 8)
    with pytest.raises(BadInputError, match="a state that does not fit") as raised:
        Run(checkpoint, width=5)()
    assert raised.value.where == str(checkpoint)


@pytest.mark.parametrize("missing", ["states", "history"])
def test_a_checkpoint_without_its_parts_is_refused_by_name(checkpoint, missing):
    interrupted(checkpoint, 8)
    content = read_checkpoint(checkpoint)
    del content[missing]
    write_checkpoint(checkpoint, content)
    with pytest.raises(BadInputError, match=f"KeyError: '{missing}'") as raised:
        Run(checkpoint)()
    assert raised.value.where == str(checkpoint)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_checkpoint_that_was_cut_off_is_refused_by_name(checkpoint, share):
    interrupted(checkpoint, 8)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadInputError, match="cannot be read") as raised:
        Run(checkpoint)()
    assert raised.value.where == str(checkpoint)


def test_every_flipped_bit_of_a_weight_is_noticed(checkpoint):
    values = torch.arange(64, dtype=torch.float32)
    write_checkpoint(checkpoint, {"weight": values})
    whole = checkpoint.read_bytes()
    start = whole.index(values.numpy().tobytes())
    for place in range(start, start + 256, 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        checkpoint.write_bytes(damaged)
        with pytest.raises(BadInputError, match="cannot be read"):
            read_checkpoint(checkpoint)


def test_damage_anywhere_is_refused_or_harmless(checkpoint):
    content = {"weight": torch.arange(8.0), "history": [[1.0, float("nan")]], "identity": "x"}
    write_checkpoint(checkpoint, content)
    whole = checkpoint.read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        checkpoint.write_bytes(damaged)
        try:
            found = read_checkpoint(checkpoint)
        except BadInputError as error:
            refused += error.where == str(checkpoint)
        else:
            assert torch.equal(found["weight"], content["weight"])
            assert (found["identity"], found["history"][0][0]) == ("x", 1.0)
    assert refused > 20


class _WritesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_checkpoint_with_a_pickled_object_is_refused_and_runs_nothing(checkpoint, tmp_path):
    trace = tmp_path / "trace"
    torch.save({"identity": "recipe", "history": _WritesAFile(trace)}, checkpoint)
    with pytest.raises(BadInputError, match="objects other than tensors") as raised:
        Run(checkpoint)()
    assert raised.value.where == str(checkpoint)
    assert not trace.exists()


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2]])
def test_a_file_of_tensors_that_is_no_checkpoint_is_refused(checkpoint, content):
    torch.save(content, checkpoint)
    with pytest.raises(BadInputError, match=f"found {type(content).__name__}, expected"):
        read_checkpoint(checkpoint)


def test_another_kind_of_archive_is_refused(checkpoint):
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("readme", "not a checkpoint")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_checkpoint(checkpoint)


def test_a_missing_checkpoint_is_named(checkpoint):
    with pytest.raises(BadInputError, match="No such file"):
        read_checkpoint(checkpoint)


def test_equal_content_gives_equal_bytes_whatever_the_name(checkpoint, tmp_path):
    content = {"weight": torch.arange(5.0), "history": [[1.0, 2.0]], "identity": "x"}
    write_checkpoint(checkpoint, content)
    write_checkpoint(tmp_path / "another_name.pt", content)
    assert (tmp_path / "another_name.pt").read_bytes() == checkpoint.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another_name.pt", checkpoint.name]
