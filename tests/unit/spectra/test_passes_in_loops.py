"""Steps are recorded rightly whatever else a loop does: errors, checkpoints, copies, labels."""

import copy
import gc
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra

GROUPS = [0, 1] * 4


def numbers(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def largest(spectra, name="0.weight", group="all"):
    return spectra.to_datatree()[name]["gradient"].sel(group=group, rank=1).values


def norm(weight):
    return np.linalg.norm(weight.grad.numpy(), 2)


def fail(gradient):
    raise ArithmeticError("not finite")


def failing_backward(model, inputs):
    hidden = model[0](inputs)
    hidden.register_hook(fail)
    with pytest.raises(ArithmeticError):
        model[2](hidden.tanh()).square().mean().backward()


def test_a_backward_pass_that_fails_is_dropped_and_the_next_is_recorded():
    model, inputs = network(), numbers(8, 6)
    norms = []
    with GradientSpectra(model, GROUPS) as spectra:
        for step in range(4):
            if step:
                failing_backward(model, inputs * 3)
            model.zero_grad()
            model(inputs * (step + 1)).square().mean().backward()
            norms.append(norm(model[0].weight))
            assert spectra.step == step + 1
    np.testing.assert_allclose(largest(spectra), norms)


def test_nothing_is_held_of_passes_that_failed():
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        alive = []
        for _ in range(6):
            failing_backward(model, inputs)
            for _ in range(2):
                model(inputs).sum().backward()
            gc.collect()
            kept = spectra._listener.record
            alive.append(len(kept.uses) + len(kept.gradients))
        assert spectra.step == 12
    assert alive == [0] * 6


def test_a_failed_pass_before_going_group_by_group_is_dropped():
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        failing_backward(model, inputs)
        model.zero_grad()
        spectra.backward(lambda rows: model(inputs[rows]).square().mean())
        assert spectra.step == 1
    np.testing.assert_allclose(largest(spectra), [norm(model[0].weight)])


def test_a_failed_pass_among_accumulated_ones_leaves_its_step_out(caplog):
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        with spectra.one_step():
            model(inputs).square().mean().backward()
            failing_backward(model, inputs)
            model(inputs).square().mean().backward()
        model.zero_grad()
        model(inputs).square().mean().backward()
    assert "its step is not recorded" in caplog.text
    tree = spectra.to_datatree()["0.weight"]
    assert tree["step"].values.tolist() == [1]
    np.testing.assert_allclose(largest(spectra), [norm(model[0].weight)])


class Checkpointed(nn.Module):
    def __init__(self, parts, head, *, use_reentrant):
        super().__init__()
        self.parts, self.use_reentrant = nn.ModuleList(parts), use_reentrant
        self.head = head

    def forward(self, values):
        for part in self.parts:
            values = checkpoint(part, values, use_reentrant=self.use_reentrant)
        return self.head(values)


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("head", [nn.Identity(), nn.Linear(6, 3).double()], ids=["bare", "head"])
def test_checkpoints_run_again_within_the_step_they_belong_to(use_reentrant, head):
    torch.manual_seed(0)
    parts = [nn.Sequential(nn.Linear(6, 6), nn.Tanh()).double() for _ in range(3)]
    model = Checkpointed(parts, head, use_reentrant=use_reentrant)
    inputs = numbers(8, 6).requires_grad_()
    norms = {name: [] for name, weight in model.named_parameters() if weight.ndim == 2}
    with GradientSpectra(model, GROUPS, every=2) as spectra:
        for step in range(3):
            model.zero_grad()
            model(inputs * (step + 1)).square().mean().backward()
            for name, found in norms.items():
                found.append(norm(model.get_parameter(name)))
        assert spectra.step == 3
    for name, found in norms.items():
        np.testing.assert_allclose(largest(spectra, name), found[::2])


def test_labels_are_those_of_the_forward_pass():
    model, inputs, labels = network(), numbers(8, 6), np.array([0, 0, 0, 1, 1, 1, 1, 1])
    with GradientSpectra(model, labels) as spectra:
        losses = model(inputs).square().sum(1) / 8
        spectra.groups = labels[::-1]
        losses.mean().backward(retain_graph=True)
    tree = spectra.to_datatree()
    assert tree["0.weight"].attrs["group_sizes"] == [8, 3, 5]
    for group in (0, 1):
        model.zero_grad()
        (losses[labels == group].sum() / 8).backward(retain_graph=True)
        np.testing.assert_allclose(largest(spectra, group=str(group)), [norm(model[0].weight)])


def test_batches_with_labels_of_their_own_may_share_a_backward_pass():
    model, batches = network(), numbers(2, 8, 6)
    labels = np.array([[0, 0, 0, 1, 1, 1, 1, 1], [0, 1] * 4])
    losses = []
    with GradientSpectra(model, labels[0]) as spectra:
        for batch, of_batch in zip(batches, labels, strict=True):
            spectra.groups = of_batch
            losses.append(model(batch).square().sum(1))
        torch.cat(losses).sum().backward(retain_graph=True)
    assert spectra.to_datatree()["0.weight"].attrs["group_sizes"] == [16, 7, 9]
    for group in (0, 1):
        model.zero_grad()
        torch.cat(losses)[labels.flatten() == group].sum().backward(retain_graph=True)
        np.testing.assert_allclose(largest(spectra, group=str(group)), [norm(model[0].weight)])


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), saved],
    ids=["deepcopy", "pickle", "torch.save"],
)  # fmt: skip
def test_a_copy_of_the_model_is_not_recorded(copied):
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        of_model = copied(model)
        assert torch.equal(of_model(inputs), model(inputs))
        of_model(inputs[:3]).sum().backward()
        assert spectra.step == 0
        model(inputs).sum().backward()
    of_model(inputs[:5]).sum().backward()
    assert spectra.step == 1


