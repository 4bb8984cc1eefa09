import contextlib
import copy
import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neurospect.errors import BadInputError
from neurospect.spectra import BlockPlan, GradientSpectra
from neurospect.training.backward import backward_by_parts


def network(widths=(6, 5, 3), dtype=torch.float64, seed=0, activation=nn.Tanh):
    torch.manual_seed(seed)
    layers = []
    for i, o in itertools.pairwise(widths):
        layers += [nn.Linear(i, o), activation()]
    return nn.Sequential(*layers[:-1]).to(dtype)


def batch(samples=12, features=6, dtype=torch.float64, seed=1):
    return torch.randn(
        samples, features, dtype=dtype, generator=torch.Generator().manual_seed(seed)
    )


def autograd_group_gradients(model, inputs, labels, loss_of_samples):
    """Gradient of each group's share of the mean loss, by plain autograd."""
    gradients = {}
    for group in sorted(set(labels)):
        model.zero_grad()
        mask = torch.tensor([label == group for label in labels])
        (loss_of_samples(model(inputs))[mask].sum() / len(inputs)).backward()
        gradients[str(group)] = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    return gradients


def squared_error(outputs):
    return outputs.square().sum(-1)


@pytest.mark.parametrize("labels", [[0] * 5 + [1] * 4 + [2] * 3, [0, 1, 2] * 4])
def test_group_spectra_are_those_of_autograd(labels):
    model, inputs = network(), batch()
    with GradientSpectra(model, labels) as spectra:
        squared_error(model(inputs)).mean().backward()
    tree = spectra.to_datatree()
    for group, expected in autograd_group_gradients(model, inputs, labels, squared_error).items():
        for name in ("0.weight", "2.weight"):
            np.testing.assert_allclose(
                tree[name]["gradient"].sel(step=0, group=group),
                np.linalg.svd(expected[name].numpy(), compute_uv=False),
                rtol=1e-10,
                atol=1e-14,
            )


def test_the_whole_batch_has_the_spectrum_of_the_gradient_that_trains_the_model():
    model, inputs = network(), batch()
    with GradientSpectra(model, [0, 1] * 6) as spectra:
        squared_error(model(inputs)).mean().backward()
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            np.testing.assert_allclose(
                spectra.to_datatree()[name]["gradient"].sel(step=0, group="all"),
                np.linalg.svd(weight.grad.numpy(), compute_uv=False),
                rtol=1e-10,
                atol=1e-14,
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activation_and_adjoint_spectra_are_those_of_the_captured_matrices(dtype):
    model, inputs, labels = network(dtype=dtype), batch(dtype=dtype), np.array([0, 1, 1] * 4)
    with GradientSpectra(model, labels) as spectra:
        hidden = model[1](model[0](inputs))
        hidden.retain_grad()
        outputs = model[2](hidden)
        outputs.retain_grad()
        squared_error(outputs).mean().backward()
    node = spectra.to_datatree()["2.weight"]
    for group, rows in (("all", slice(None)), ("0", labels == 0), ("1", labels == 1)):
        for quantity, matrix in (("activation", hidden.detach()), ("adjoint", outputs.grad)):
            expected = np.linalg.svd(matrix[rows].double().numpy(), compute_uv=False)[:3]
            found = node[quantity].sel(step=0, group=group).values[: len(expected)]
            np.testing.assert_allclose(found, expected, atol=1e-7 * expected[0])


def test_ranks_beyond_the_samples_of_a_group_are_nan_in_factors():
    model = network((6, 5, 5))
    with GradientSpectra(model, [0, 0, *[1] * 10]) as spectra:
        squared_error(model(batch())).mean().backward()
    activation = spectra.to_datatree()["0.weight"]["activation"].sel(step=0, group="0").values
    assert np.isfinite(activation[:2]).all()
    assert np.isnan(activation[2:]).all()


def test_input_changed_in_place_is_decomposed_anew():
    model, inputs = network(), batch()
    with GradientSpectra(model) as spectra:
        squared_error(model(inputs)).mean().backward()
        squared_error(model(inputs)).mean().backward()
        inputs.mul_(2)
        squared_error(model(inputs)).mean().backward()
    activation = spectra.to_datatree()["0.weight"]["activation"].sel(group="all").values
    np.testing.assert_array_equal(activation[0], activation[1])
    np.testing.assert_allclose(activation[2], 2 * activation[0])


def test_two_hundred_adam_steps_are_bit_identical_with_and_without_monitoring():
    inputs, labels = batch(40, 6, torch.float32), np.arange(40) % 4

    def trained(monitored):
        model = network(dtype=torch.float32)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

        def loop():
            for _ in range(200):
                optimizer.zero_grad()
                squared_error(model(inputs)).mean().backward()
                optimizer.step()

        if monitored:
            plan = BlockPlan(("0", "3"), 4, frozenset({0, 50, 199}))
            with GradientSpectra(model, labels, blocks=plan) as spectra:
                loop()
            assert spectra.step == 200
        else:
            loop()
        return [p.detach().clone() for p in model.parameters()]

    for with_spectra, without in zip(trained(True), trained(False), strict=True):
        assert torch.equal(with_spectra, without)


def test_a_loop_that_is_not_ours_needs_three_lines():
    model, data, labels = network(dtype=torch.float32), batch(dtype=torch.float32), [0, 1] * 6

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _epoch in range(5):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(data), torch.zeros(12, 3))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                model(data[:3])

    with GradientSpectra(model, groups=labels, every=1) as spectra:
        train(model)
    tree = spectra.to_datatree()
    node = tree["0.weight"]
    assert set(tree.children) == {"0.weight", "2.weight"}
    assert {"gradient", "activation", "adjoint"} <= set(node.data_vars)
    assert node["gradient"].dims == ("step", "group", "rank")
    assert node["step"].values.tolist() == [0, 1, 2, 3, 4]
    assert node["group"].values.tolist() == ["all", "0", "1"]
    assert node.attrs["group_sizes"] == [12, 6, 6]
    assert node.attrs["scale"] == "contribution"
    assert node.attrs["dtype"] == "float32"


