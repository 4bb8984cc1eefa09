"""A training that is interrupted and called again ends with the bits of an undisturbed one."""

import copy
import dataclasses
import functools
import logging
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
from interruptions import Interruption, assert_an_interruption_changes_no_bit
from torch import nn

from neurospect.arrays.checkpoints import read_checkpoint, write_checkpoint
from neurospect.errors import BadInputError
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.loop import Examples, TrainingPlan, train
from neurospect.training.robust import train_pgd, train_random_noise

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


ORDINARY = TrainingPlan("classification", epochs=4, learning_rate=0.02, batch_size=8, seed=3)
OFTEN_KEPT = dataclasses.replace(ORDINARY, checkpoint_every=1)
WAYS = {
    "plain": train,
    "random noise": functools.partial(train_random_noise, epsilon=0.5),
    "pgd": functools.partial(train_pgd, epsilon=0.5),
    "algorithm 1": functools.partial(train_algorithm1, epsilon=0.5),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def task(scale=1.0, shift=0):
    rng = np.random.default_rng(0)
    inputs = torch.tensor(scale * rng.normal(size=(20, 4)), dtype=torch.float32)
    return Examples(inputs, (torch.arange(20) + shift) % 2)


def drawn(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.3), nn.Linear(6, 2))


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def stopped(model, way, plan, checkpoint, *, after):
    """Interrupt the training of a model after so many forward passes."""
    passes = []

    def count(*_):
        passes.append(1)
        if len(passes) == after:
            raise KeyboardInterrupt

    handle = model.register_forward_hook(count)
    with pytest.raises(KeyboardInterrupt):
        way(model, task(), plan, checkpoint=checkpoint)
    handle.remove()


@every_way
def test_a_training_of_fewer_epochs_than_between_checkpoints_is_kept_at_its_end(way, checkpoint):
    assert ORDINARY.epochs < ORDINARY.checkpoint_every
    first, passes = drawn(), []
    history = way(first, task(), ORDINARY, checkpoint=checkpoint)
    assert len(read_checkpoint(checkpoint)["history"]) == ORDINARY.epochs
    again = drawn()
    again.register_forward_hook(lambda *_: passes.append(1))
    assert way(again, task(), ORDINARY, checkpoint=checkpoint).equals(history)
    assert not passes
    assert torch.equal(weights(again), weights(first))


@every_way
@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("after", [1, 7, 20])
def test_the_model_of_an_interrupted_call_ends_with_the_same_bits(
    way, micro_batch_size, after, checkpoint
):
    plan = dataclasses.replace(
        ORDINARY, epochs=8, micro_batch_size=micro_batch_size, checkpoint_every=3
    )
    undisturbed, model = drawn(), drawn()
    history = way(undisturbed, task(), plan)
    stopped(model, way, plan, checkpoint, after=after)
    stopped(model, way, plan, checkpoint, after=min(after, 3))
    assert way(model, task(), plan, checkpoint=checkpoint).equals(history)
    assert torch.equal(weights(model), weights(undisturbed))


def test_what_grows_alongside_also_goes_back_to_the_start(checkpoint):
    run = interrupted(checkpoint, 2)
    run.stop_at = None
    run.model._forward_hooks.clear()
    assert_same(run(), Run(None)())


def test_a_training_that_ended_is_not_run_again_with_the_model_that_it_trained(checkpoint, caplog):
    model = drawn()
    train(model, task(), ORDINARY, checkpoint=checkpoint)
    trained = weights(model)
    with caplog.at_level(logging.INFO):
        train(model, task(), ORDINARY, checkpoint=checkpoint)
    assert torch.equal(weights(model), trained)
    assert "after epoch 4 of 4" in caplog.text


@every_way
@pytest.mark.parametrize(
    "other", [task(scale=3.0), task(shift=1), Examples(task().inputs[:18], task().classes[:18])]
)
def test_the_checkpoint_of_other_examples_is_not_used_and_the_log_says_so(
    way, other, checkpoint, caplog
):
    way(drawn(), task(), ORDINARY, checkpoint=checkpoint)
    found, expected = drawn(), drawn()
    way(found, other, ORDINARY, checkpoint=checkpoint)
    assert "belongs to other work (other examples): starting anew" in caplog.text
    way(expected, other, ORDINARY)
    assert torch.equal(weights(found), weights(expected))