def test_a_block_inside_a_block_of_the_same_recorder_is_refused():
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        with pytest.raises(BadInputError, match="inside another"), spectra:
            pass
        model(inputs).square().mean().backward()
    np.testing.assert_allclose(largest(spectra), [norm(model[0].weight)])


def penalised(model, inputs):
    inputs = inputs.requires_grad_()
    outputs = model(inputs)
    (slopes,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    return outputs.square().mean() + slopes.square().sum(1).mean()


def test_a_step_with_a_gradient_penalty_is_nan_and_said_to_be(caplog):
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        penalised(model, inputs).backward()
        assert spectra.step == 1
        model.zero_grad()
        model(inputs).square().mean().backward()
    assert "such steps are NaN" in caplog.text
    found = largest(spectra)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1], norm(model[0].weight))


def test_a_gradient_penalty_is_recorded_group_by_group():
    model, inputs = network(), numbers(8, 6)
    with GradientSpectra(model, GROUPS) as spectra:
        spectra.backward(lambda rows: penalised(model, inputs[rows].detach()))
    np.testing.assert_allclose(largest(spectra), [norm(model[0].weight)])
    activation = spectra.to_datatree()["0.weight"]["activation"].sel(step=0, group="all")
    np.testing.assert_allclose(activation, np.linalg.svd(inputs, compute_uv=False)[:5])


def test_a_pass_that_trains_and_builds_a_graph_is_a_step():
    model, inputs = network(), numbers(8, 6)
    with (
        GradientSpectra(model, GROUPS) as spectra,
        pytest.warns(UserWarning, match="create_graph"),
    ):
        model(inputs).square().mean().backward(create_graph=True)
    np.testing.assert_allclose(largest(spectra), [np.linalg.norm(model[0].weight.grad.detach(), 2)])


def test_a_block_in_which_nothing_was_seen_says_so(caplog):
    model, inputs = network(), numbers(8, 6)
    compiled = torch.compile(model, backend="eager")
    compiled(inputs).sum().backward()
    with GradientSpectra(model, GROUPS) as spectra:
        compiled(inputs).sum().backward()
    assert spectra.step == 0
    assert "torch.compile" in caplog.text
    caplog.clear()
    with spectra:
        model(inputs).sum().backward()
    assert not caplog.text