def test_only_every_so_many_steps_are_recorded():
    model, inputs = network(), batch()
    with GradientSpectra(model, every=2, factors_every=4) as spectra:
        for _ in range(7):
            squared_error(model(inputs)).mean().backward()
    node = spectra.to_datatree()["0.weight"]
    assert node["step"].values.tolist() == [0, 2, 4, 6]
    assert node["adjoint"].sel(group="all", rank=1).notnull().values.tolist() == [1, 0, 1, 0]
    assert node["gradient"].notnull().all()


def test_a_weight_used_twice_is_summed_before_its_spectrum():
    torch.manual_seed(0)
    shared = nn.Linear(4, 4).double()
    model, inputs = nn.Sequential(shared, nn.Tanh(), shared), batch(8, 4)
    with GradientSpectra(model, [0, 1] * 4) as spectra:
        squared_error(model(inputs)).mean().backward()
    node = spectra.to_datatree()["0.weight"]
    expected = autograd_group_gradients(model, inputs, [0, 1] * 4, squared_error)
    for group in ("0", "1"):
        np.testing.assert_allclose(
            node["gradient"].sel(step=0, group=group),
            np.linalg.svd(expected[group]["0.weight"].numpy(), compute_uv=False),
            rtol=1e-10,
        )
    both = torch.cat([inputs, torch.tanh(shared(inputs)).detach()])
    np.testing.assert_allclose(
        node["activation"].sel(step=0, group="all"), torch.linalg.svdvals(both), rtol=1e-10
    )


def test_a_weight_used_on_data_once_more_than_before_has_the_activations_of_both_uses():
    torch.manual_seed(0)
    shared, inputs = nn.Linear(6, 6).double(), batch()
    with GradientSpectra(shared, [0, 1] * 6) as spectra:
        shared(inputs).square().sum(-1).mean().backward()
        (shared(inputs) * shared(inputs).tanh()).sum(-1).mean().backward()
    once, twice = spectra.to_datatree()["weight"]["activation"].sel(group="all").values
    np.testing.assert_allclose(twice, np.sqrt(2) * once, rtol=1e-10)


def test_tokens_fold_into_their_samples():
    torch.manual_seed(0)
    model = nn.Linear(5, 3).double()
    inputs = torch.randn(6, 4, 5, dtype=torch.float64)
    labels = [0, 1, 0, 1, 1, 0]
    with GradientSpectra(model, labels) as spectra:
        model(inputs).square().sum((1, 2)).mean().backward()
    expected = autograd_group_gradients(
        model, inputs, labels, lambda outputs: outputs.square().sum((1, 2))
    )
    for group in ("0", "1"):
        np.testing.assert_allclose(
            spectra.to_datatree()["weight"]["gradient"].sel(step=0, group=group),
            np.linalg.svd(expected[group]["weight"].numpy(), compute_uv=False),
            rtol=1e-10,
        )


