"""Decoders, their maps and what is made of them, on small cohorts whose truth is known."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.svm import SVC

from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks, synthetic_templates
from neurospect.errors import BadInputError
from neurospect.models.registry import build_model
from neurospect.saliency.baselines import inner_products, score_baselines
from neurospect.saliency.criteria import pearson
from neurospect.saliency.decoder_checks import CHECK_COLUMNS, check_labels, check_maps
from neurospect.saliency.decoder_files import temperature_for
from neurospect.saliency.decoder_maps import decoder_maps
from neurospect.saliency.decoder_removal import remove_and_retrain
from neurospect.saliency.decoders import (
    WAYS,
    Decoder,
    build_decoder,
    fit_decoder,
    train_decoder,
)
from neurospect.saliency.decoding_data import decoding_data
from neurospect.saliency.judged_maps import (
    CONSTANT,
    LACKING,
    judged_maps,
    linear_map,
    undefined_counts,
)
from neurospect.saliency.linear_maps import haufe_patterns
from neurospect.saliency.map_targets import map_targets
from neurospect.saliency.maps import saliency_maps
from neurospect.saliency.mean_map_tests import mean_map_tests
from neurospect.saliency.temperature_range import criteria_over_temperatures
from neurospect.training.loop import TrainingPlan

CPU = torch.device("cpu")
PLAN = TrainingPlan("classification", epochs=6, learning_rate=0.01, batch_size=16)
NETWORK = Decoder("mlp", {"widths": [8]}, "glorot")
LINEAR = Decoder("linear")
METHODS = {"gradient": {}, "smoothgrad": {"samples": 2}}


def images(per_class=24, seed=0):
    """Synthetic tasks, dealt to the splits in turn so that each holds every class."""
    cohort = make_synthetic_tasks(per_class, 0.5, seed)
    splits = np.resize(["training", "training", "validation", "test"], len(cohort.participants))
    return cohort.participants.assign(split=splits), cohort.array


@pytest.fixture(scope="module")
def data():
    return decoding_data(*images(), "task")


@pytest.fixture(scope="module")
def trained(data):
    return train_decoder(data, NETWORK, PLAN, device="cpu").model


@pytest.fixture(scope="module")
def targets(data):
    return map_targets(data)


def subjects_with_tasks(lacking=False):
    """Ten participants with a map of each of three tasks, inside a mask; one may lack a task."""
    rng = np.random.default_rng(0)
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1:4, 1:5, 2:6] = rng.random((3, 4, 4)) < 0.7
    grid = VoxelGrid(mask, np.diag([4.0, 4.0, 4.0, 1.0]))
    patterns = rng.normal(size=(3, grid.voxels))
    rows, maps = [], []
    for number in range(10):
        for task in range(3):
            if lacking and number == 9 and task == 2:
                continue
            split = ("training", "validation", "test")[max(0, number - 7)]
            split = "test" if number == 6 else split
            rows.append((f"sub-{number}", "abc"[task], split))
            maps.append(patterns[task] + rng.normal(size=grid.voxels))
    table = pd.DataFrame(rows, columns=["participant_id", "task", "split"])
    return table, np.array(maps, dtype=np.float16), grid


def test_every_way_of_training_is_reached_by_its_name_and_gives_another_model(data):
    options = {"plain": {}, "algorithm1": {"epsilon": 1.0, "hops": 2}}
    models = {}
    for way in WAYS:
        decoder = Decoder(
            "mlp", {"widths": [4]}, training=way, options=options.get(way, {"epsilon": 1.0})
        )
        found = train_decoder(data, decoder, PLAN, device="cpu")
        models[way] = torch.cat([p.detach().flatten() for p in found.model.parameters()])
        assert list(found.accuracy["examples"]) == [36, 18, 18]
        assert len(found.history) == PLAN.epochs
    assert len({tuple(values.tolist()) for values in models.values()}) == len(WAYS)


def test_the_penalty_shrinks_the_weights(data):
    sizes = [
        sum(
            float(p.detach().square().sum())
            for p in train_decoder(
                data, Decoder("linear", weight_penalty=penalty), PLAN, device="cpu"
            ).model.parameters()
        )
        for penalty in (0.0, 0.1)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_an_unknown_way_and_a_radius_of_zero_are_refused(data):
    with pytest.raises(BadInputError, match="expected one of plain, random_noise"):
        train_decoder(data, Decoder("linear", training="fgsm"), PLAN)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="epsilon"):
        train_decoder(
            data, Decoder("linear", training="pgd", options={"epsilon": 0.0}), PLAN, device="cpu"
        )


def test_unknown_initial_weights_are_refused(data):
    decoder = Decoder("linear", initial_weights="Glorot")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="initial_weights: found 'Glorot', expected one of py"):
        build_decoder(data, decoder, seed=0)


@pytest.mark.parametrize("identity", ["", "recipe"])
def test_equal_decoders_are_one_training_whatever_the_type_of_their_numbers(
    data, tmp_path, identity, caplog
):
    file = {"checkpoint": tmp_path / "unfinished.pt", "identity": identity}
    with caplog.at_level(logging.INFO):
        for number in (1.0, np.float64(1.0)):
            decoder = Decoder(
                "linear", training="pgd", options={"epsilon": number}, weight_penalty=number / 10
            )
            train_decoder(data, decoder, PLAN, device="cpu", **file)
    assert "after epoch 6 of 6" in caplog.text and "starting anew" not in caplog.text


def test_the_checkpoint_of_another_cohort_or_decoder_is_not_used(data, tmp_path, caplog):
    file, plan = {"checkpoint": tmp_path / "unfinished.pt"}, replace(PLAN, epochs=1)
    other = decoding_data(*images(seed=1), "task")
    expected = train_decoder(other, LINEAR, plan, device="cpu")
    train_decoder(data, LINEAR, plan, device="cpu", **file)
    found = train_decoder(other, LINEAR, plan, device="cpu", **file)
    assert "other examples, other validation" in caplog.text
    pd.testing.assert_frame_equal(found.history, expected.history, check_exact=True)
    with pytest.raises(BadInputError, match="other initial weights"):
        train_decoder(other, NETWORK, plan, device="cpu", **file)


def test_a_mapped_array_trains_to_the_same_bits_as_one_held_in_memory(tmp_path, monkeypatch):
    rows, array = images()
    write_array(tmp_path / "array.npy", array)
    states = []
    for held in (2**30, 0):
        monkeypatch.setattr("neurospect.training.cohort_examples.HELD_BYTES", held)
        mapped = decoding_data(rows, open_array(tmp_path / "array.npy"), "task")
        model = train_decoder(mapped, NETWORK, PLAN, device="cpu").model
        states.append({name: value.numpy().tobytes() for name, value in model.state_dict().items()})
    assert states[0] == states[1]


def test_voxels_of_a_mask_become_volumes_of_its_box():
    table, maps, grid = subjects_with_tasks()
    found = decoding_data(table, maps, "task", grid)
    volume = found.examples("test", CPU).rows(slice(0, 1)).inputs[0].numpy()
    assert volume.shape == found.shape == grid.mask[grid.box].shape
    inside = grid.mask[grid.box]
    np.testing.assert_array_equal(volume[inside], maps[found.places["test"][0]])
    assert not volume[~inside].any()


def test_a_class_without_test_examples_is_refused_by_name():
    rows, array = images()
    gone = (rows["split"] == "test") & (rows["task"] == "B")
    rows.loc[gone, "split"] = "training"
    with pytest.raises(BadInputError, match="test, task: found no example of B"):
        decoding_data(rows, array, "task")


def test_a_column_that_is_missing_and_nan_in_the_array_are_refused(data):
    rows, array = images()
    with pytest.raises(BadInputError, match="expected participant_id, split, colour"):
        decoding_data(rows, array, "colour")
    array = array.copy()
    array[5, 0, 0] = np.nan
    with pytest.raises(BadInputError, match="row 5"):
        train_decoder(decoding_data(rows, array, "task"), NETWORK, PLAN, device="cpu")


def test_criteria_are_those_of_all_maps_at_once(data, targets, trained, monkeypatch):
    monkeypatch.setattr("neurospect.saliency.judged_maps.VALUES_AT_ONCE", 3 * 1024 * 5)
    found = judged_maps(trained, data, targets, METHODS, device=CPU)
    test = data.places["test"]
    inputs, codes = torch.from_numpy(data.array[test]), data.codes[test]
    means = np.stack([data.array[test[codes == k]].mean(0, dtype=np.float64) for k in range(3)])
    for method, options in METHODS.items():
        maps = saliency_maps(trained, inputs, method, **options).numpy()
        own = maps[np.arange(len(test)), codes].reshape(len(test), -1)
        wanted = (means - means.mean(0))[codes].reshape(len(test), -1)
        part = found[(found["method"] == method) & (found["criterion"] == "class_informative")]
        assert list(part["example"]) == test.tolist()
        np.testing.assert_allclose(part["correlation"], pearson(own, wanted), atol=1e-5)


def test_templates_are_not_those_that_the_decoder_was_trained_on(data, targets):
    test = data.places["test"]
    for code in range(3):
        mean = data.array[test[data.codes[test] == code]].mean(0)
        np.testing.assert_allclose(targets.templates[code], mean, atol=1e-6)


def test_mean_maps_and_examples_are_those_of_the_maps(data, targets, trained):
    made = decoder_maps(trained, data, targets, METHODS, device=CPU)
    test = data.places["test"]
    codes = data.codes[test]
    maps = saliency_maps(trained, torch.from_numpy(data.array[test])).numpy()
    node = made.tree["gradient"]
    for code in range(3):
        own = maps[codes == code, code]
        np.testing.assert_allclose(node["mean_map"][code], own.mean(0), atol=1e-7)
        informative = targets.templates[code] - targets.templates.mean(axis=0)
        inside = targets.mask
        each = [np.corrcoef(one[inside], informative[inside])[0, 1] for one in own]
        assert float(node["mean_correlation"][code]) == pytest.approx(np.mean(each), abs=1e-5)
        assert int(made.tree["examples"][code]) == len(own)
        np.testing.assert_allclose(
            node["example_map"][code], maps[np.flatnonzero(codes == code)[0]], atol=1e-7
        )
        judged = made.criteria[made.criteria["example"] == test[np.flatnonzero(codes == code)[0]]]
        judged = judged[judged["method"] == "gradient"].set_index("criterion")["correlation"]
        found = node["correlation"][code].to_numpy()
        assert found[code] == pytest.approx(judged["class_informative"], abs=1e-5)
        others = np.delete(found, code)
        assert others.mean() == pytest.approx(judged["pairwise_difference"], abs=1e-5)
    assert node["mean_map"].attrs["units"] == "probability per unit of the input"
    assert made.tree["smoothgrad"].attrs["option_samples"] == 2
    assert list(made.tree["true_class"].to_numpy()) == ["A", "B", "C"]


def test_weights_and_patterns_of_a_linear_decoder_are_one_map_for_all(data, targets):
    model = train_decoder(data, LINEAR, PLAN, device="cpu").model
    made = decoder_maps(model, data, targets, {"weights": {}, "haufe_pattern": {}}, device=CPU)
    weight = dict(model.named_parameters())["0.weight"].detach().numpy().reshape(3, 32, 32)
    np.testing.assert_allclose(made.tree["weights"]["mean_map"], weight, atol=1e-5)
    training = torch.from_numpy(data.array[data.places["training"]])
    whole = haufe_patterns(torch.from_numpy(weight), training)
    np.testing.assert_allclose(
        made.tree["haufe_pattern"]["mean_map"], whole, atol=1e-4 * float(whole.abs().max())
    )
    own = made.criteria[made.criteria["class"] == "A"]
    informative = own[own["criterion"] == "class_informative"]
    assert (informative.groupby("method")["correlation"].nunique() == 1).all()


def test_weights_of_a_network_are_refused(data, trained):
    with pytest.raises(BadInputError, match="expected a linear model"):
        linear_map(trained, data, "weights", CPU)


def test_subject_templates_are_each_participants_own():
    table, maps, grid = subjects_with_tasks()
    found = decoding_data(table, maps, "task", grid)
    model = build_decoder(found, LINEAR, seed=1)
    criteria = judged_maps(model, found, map_targets(found, "subject"), {"weights": {}}, device=CPU)
    inside = grid.mask[grid.box]
    weights = dict(model.named_parameters())["0.weight"].detach().numpy()
    for row in criteria[criteria["criterion"] == "class_informative"].itertuples():
        own = table["participant_id"] == row.participant_id
        subject = maps[own].astype(np.float64)
        special = subject["abc".index(row[3])] - subject.mean(0)
        map_ = weights["abc".index(row[3])].reshape(inside.shape)[inside]
        assert row.correlation == pytest.approx(float(np.corrcoef(map_, special)[0, 1]), abs=1e-4)


def test_a_participant_who_lacks_a_task_has_no_pairwise_criterion_and_the_others_have(caplog):
    table, maps, grid = subjects_with_tasks(lacking=True)
    found = decoding_data(table, maps, "task", grid)
    model = build_decoder(found, LINEAR, seed=1)
    criteria = judged_maps(
        model, found, map_targets(found, "subject"), {"gradient": {}}, device=CPU
    )
    pairwise = criteria[criteria["criterion"] == "pairwise_difference"]
    lacking = pairwise["participant_id"] == "sub-9"
    assert (pairwise["undefined"][lacking] == LACKING).all() and lacking.sum() == 2
    assert pairwise["correlation"][~lacking].notna().all()
    informative = criteria[criteria["criterion"] == "class_informative"]
    assert informative["correlation"].notna().all()
    with caplog.at_level(logging.WARNING):
        counts = undefined_counts(criteria).set_index("criterion")
    assert counts.loc["pairwise_difference", "lacking"] == 2
    assert "undefined for 2 of" in caplog.text


def test_constant_maps_are_counted(data, targets, caplog):
    model = build_decoder(data, NETWORK, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with caplog.at_level(logging.WARNING):
        criteria = judged_maps(model, data, targets, {"gradient": {}}, device=CPU)
        counts = undefined_counts(criteria)
    assert criteria["correlation"].isna().all()
    assert (criteria["undefined"] == CONSTANT).all()
    assert list(counts["constant"]) == [18, 18]
    assert (
        mean_map_tests(
            decoder_maps(model, data, targets, {"gradient": {}}, device=CPU).tree,
            surrogates=19,
            seed=0,
        )["p"]
        .isna()
        .all()
    )


def test_masks_of_another_shape_are_refused_and_others_used(data, tmp_path):
    small = tmp_path / "small.npy"
    np.save(small, np.ones((31, 32), dtype=bool))
    with pytest.raises(BadInputError, match=r"found shape \(31, 32\), expected shape \(32, 32\)"):
        map_targets(data, mask=small)
    empty = tmp_path / "empty.npy"
    np.save(empty, np.zeros((32, 32), dtype=bool))
    with pytest.raises(BadInputError, match="0 places inside, expected two or more"):
        map_targets(data, mask=empty)
    upper = np.zeros((32, 32), dtype=bool)
    upper[:16] = True
    np.save(tmp_path / "upper.npy", upper)
    np.testing.assert_array_equal(map_targets(data, mask=tmp_path / "upper.npy").mask, upper)


def test_the_mask_of_volumes_counts_without_being_asked_for():
    table, maps, grid = subjects_with_tasks()
    found = map_targets(decoding_data(table, maps, "task", grid))
    np.testing.assert_array_equal(found.mask, grid.mask[grid.box])


def test_a_temperature_at_its_bound_is_warned_of(caplog):
    fitted = pd.DataFrame({"temperature": [0.1], "at_bound": ["lower"]})
    with caplog.at_level(logging.WARNING):
        assert temperature_for(None, fitted) == 0.1
    assert "lower bound" in caplog.text
    assert temperature_for(2.0, fitted) == 2.0
    caplog.clear()
    assert temperature_for(None, fitted.assign(temperature=1.5, at_bound=None)) == 1.5
    assert not caplog.text


def test_of_separable_splits_the_fit_says_that_it_ran_into_its_bound():
    rows, array = images()
    clean = np.stack([synthetic_templates()["ABC".index(task)] for task in rows["task"]])
    easy = decoding_data(rows, clean.astype(np.float32) + 0 * array, "task")
    plan = TrainingPlan("classification", epochs=60, learning_rate=0.05)
    temperature = train_decoder(easy, LINEAR, plan, device="cpu").temperature
    assert temperature["at_bound"][0] == "lower" and bool(temperature["bounded"][0])


def test_one_temperature_of_the_range_is_that_of_the_maps(data, targets, trained):
    table = criteria_over_temperatures(trained, data, targets, [0.5, 2.0], device=CPU)
    judged = judged_maps(trained, data, targets, {"gradient": {}}, device=CPU, temperature=2.0)
    expected = judged.groupby("criterion")["correlation"].mean()
    found = table[table["temperature"] == 2.0].set_index("criterion")["correlation"]
    pd.testing.assert_series_equal(found, expected, check_like=True)
    assert criteria_over_temperatures(trained, data, targets, [], device=CPU).empty


def test_the_machine_is_the_one_that_sees_the_inputs_themselves(data):
    table = score_baselines(data).set_index(["decoder", "split"])["accuracy"]
    training, test = (data.array[data.places[s]].reshape(-1, 1024) for s in ("training", "test"))
    np.testing.assert_allclose(
        inner_products(data, "test", "training"),
        test.astype(float) @ training.T.astype(float),
        rtol=1e-6,
    )
    unit = 1 / (training.astype(float) ** 2).sum(1).mean()
    codes = {split: data.codes[places] for split, places in data.places.items()}
    scores = []
    for factor in (1e-2, 1e-1, 1.0, 1e1, 1e2):
        machine = SVC(C=factor * unit, kernel="linear").fit(training, codes["training"])
        validation = data.array[data.places["validation"]].reshape(-1, 1024)
        scores.append(
            (machine.score(validation, codes["validation"]), machine.score(test, codes["test"]))
        )
    best = int(np.argmax([validation for validation, _ in scores]))
    assert table["linear SVM", "test"] == pytest.approx(scores[best][1])
    means = [training[codes["training"] == k].mean(0) for k in range(3)]
    nearest = [np.argmax([np.corrcoef(one, mean)[0, 1] for mean in means]) for one in test]
    assert table["nearest mean", "test"] == np.mean(np.array(nearest) == codes["test"])


def test_a_class_whose_mean_is_constant_attracts_no_example(caplog):
    participants, array = images()
    array = np.where(
        (participants["task"] == participants["task"].iloc[-1]).to_numpy()[:, None, None],
        0 * array,
        array,
    )
    rest = decoding_data(participants, array, "task")
    table = score_baselines(rest).set_index(["decoder", "split"])["accuracy"]
    assert table["nearest mean", "test"] == pytest.approx(2 / 3)
    assert "constant mean" in caplog.text


def test_checks_hold_random_parameters_and_labels_against_the_maps(data, trained):
    methods = {**METHODS, "weights": {}}
    same = {"examples": 4, "seed": 0, "device": CPU}
    by_parameters = check_maps(trained, data, methods, **same)
    assert list(by_parameters.columns) == list(CHECK_COLUMNS)[2:]
    assert set(by_parameters["method"]) == set(METHODS)
    assert (by_parameters["correlation"].abs() < 0.6).all()
    by_labels = check_labels(trained, data, NETWORK, PLAN, methods, **same)
    assert list(by_labels["check"]) == ["labels"] * 2
    assert by_labels["training_accuracy"].iloc[0] > by_labels["accuracy_on_shuffled"].iloc[0] - 0.2


def test_removal_trains_anew_and_follows_the_probability(data, trained):
    table, curves = remove_and_retrain(
        trained, data, NETWORK, PLAN, "gradient", {}, [0.0, 1.0], seed=0, device=CPU
    )
    nothing = table[table["fraction"] == 0.0]
    assert nothing["accuracy"].nunique() == 1
    assert (table[table["fraction"] == 1.0]["accuracy"] <= 0.5).all()
    ends = curves.set_index(["mode", "fraction"])["probability"]
    assert ends["deletion", 0.0] == pytest.approx(ends["insertion", 1.0])
    assert ends["deletion", 1.0] == pytest.approx(ends["insertion", 0.0])


def test_an_interrupted_removal_goes_on_with_what_was_not_trained(
    data, trained, tmp_path, monkeypatch
):
    trainings = []

    def remove(decoder=NETWORK, plan=PLAN, method="gradient", **options):
        trainings.clear()
        return remove_and_retrain(
            trained, data, decoder, plan, method, {}, [0.5], seed=0, device=CPU, **options
        )

    def counted(*arguments):
        trainings.append(arguments)
        if len(trainings) == 3 and stopping:
            raise KeyboardInterrupt
        return fit_decoder(*arguments)

    monkeypatch.setattr("neurospect.saliency.decoder_removal.fit_decoder", counted)
    stopping, file = True, {"checkpoint": tmp_path / "unfinished.pt", "identity": "recipe"}
    with pytest.raises(KeyboardInterrupt):
        remove(**file)
    stopping = False
    resumed = remove(**file)
    assert len(trainings) == 1
    for found, expected in zip(resumed, remove(), strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for other in (
        {"decoder": LINEAR},
        {"plan": replace(PLAN, epochs=5)},
        {"method": "gradient_x_input"},
        {"temperature": 2.0},
    ):
        remove(**file, **other)
        assert len(trainings) == 3
        remove(**file)


def test_maps_of_a_model_too_sure_to_have_any_are_warned_of_and_log_odds_rank(
    data, trained, caplog
):
    sure = copy.deepcopy(trained)
    with torch.no_grad():
        [*sure.parameters()][-2].mul_(1e6)

    def curves(model, **options):
        caplog.clear()
        given = (model, data, LINEAR, replace(PLAN, epochs=1), "gradient", {}, [0.2])
        return remove_and_retrain(*given, seed=0, device=CPU, **options)[1]

    curves(sure)
    assert sum("rank nothing" in message for message in caplog.messages) == 2
    curves(sure, of="log_odds")
    assert not any("rank nothing" in message for message in caplog.messages)
    # At one point the two have one direction, hence the same ranks where both can be held.
    pd.testing.assert_frame_equal(curves(trained, of="log_odds"), curves(trained))


def test_checks_hold_against_one_another_what_they_are_asked_for(data, trained):
    same = {"examples": 4, "seed": 0, "device": CPU}
    found = [
        check_maps(trained, data, METHODS, **same, of=of) for of in ("probability", "log_odds")
    ]
    gradient, smooth = (
        [table.loc[table["method"] == method, "correlation"] for table in found]
        for method in METHODS
    )
    np.testing.assert_allclose(*gradient, rtol=1e-4)
    assert not np.allclose(*smooth, rtol=1e-4)


def test_removal_of_what_cannot_be_held_is_refused_before_any_training(data, trained, monkeypatch):
    monkeypatch.setattr("neurospect.saliency.decoder_removal.MOST_BYTES", 1000)
    with pytest.raises(BadInputError, match="Leave removal out"):
        remove_and_retrain(trained, data, NETWORK, PLAN, "gradient", {}, [0.5], seed=0, device=CPU)


def test_mean_maps_like_their_templates_are_found_given_surrogates_enough(caplog):
    wide = decoding_data(*images(), "task")
    model = train_decoder(wide, LINEAR, PLAN, device="cpu").model
    made = decoder_maps(model, wide, map_targets(wide), {"haufe_pattern": {}}, device=CPU)
    tested = mean_map_tests(made.tree, surrogates=39, seed=0)
    assert (tested["p"] == 1 / 40).all()
    np.testing.assert_allclose(tested["p_bonferroni"], 3 / 40)
    assert not tested["significant"].any()
    assert "Ask for 59 or more" in caplog.text
    caplog.clear()
    assert (mean_map_tests(made.tree, surrogates=59, seed=0)["significant"]).all()
    assert not caplog.messages


def test_a_map_that_is_not_tested_is_neither_significant_nor_counted():
    wide = decoding_data(*images(), "task")
    model = train_decoder(wide, LINEAR, PLAN, device="cpu").model
    made = decoder_maps(model, wide, map_targets(wide), {"haufe_pattern": {}}, device=CPU)
    made.tree["haufe_pattern"]["mean_map"][1] = 0.0
    tested = mean_map_tests(made.tree, surrogates=79, seed=0)
    assert tested["significant"].isna().tolist() == [False, True, False]
    np.testing.assert_allclose(tested["p_bonferroni"], [2 / 80, np.nan, 2 / 80])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_recurrent_decoders_at_rest_have_maps_on_a_device_too():
    model = build_model(
        "lstm", task="classification", input_shape=(9, 4), classes=2, seed=0, widths=[5]
    )
    inputs = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
    expected = saliency_maps(model, inputs)
    found = saliency_maps(model.cuda(), inputs.cuda()).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