def test_the_checkpoint_of_another_validation_split_is_not_used(checkpoint):
    plan = dataclasses.replace(ORDINARY, evaluate_every=1)
    train(drawn(), task(), plan, validation=task(), checkpoint=checkpoint)
    other = {"validation": task(scale=3.0)}
    found = train(drawn(), task(), plan, **other, checkpoint=checkpoint)
    assert found.equals(train(drawn(), task(), plan, **other))


def test_the_checkpoint_of_a_model_with_other_initial_weights_is_refused(checkpoint):
    train(drawn(0), task(), ORDINARY, checkpoint=checkpoint)
    kept, model = checkpoint.read_bytes(), drawn(1)
    with pytest.raises(BadInputError, match=r"start: found .* other initial weights") as raised:
        train(model, task(), ORDINARY, checkpoint=checkpoint)
    assert raised.value.where == str(checkpoint)
    assert torch.equal(weights(model), weights(drawn(1)))
    assert checkpoint.read_bytes() == kept


def test_so_is_that_of_a_model_that_was_drawn_anew_since_its_interruption(checkpoint):
    model = drawn(0)
    stopped(model, train, OFTEN_KEPT, checkpoint, after=5)
    model.load_state_dict(drawn(1).state_dict())
    with pytest.raises(BadInputError, match="other initial weights"):
        train(model, task(), OFTEN_KEPT, checkpoint=checkpoint)


def test_one_without_an_epoch_gives_way_to_a_model_with_other_initial_weights(checkpoint, caplog):
    stopped(drawn(0), train, ORDINARY, checkpoint, after=5)
    found, expected = drawn(1), drawn(1)
    train(found, task(), ORDINARY, checkpoint=checkpoint)
    assert "began with other initial weights: starting anew" in caplog.text
    train(expected, task(), ORDINARY)
    assert torch.equal(weights(found), weights(expected))


def test_a_model_given_the_state_in_the_checkpoint_goes_on_from_there(checkpoint):
    stopped(drawn(0), train, OFTEN_KEPT, checkpoint, after=10)
    undisturbed, other = drawn(0), drawn(1)
    history = train(undisturbed, task(), OFTEN_KEPT)
    other.load_state_dict(read_checkpoint(checkpoint)["states"]["model"])
    assert train(other, task(), OFTEN_KEPT, checkpoint=checkpoint).equals(history)
    assert torch.equal(weights(other), weights(undisturbed))


def test_an_identity_speaks_for_the_initial_weights(checkpoint):
    def run(seed):
        model = drawn(seed)
        train(model, task(), ORDINARY, checkpoint=checkpoint, identity="recipe")
        return weights(model)

    assert torch.equal(run(0), run(1))


NUMPY = {
    "learning_rate": np.float64(1e-2),
    "epochs": np.int64(4),
    "batch_size": np.int32(8),
    "micro_batch_size": np.int64(3),
    "seed": np.int64(3),
    "evaluate_every": np.int16(2),
    "checkpoint_every": np.int64(1),
}


@every_way
def test_a_training_with_numbers_of_numpy_is_interrupted_and_resumed(way, checkpoint):
    theirs = dataclasses.replace(ORDINARY, **NUMPY)
    own = dataclasses.replace(ORDINARY, **{name: value.item() for name, value in NUMPY.items()})
    assert_an_interruption_changes_no_bit(
        drawn, lambda model, file: way(model, task(), theirs, checkpoint=file), checkpoint
    )
    assert way(drawn(), task(), theirs).equals(way(drawn(), task(), own))


@pytest.mark.parametrize("way", [train_random_noise, train_pgd, train_algorithm1])
def test_equal_numbers_are_one_training_whatever_their_type(way, checkpoint, caplog):
    plan = dataclasses.replace(ORDINARY, epochs=1)
    with caplog.at_level(logging.INFO):
        for own in ({"epsilon": 1, "weight_penalty": 0}, {"epsilon": np.float64(1.0)}):
            way(drawn(), task(), plan, checkpoint=checkpoint, **own)
    assert "going on from" in caplog.text and "starting anew" not in caplog.text


def test_what_an_interrupted_training_began_with_is_known_of_its_own_model_alone(checkpoint):
    model = drawn()
    stopped(model, train, OFTEN_KEPT, checkpoint, after=5)
    with pytest.raises(BadInputError, match="other initial weights"):
        train(copy.deepcopy(model), task(), OFTEN_KEPT, checkpoint=checkpoint)