def test_groups_may_change_from_batch_to_batch():
    model, inputs = network(), batch()
    spectra = GradientSpectra(model, [0, 1] * 6, levels=[0, 1], smallest_group=0)
    with spectra:
        squared_error(model(inputs)).mean().backward()
        spectra.groups = [0] * 5
        squared_error(model(inputs[:5])).mean().backward()
    node = spectra.to_datatree()["0.weight"]
    assert node["group_size"].values.tolist() == [[12, 6, 6], [5, 5, 0]]
    assert (node["gradient"].sel(step=1, group="1") == 0).all()


def test_block_gradients_sum_to_their_groups_gradient():
    model, inputs, labels = network(), batch(), np.array([0, 1, 2] * 4)
    plan = BlockPlan(("0", "2"), 2, frozenset({1}))
    with GradientSpectra(model, labels, blocks=plan) as spectra:
        for _ in range(2):
            squared_error(model(inputs)).mean().backward()
    node = spectra.to_block_datatree()["0.weight"]
    assert node["gradient"].sizes == {"step": 1, "block": 4, "row": 5, "column": 6}
    assert node["step"].values.tolist() == [1]
    expected = autograd_group_gradients(model, inputs, labels.tolist(), squared_error)
    for group in ("0", "2"):
        held = node["gradient"].isel(step=0, block=node["group"].values == group)
        np.testing.assert_allclose(held.sum("block"), expected[group]["0.weight"], rtol=1e-10)


def test_recording_goes_on_from_a_saved_state():
    inputs, labels = batch(), [0, 1] * 6
    plan = BlockPlan(("0", "1"), 2, frozenset({0, 2}))

    def passes(model, spectra, count):
        with spectra:
            for _ in range(count):
                squared_error(model(inputs)).mean().backward()

    whole = GradientSpectra(network(), labels, blocks=plan)
    passes(model := network(), whole := GradientSpectra(model, labels, blocks=plan), 4)
    passes(model := network(), first := GradientSpectra(model, labels, blocks=plan), 2)
    second = GradientSpectra(model, labels, blocks=plan)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    passes(model, second, 2)
    assert second.to_datatree().identical(whole.to_datatree())
    assert second.to_block_datatree().identical(whole.to_block_datatree())


def test_what_is_not_recorded_is_listed_with_the_reason():
    model = nn.Sequential(
        nn.Embedding(9, 5), nn.LayerNorm((4, 5)), nn.Linear(5, 4), nn.Linear(4, 2, bias=False)
    )
    model[3].weight.requires_grad_(False)
    spectra = GradientSpectra(model)
    assert spectra.unrecorded == {
        "1.weight": "it scales element by element, which is no matrix product",
        "1.bias": "it scales element by element, which is no matrix product",
        "2.bias": "a vector has a norm, not a spectrum",
        "3.weight": "frozen: it has no gradient",
    }
    assert spectra.only_by_group == {
        "0.weight": "hooks do not show adjoints of Embedding; recorded by spectra.backward only"
    }


def test_what_was_not_recorded_is_listed_in_the_output_as_the_pass_was_run():
    tokens = torch.randint(0, 9, (12, 4), generator=torch.Generator().manual_seed(0))

    def recorded(by_group):
        model = nn.Sequential(nn.Embedding(9, 5), nn.Linear(5, 3))
        with GradientSpectra(model, [0, 1] * 6) as spectra:
            if by_group:
                spectra.backward(lambda rows: model(tokens[rows]).square().mean())
            else:
                model(tokens).square().mean().backward()
        tree = spectra.to_datatree()
        return list(tree.children), list(json.loads(tree.attrs["unrecorded"]))

    assert recorded(by_group=True) == (["0.weight", "1.weight"], ["1.bias"])
    assert recorded(by_group=False) == (["1.weight"], ["0.weight", "1.bias"])


def test_weights_that_hooks_do_not_show_have_no_activations():
    model = nn.Sequential(nn.Embedding(9, 5), nn.Linear(5, 3))
    tokens = torch.randint(0, 9, (12, 4), generator=torch.Generator().manual_seed(0))
    with GradientSpectra(model, [0, 1] * 6) as spectra:
        spectra.backward(lambda rows: model(tokens[rows]).square().mean())
    tree = spectra.to_datatree()
    assert "activation" not in tree["0.weight"]
    assert tree["1.weight"]["activation"].notnull().all()


