"""Taking away what a map calls salient hurts where the map is right."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

from neurospect.arrays.checkpoints import read_checkpoint, write_checkpoint
from neurospect.cohorts.block_digits import make_block_digits, signal_regions
from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks, synthetic_templates
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency import saliency_maps, train_pgd
from neurospect.saliency.removal import (
    RETRAINED_COLUMNS,
    diff_roar,
    removal_curves,
    replace_by_rank,
    retrained_accuracy,
    share_inside,
)
from neurospect.training.loop import Examples, TrainingPlan


def synthetic(per_class, seed):
    inputs = torch.from_numpy(make_synthetic_tasks(per_class, 0.5, seed).array)
    return inputs, torch.from_numpy(np.repeat(np.arange(3), per_class))


def informative():
    """What tells the classes apart, the same map for every example."""
    return torch.from_numpy(synthetic_templates().std(0))


@pytest.mark.parametrize("which", ["most", "least"])
def test_the_share_asked_for_is_replaced_and_it_is_the_right_one(which):
    rng = np.random.default_rng(0)
    inputs, maps = torch.from_numpy(rng.normal(size=(2, 4, 5, 6))).unbind(0)
    changed = replace_by_rank(inputs, maps, 0.3, which=which, fill=7.0)
    for before, after, ranked in zip(inputs, changed, maps, strict=True):
        gone = (after == 7).numpy()
        assert gone.sum() == 9
        assert (before[~gone] == after[~gone]).all()
        edges = ranked.numpy()[gone], ranked.numpy()[~gone]
        if which == "most":
            assert edges[0].min() > edges[1].max()
        else:
            assert edges[0].max() < edges[1].min()


def test_most_and_least_part_the_values_between_them():
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 10)))
    ones = torch.ones(3, 10)
    most = replace_by_rank(ones, maps, 0.4, which="most")
    least = replace_by_rank(ones, maps, 0.6, which="least")
    torch.testing.assert_close(most + least, ones)


def test_what_takes_their_place_may_differ_from_place_to_place():
    fill = torch.arange(10.0)
    changed = replace_by_rank(-torch.ones(2, 10), torch.arange(20.0).view(2, 10), 1.0, fill=fill)
    torch.testing.assert_close(changed, fill.expand(2, 10))


def test_deletion_and_insertion_follow_a_linear_model_exactly():
    model = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[4.0, 3, 2, 1], [0, 0, 0, 0]]))
    inputs, maps = torch.ones(1, 4), torch.tensor([[4.0, 3, 2, 1]])
    fractions = [0, 0.25, 0.5, 0.75, 1]
    classes = torch.tensor([0])
    sums = np.array([10, 6, 3, 1, 0])
    deleted = removal_curves(model, inputs, classes, maps, fractions)
    np.testing.assert_allclose(deleted[0], 1 / (1 + np.exp(-sums)), rtol=1e-6)
    inserted = removal_curves(model, inputs, classes, maps, fractions, mode="insertion")
    np.testing.assert_allclose(inserted[0], 1 / (1 + np.exp(-(10 - sums))), rtol=1e-6)
    other = removal_curves(model, inputs, torch.tensor([1]), maps, fractions)
    np.testing.assert_allclose(deleted + other, 1, rtol=1e-6)


def test_curves_have_the_temperature_of_the_maps_and_go_through_the_model_a_few_at_a_time():
    torch.manual_seed(0)
    model, seen = nn.Linear(4, 3).double(), []
    inputs, maps = torch.randn(7, 4).double(), torch.rand(7, 4).double()
    classes = torch.arange(7) % 3
    handle = model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    found = removal_curves(
        model, inputs, classes, maps, [0.0, 0.5], temperature=0.25, examples_at_once=3
    )
    handle.remove()
    assert seen == [3, 3, 1] * 2
    shown = [inputs, replace_by_rank(inputs, maps, 0.5)]
    expected = [softmax(4 * model(each).detach().numpy(), axis=1) for each in shown]
    expected = [each[np.arange(7), classes] for each in expected]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-12)


def test_a_good_map_deletes_the_class_sooner_than_a_random_one():
    (inputs, classes), templates = synthetic(30, 0), torch.from_numpy(synthetic_templates())
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 3)).double()
    with torch.no_grad():
        model[1].weight.copy_((templates - templates.mean(0)).flatten(1))
    good = (templates - templates.mean(0))[classes]
    chance = torch.rand(good.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fractions = np.linspace(0, 0.1, 6)
    areas = [
        removal_curves(model, inputs.double(), classes, maps, fractions).mean()
        for maps in (good, chance)
    ]
    assert areas[0] < 0.7 * areas[1]


def logistic(training_classes, test_classes):
    def train_and_score(training, test):
        model = LogisticRegression(C=0.01, max_iter=200)
        model.fit(training.flatten(1), training_classes)
        return model.score(test.flatten(1), test_classes)

    return train_and_score


def test_retraining_without_the_informative_places_is_guessing_and_with_them_alone_is_not():
    (inputs, classes), (test_inputs, test_classes) = synthetic(100, 0), synthetic(100, 1)
    maps = [informative().expand_as(part) for part in (inputs, test_inputs)]
    share = float((informative() > 0).double().mean())
    table = retrained_accuracy(
        logistic(classes, test_classes), (inputs, maps[0]), (test_inputs, maps[1]), [share]
    )
    assert list(table.columns) == list(RETRAINED_COLUMNS)
    accuracy = table.set_index("removed")["accuracy"]
    assert accuracy["most"] < 0.45
    assert accuracy["least"] > 0.9
    assert accuracy["random"] > 0.9
    assert diff_roar(table)[share] > 0.5


class Interruption(Exception):
    """Stands for whatever ends a process."""


def small_removal(
    calls=None, stop_at=None, fractions=(0.2, 0.6), identity="logistic", change=None, **options
):
    """Six trainings, which are counted, and end with an interruption."""
    (inputs, classes), (test_inputs, test_classes) = synthetic(20, 0), synthetic(20, 1)
    maps = [informative().expand_as(part) for part in (inputs, test_inputs)]
    train_and_score = logistic(classes, test_classes)
    training, test = (change or (lambda *pair: pair))([inputs, maps[0]], [test_inputs, maps[1]])

    def counted(training, test):
        calls.append(training)
        if len(calls) == stop_at:
            raise Interruption
        return train_and_score(training, test)

    return retrained_accuracy(
        train_and_score if calls is None else counted,
        training,
        test,
        fractions,
        identity=identity,
        **options,
    )


@pytest.mark.parametrize("finished", [0, 1, 4])
def test_an_interrupted_removal_trains_only_the_rest_and_gives_the_same_table(tmp_path, finished):
    file, every, first, rest = tmp_path / "unfinished.pt", [], [], []
    undisturbed = small_removal(every)
    with pytest.raises(Interruption):
        small_removal(first, finished + 1, checkpoint=file)
    resumed = small_removal(rest, checkpoint=file)
    assert (len(every), len(rest)) == (6, 6 - finished)
    assert all(torch.equal(a, b) for a, b in zip(rest, every[finished:], strict=True))
    pd.testing.assert_frame_equal(resumed, undisturbed, check_exact=True)


def test_fractions_that_are_added_later_are_trained_alone(tmp_path):
    file, more = tmp_path / "unfinished.pt", []
    small_removal(checkpoint=file)
    found = small_removal(more, fractions=(0, 0.6, 0.2), checkpoint=file)
    assert len(more) == 3
    pd.testing.assert_frame_equal(found, small_removal(fractions=(0, 0.6, 0.2)), check_exact=True)


@pytest.mark.parametrize("other", [{"seed": 1}, {"identity": "other"}])
def test_accuracies_of_another_identity_or_seed_are_not_used(tmp_path, other):
    file, calls = tmp_path / "unfinished.pt", []
    small_removal(checkpoint=file)
    small_removal(calls, checkpoint=file, **other)
    assert len(calls) == 6


def with_another_value(which, part):
    """Training and test pairs of which one value differs, in inputs (0) or maps (1)."""

    def change(*pairs):
        values = pairs[which][part].clone()
        values[0, 0, 0] += 1
        pairs[which][part] = values
        return pairs

    return change


@pytest.mark.parametrize("part", [0, 1], ids=["inputs", "maps"])
@pytest.mark.parametrize("which", [0, 1], ids=["training", "test"])
def test_accuracies_of_other_inputs_or_maps_are_not_used(tmp_path, which, part):
    file, calls, change = tmp_path / "unfinished.pt", [], with_another_value(which, part)
    small_removal(checkpoint=file)
    found = small_removal(calls, checkpoint=file, change=change)
    assert len(calls) == 6
    pd.testing.assert_frame_equal(found, small_removal(change=change), check_exact=True)


def test_what_is_trained_must_have_a_name_if_there_is_a_checkpoint(tmp_path):
    calls = []
    with pytest.raises(BadInputError, match=r"identity: found none.*Name model, plan and classes"):
        small_removal(calls, checkpoint=tmp_path / "unfinished.pt", identity="")
    assert calls == []
    small_removal(calls, identity="")
    assert len(calls) == 6


def test_a_seed_of_numpy_can_be_read_back(tmp_path):
    file, calls = tmp_path / "unfinished.pt", []
    first = small_removal(checkpoint=file, seed=np.int64(3))
    second = small_removal(calls, checkpoint=file, seed=np.int64(3))
    assert calls == []
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    with pytest.raises(BadInputError, match=r"seed: found 1\.5, expected a whole number"):
        small_removal(calls, seed=1.5)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bfloat16, torch.float16])
def test_places_removed_at_random_do_not_depend_on_the_type_of_the_maps(dtype):
    inputs = torch.arange(1.0, 201).repeat(5, 1)
    ranks = torch.arange(200.0).repeat(5, 1)
    seen = []

    def kept(training, test):
        seen.append(training != inputs.mean(0))
        return 0.0

    # The mean of equal inputs is what they are: another row makes what is removed visible.
    inputs[0] += 0.5
    for maps in (ranks, ranks.to(dtype)):
        retrained_accuracy(kept, (inputs, maps), (inputs, maps), [0.25])
    at_random = [seen[2], seen[5]]
    assert torch.equal(*at_random)
    gone = torch.nonzero(~at_random[1])[:, 1].double()
    assert (~at_random[1]).sum(1).tolist() == [50] * 5
    # Of 250 places drawn evenly from 0 to 199 the mean lies within 12 of 99.5, three deviations.
    assert abs(float(gone.mean()) - 99.5) < 12


def test_a_checkpoint_that_holds_something_else_is_refused_before_any_training(tmp_path):
    file, calls = tmp_path / "unfinished.pt", []
    small_removal(checkpoint=file)
    whose = {key: value for key, value in read_checkpoint(file).items() if key != "accuracies"}
    for content in ({}, {"accuracies": [["most", 0.2]]}, {"accuracies": [["most", "few", 1.0]]}):
        write_checkpoint(file, {**whose, **content})
        with pytest.raises(BadInputError, match="checkpoint: found no accuracies"):
            small_removal(calls, checkpoint=file)
    file.write_bytes(b"PK")
    with pytest.raises(BadInputError, match="Delete it"):
        small_removal(calls, checkpoint=file)
    assert calls == []


def test_maps_that_rank_at_random_have_no_diff_roar():
    (inputs, classes), (test_inputs, test_classes) = synthetic(100, 0), synthetic(100, 1)
    generator = torch.Generator().manual_seed(0)
    chance = torch.rand(32, 32, generator=generator)
    table = retrained_accuracy(
        logistic(classes, test_classes),
        (inputs, chance.expand_as(inputs)),
        (test_inputs, chance.expand_as(test_inputs)),
        [0.5],
    )
    assert abs(diff_roar(table)[0.5]) < 0.15


@pytest.mark.parametrize("inside", [1, 2, 255, -1, 0.5])
def test_a_region_is_where_its_mask_is_not_zero(inside):
    maps = torch.tensor([[1.0, -3, 4, 0]])
    assert share_inside(maps, torch.tensor([[inside, inside, 0, 0]])).tolist() == [0.5]
    with pytest.raises(BadInputError, match="regions, example 0: found NaN"):
        share_inside(maps, torch.tensor([[inside, np.nan, 0, 0]]))


def test_the_share_inside_a_region_is_that_of_the_absolute_values():
    maps = torch.tensor([[1.0, -3, 4, 0], [0, 0, 0, 5], [0, 0, 0, 0]])
    inside = torch.tensor([[True, True, False, False]]).expand(3, 4)
    shares = share_inside(maps, inside)
    assert shares[:2].tolist() == [0.5, 0]
    assert torch.isnan(shares[2])
    with pytest.raises(BadInputError, match="maps: found shape"):
        share_inside(maps, inside[:, :3])


def test_maps_of_block_digits_point_more_to_the_digit_where_training_was_against_noise():
    cohort = make_block_digits([0, 1], 100, seed=0)
    inputs = torch.from_numpy(cohort.array)
    classes = torch.from_numpy((cohort.participants["digit"] == "1").to_numpy(np.int64).copy())
    regions = torch.from_numpy(signal_regions(cohort))
    plan = TrainingPlan("classification", 30, 3e-3)
    shares = []
    for epsilon in (1e-6, 2.0):
        model = build_model(
            "mlp", task="classification", input_shape=(56, 28), classes=2, seed=0, widths=[32]
        )
        train_pgd(model, Examples(inputs, classes), plan, epsilon=epsilon)
        maps = saliency_maps(model, inputs)[torch.arange(200), classes]
        shares.append(float(share_inside(maps, regions).mean()))
    assert shares[1] > shares[0] > 0.4