def test_a_model_without_a_matrix_is_refused():
    with pytest.raises(BadInputError, match="at least one trainable weight of two"):
        GradientSpectra(nn.LayerNorm(5))


def test_a_model_that_hooks_do_not_show_is_refused_in_its_first_backward_pass():
    model = nn.Embedding(9, 5)
    with (
        pytest.raises(BadInputError, match=r"Call spectra\.backward"),
        GradientSpectra(model),
    ):
        model(torch.tensor([1, 2])).sum().backward()


def test_a_batch_of_another_length_is_refused_before_its_backward_pass():
    model = network()
    with (
        pytest.raises(BadInputError, match="found 12 labels, expected 5, one per sample"),
        GradientSpectra(model, [0, 1] * 6),
    ):
        model(batch(5))
    assert not model[0]._forward_hooks


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every": 0}, "every: found 0"),
        ({"every": 2, "factors_every": 3}, "a multiple of every"),
        ({"quantities": ["hessian"]}, "quantities"),
        ({"quantities": []}, "quantities"),
        ({"groups": [0, 1] * 6, "blocks": BlockPlan(("7",), 2, frozenset({0}))}, "group 7"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(BadInputError, match=words):
        GradientSpectra(network(), **arguments)


def test_no_hook_stays_behind_after_an_error_in_the_loop():
    model = network()
    with pytest.raises(ZeroDivisionError), GradientSpectra(model):
        model(batch())
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in model.modules())


@given(
    widths=st.lists(st.integers(1, 7), min_size=3, max_size=4),
    samples=st.integers(4, 9),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_ranks_never_exceed_their_bounds(widths, samples, seed):
    model = network(tuple(widths), seed=seed)
    inputs = batch(samples, widths[0], seed=seed)
    labels = np.arange(samples) % 2
    with GradientSpectra(model, labels) as spectra:
        squared_error(model(inputs)).mean().backward()
    bottleneck = min(widths[1:-1])
    for place, (i, o) in enumerate(itertools.pairwise(widths)):
        node = spectra.to_datatree()[f"{2 * place}.weight"]
        for group, size in (("all", samples), ("0", (samples + 1) // 2), ("1", samples // 2)):
            values = node["gradient"].sel(step=0, group=group)
            above = int((values > node["noise_floor"].sel(step=0, group=group)).sum())
            upstream_of_bottleneck = place == 0 and len(widths) == 3
            limit = bottleneck if upstream_of_bottleneck else max(i, o)
            assert above <= min(i, o, size, limit)


def test_the_output_layer_of_a_classifier_has_rank_classes_minus_one():
    model = network((6, 8, 4))
    inputs, classes = batch(30), torch.arange(30) % 4
    with GradientSpectra(model, classes) as spectra:
        nn.functional.cross_entropy(model(inputs), classes).backward()
    node = spectra.to_datatree()["2.weight"]
    above = node["gradient"] > node["noise_floor"]
    assert above.sel(step=0, group="all").sum() == 3


@pytest.mark.parametrize("labels", [[0] * 5 + [1] * 4 + [2] * 3, [0, 1, 2] * 4])
def test_going_group_by_group_records_what_one_pass_records(labels):
    inputs, plan = batch(), BlockPlan(("0", "2"), 2, frozenset({0, 2}))
    model, twin = network(), network()
    in_one_pass = GradientSpectra(model, labels, factors_every=2, blocks=plan)
    by_group = GradientSpectra(twin, labels, factors_every=2, blocks=plan)
    for _ in range(3):
        model.zero_grad()
        twin.zero_grad()
        with in_one_pass:
            loss = squared_error(model(inputs)).mean()
            loss.backward()
        with by_group:
            twin_loss = by_group.backward(lambda rows: squared_error(twin(inputs[rows])).mean())
        torch.testing.assert_close(twin_loss, loss.detach(), rtol=1e-12, atol=0)
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-10, atol=1e-14)
    assert set(in_one_pass.to_datatree().children) == {"0.weight", "2.weight"}
    assert "beside the training pass" in in_one_pass.to_datatree().attrs["engine"]
    assert "group by group" in by_group.to_datatree().attrs["engine"]
    for name, node in in_one_pass.to_datatree().children.items():
        for quantity in ("gradient", "activation", "adjoint"):
            np.testing.assert_allclose(
                by_group.to_datatree()[name][quantity], node[quantity], rtol=1e-9, atol=1e-14
            )
        np.testing.assert_allclose(
            by_group.to_block_datatree()[name]["gradient"],
            in_one_pass.to_block_datatree()[name]["gradient"],
            rtol=1e-9,
            atol=1e-14,
        )


def test_training_by_parts_is_bit_identical_with_and_without_monitoring():
    inputs, labels = batch(40, 6, torch.float32), np.repeat(np.arange(4), 10)
    rows = [slice(start, start + 10) for start in range(0, 40, 10)]

    def trained(monitored):
        model = network(dtype=torch.float32)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        spectra = GradientSpectra(model, labels)

        def loss_of(part):
            return squared_error(model(inputs[part])).mean()

        with spectra if monitored else contextlib.nullcontext():
            for _ in range(200):
                optimizer.zero_grad()
                if monitored:
                    spectra.backward(loss_of)
                else:
                    backward_by_parts(list(model.parameters()), rows, [10] * 4, loss_of)
                optimizer.step()
        assert spectra.step == (200 if monitored else 0)
        return [p.detach().clone() for p in model.parameters()]

    for with_spectra, without in zip(trained(True), trained(False), strict=True):
        assert torch.equal(with_spectra, without)


def test_gradients_that_are_there_already_are_added_to():
    model, inputs = network(), batch()
    spectra = GradientSpectra(model, [0, 1] * 6)
    with spectra:
        for _ in range(2):
            spectra.backward(lambda rows: squared_error(model(inputs[rows])).mean())
    twice = model[0].weight.grad.clone()
    model.zero_grad()
    squared_error(model(inputs)).mean().backward()
    torch.testing.assert_close(twice, 2 * model[0].weight.grad)


@pytest.mark.parametrize(
    ("layer", "words"),
    [(nn.BatchNorm1d(5), "normalises over the batch"), (nn.Dropout(0.5), "draws its mask anew")],
)
def test_a_layer_that_ties_samples_together_cannot_go_group_by_group(layer, words):
    model = nn.Sequential(nn.Linear(6, 5), layer.double(), nn.Linear(5, 3)).double()
    spectra = GradientSpectra(model, [0, 1] * 6)
    with pytest.raises(BadInputError, match=words), spectra:
        spectra.backward(lambda rows: squared_error(model(batch()[rows])).mean())


def test_going_group_by_group_needs_groups():
    spectra = GradientSpectra(network())
    with pytest.raises(BadInputError, match="groups: found none"), spectra:
        spectra.backward(lambda rows: squared_error(network()(batch()[rows])).mean())


@pytest.mark.parametrize("by_group", [False, True])
def test_labels_of_another_length_than_the_batch_are_refused_at_any_step(by_group):
    model = network()
    spectra = GradientSpectra(model, [0, 1] * 6)

    def one_pass(inputs):
        if by_group:
            spectra.backward(lambda rows: squared_error(model(inputs[rows])).mean())
        else:
            squared_error(model(inputs)).mean().backward()

    with spectra:
        one_pass(batch())
        before = [p.grad.clone() for p in model.parameters()]
        # Group 1 ends at sample 11, and the batch now at 7.
        with pytest.raises((BadInputError, IndexError)):
            one_pass(batch(8))
        for one, other in zip(before, model.parameters(), strict=True):
            assert torch.equal(one, other.grad)
        one_pass(batch())
    assert spectra.to_datatree()["0.weight"]["step"].values.tolist() == [0, 1]


def test_a_batch_cut_short_by_slices_is_refused_group_by_group():
    """A slice beyond the end of a tensor is no error of its own."""
    model, inputs = network(), batch(8)
    spectra = GradientSpectra(model, [0] * 6 + [1] * 6)
    with pytest.raises(BadInputError, match="found 6 labels, expected 2, one per sample"), spectra:
        spectra.backward(lambda rows: squared_error(model(inputs[rows])).mean())


@pytest.mark.parametrize("by_group", [False, True])
def test_under_autocast_the_spectra_are_those_of_gradients_rounded_to_its_type(by_group):
    inputs, labels = batch(12, 6, torch.float32), [0, 1] * 6

    def recorded(enabled):
        model = network(dtype=torch.float32)

        def loss_of(rows):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                return squared_error(model(inputs[rows]).float()).mean()

        with GradientSpectra(model, labels) as spectra:
            if by_group:
                spectra.backward(loss_of)
            else:
                loss_of(slice(None)).backward()
        return model, spectra.to_datatree()

    model, mixed = recorded(enabled=True)
    _, single = recorded(enabled=False)
    assert (mixed.attrs["dtype"], mixed.attrs["computed_in"]) == ("float32", "bfloat16")
    assert single.attrs["computed_in"] == "float32"
    for name in ("0.weight", "2.weight"):
        gradient = mixed[name]["gradient"].sel(step=0)
        assert model.get_parameter(name).grad.dtype == torch.float32
        in_grad = torch.linalg.svdvals(model.get_parameter(name).grad)
        np.testing.assert_allclose(gradient.sel(group="all"), in_grad, atol=0.01 * in_grad[0])
        for quantity in ("gradient", "activation", "adjoint"):
            exact = single[name][quantity]
            np.testing.assert_allclose(mixed[name][quantity], exact, atol=0.02 * float(exact.max()))
            assert not np.array_equal(mixed[name][quantity], exact) or name == "0.weight"
        floor = mixed[name]["noise_floor"].sel(step=0, group="all")
        assert floor == gradient.sel(group="all", rank=1) * torch.finfo(torch.bfloat16).eps


def test_blocks_are_not_kept_where_batches_are_accumulated():
    spectra = GradientSpectra(network(), [0, 1] * 6, blocks=BlockPlan(("0",), 2, frozenset({0})))
    with pytest.raises(BadInputError, match="no blocks where batches are accumulated"):
        spectra.one_step().__enter__()


def test_blocks_of_other_sizes_than_before_are_refused():
    model, plan = network(), BlockPlan(("0", "1"), 6, frozenset({0, 1}))
    with GradientSpectra(model, [0, 1] * 6, blocks=plan) as spectra:
        squared_error(model(batch())).mean().backward()
        spectra.groups = [0, 1] * 3
        with pytest.raises(BadInputError, match="step 1: found other blocks"):
            squared_error(model(batch(6))).mean().backward()


@given(
    samples=st.integers(2, 6),
    time=st.integers(1, 6),
    channels=st.integers(1, 5),
    kernel=st.integers(1, 3),
    hidden=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_recurrent_and_convolutional_ranks_never_exceed_their_bounds(
    samples, time, channels, kernel, hidden, seed
):
    torch.manual_seed(seed)
    inputs = torch.randn(samples, time + kernel - 1, channels, dtype=torch.float64)
    convolution = nn.Conv1d(channels, hidden, kernel).double()
    net = nn.RNN(hidden, hidden, batch_first=True).double()
    model = nn.ModuleList([convolution, net])
    with GradientSpectra(model) as spectra:
        features = convolution(inputs.mT).mT
        net(features)[0].square().sum((1, 2)).mean().backward()
    for name, bound in (
        ("0.weight", min(hidden, channels * kernel, samples * time)),
        ("1.weight_ih_l0", min(hidden, samples * time)),
        ("1.weight_hh_l0", min(hidden, samples * (time - 1))),
    ):
        node = spectra.to_datatree()[name].sel(step=0, group="all")
        assert int((node["gradient"] > node["noise_floor"]).sum()) <= bound


@pytest.mark.parametrize("widths", [(6, 5, 3), (20, 30, 3)])  # the latter from few rows
def test_a_weight_that_the_loss_uses_outside_its_layer_is_warned_of_once(caplog, widths):
    model, inputs = network(widths), batch(features=widths[0])
    with GradientSpectra(model, [0, 1] * 6) as spectra:
        for _ in range(2):
            model.zero_grad()
            penalty = model[0].weight.square().sum()
            (squared_error(model(inputs)).mean() + penalty).backward()
    (record,) = caplog.records
    assert record.getMessage().startswith("0.weight: ")
    assert spectra.step == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_warning_where_all_goes_through_the_layers(caplog, dtype):
    model, inputs = network(dtype=dtype), batch(dtype=dtype)
    shared = nn.Sequential(*model, nn.Linear(3, 6).to(dtype), *model)
    with GradientSpectra(shared, [0, 1] * 6), torch.autocast("cpu", enabled=dtype == torch.float32):
        squared_error(shared(inputs)).mean().backward()
    assert not caplog.records
