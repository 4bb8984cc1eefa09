"""Spectra of activations and adjoints, and over the dimension of tying, by independent means."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra

LABELS = np.array([0, 1, 2, 1, 0, 1, 0, 2])
SAMPLES, STEPS, FEATURES, WIDTH = len(LABELS), 5, 3, 4
WAYS = ("in pass", "by group")


def numbers(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def weighted_squares(outputs):
    outputs = outputs.flatten(1)
    return (outputs * torch.linspace(0.5, 2, outputs.shape[1], dtype=outputs.dtype)).square().sum(1)


def recorded(model, inputs, way, loss_of_samples=weighted_squares, **options):
    spectra = GradientSpectra(model, LABELS, **options)
    with spectra:
        if way == "by group":
            spectra.backward(lambda rows: loss_of_samples(model(inputs[rows])).mean())
        else:
            loss_of_samples(model(inputs)).mean().backward()
    return spectra.to_datatree()


def check_rows(node, quantity, rows):
    """Compare with the singular values of (samples, ..., features), group by group."""
    rows = rows.detach().numpy()
    for group, chosen in (("all", LABELS >= 0), *((str(g), g == LABELS) for g in range(3))):
        expected = np.linalg.svd(rows[chosen].reshape(-1, rows.shape[-1]), compute_uv=False)
        found = node[quantity].sel(step=0, group=group).values
        shared = min(len(found), len(expected))
        np.testing.assert_allclose(
            found[:shared], expected[:shared], rtol=1e-10, atol=1e-10 * expected[0]
        )


def check_places(node, activations, adjoints):
    """Compare with ∇_t = Δ_tᵀ A_t, out of (samples, places, features), group by group."""
    a, d = activations.detach().numpy(), adjoints.detach().numpy()
    for group, chosen in (("all", LABELS >= 0), *((str(g), g == LABELS) for g in range(3))):
        matrices = np.einsum("nto,nti->toi", d[chosen], a[chosen])
        expected = np.linalg.svd(matrices, compute_uv=False)
        found = node["gradient_over_ties"].sel(step=0, group=group)
        assert found.dims == ("tie", "rank")
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * expected.max())


class Traced(nn.Module):
    """A bare recurrent layer whose outputs are all that the loss sees."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs):
        return self.net(inputs)[0]


def unrolled(net, inputs):
    """One layer of an LSTM, GRU or RNN written out, with its gates' inputs: all (samples, ...)."""
    state = cell = torch.zeros(SAMPLES, WIDTH, dtype=torch.float64)
    states, driven, fed_back, outputs = [], [], [], []
    for step in inputs.unbind(1):
        x = nn.functional.linear(step, net.weight_ih_l0, net.bias_ih_l0)
        h = nn.functional.linear(state, net.weight_hh_l0, net.bias_hh_l0)
        states.append(state)
        driven.append(x)
        fed_back.append(h)
        for value in (x, h):
            value.retain_grad()
        if isinstance(net, nn.LSTM):
            i, f, g, o = (x + h).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
        elif isinstance(net, nn.GRU):
            (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, 1), h.chunk(3, 1)
            new = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
            update = torch.sigmoid(x_z + h_z)
            state = (1 - update) * new + update * state
        else:
            state = torch.tanh(x + h)
        outputs.append(state)
    weighted_squares(torch.stack(outputs, 1)).mean().backward()
    return (
        torch.stack(states, 1),
        torch.stack([x.grad for x in driven], 1),
        torch.stack([h.grad for h in fed_back], 1),
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "gates"),
    [
        (nn.LSTM, ("[input]", "[forget]", "[cell]", "[output]")),
        (nn.GRU, ("[reset]", "[update]", "[new]")),
        (nn.RNN, ("",)),
    ],
)
def test_recurrent_gates_have_the_spectra_of_the_layer_written_out(kind, gates, way):
    torch.manual_seed(0)
    model, inputs = Traced(kind(FEATURES, WIDTH, batch_first=True).double()), numbers(8, 5, 3)
    tree = recorded(model, inputs, way, over_ties=True)
    before, of_driven, of_fed_back = unrolled(model.net, inputs)
    for place, gate in enumerate(gates):
        rows = slice(place * WIDTH, (place + 1) * WIDTH)
        for name, a, d in (
            (f"net.weight_ih_l0{gate}", inputs, of_driven[..., rows]),
            (f"net.weight_hh_l0{gate}", before, of_fed_back[..., rows]),
        ):
            check_rows(tree[name], "activation", a)
            check_rows(tree[name], "adjoint", d)
            check_places(tree[name], a, d)


@pytest.mark.parametrize("way", WAYS)
def test_convolutions_have_the_spectra_of_their_unfolded_input(way):
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 5, (3, 2), padding=(1, 0), stride=(2, 1), dilation=(1, 2)).double()
    model, inputs = nn.Sequential(layer, nn.Tanh()), numbers(SAMPLES, 2, 6, 7)
    tree = recorded(model, inputs, way, over_ties=True)
    outputs = layer(inputs)
    outputs.retain_grad()
    weighted_squares(outputs.tanh()).mean().backward()
    patches = nn.functional.unfold(inputs, (3, 2), padding=(1, 0), stride=(2, 1), dilation=(1, 2))
    check_rows(tree["0.weight"], "activation", patches.mT)
    check_rows(tree["0.weight"], "adjoint", outputs.grad.flatten(2).mT)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("groups", [1, 2])
def test_each_position_of_a_kernel_has_the_spectrum_of_its_slice(way, groups):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 6, 3, groups=groups).double(), nn.Tanh())
    inputs = numbers(SAMPLES, 4, 9)
    node = recorded(model, inputs, way, over_ties=True)["0.weight"]
    assert node.sizes["tie"] == 3
    for group in range(3):
        chosen = torch.from_numpy(np.flatnonzero(group == LABELS))
        loss = weighted_squares(model(inputs[chosen])).sum() / SAMPLES
        (gradient,) = torch.autograd.grad(loss, model[0].weight)
        for position in range(3):
            # A block-diagonal matrix has the singular values of all its blocks.
            blocks = gradient[:, :, position].chunk(groups)
            expected = torch.cat([torch.linalg.svdvals(block) for block in blocks])
            found = node["gradient_over_ties"].sel(step=0, group=str(group)).values[position]
            np.testing.assert_allclose(
                found[: len(expected)], expected.sort(descending=True).values, rtol=1e-10
            )
            assert np.isnan(found[len(expected) :]).all()


@pytest.mark.parametrize("way", WAYS)
def test_linear_layers_over_time_have_a_gradient_for_each_time_step(way):
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(3, 6), nn.Tanh()).double(), numbers(SAMPLES, 7, 3)
    node = recorded(model, inputs, way, over_ties=True)["0.weight"]
    outputs = model[0](inputs)
    outputs.retain_grad()
    weighted_squares(outputs.tanh()).mean().backward()
    check_places(node, inputs, outputs.grad)


class Unrolled(nn.Module):
    """A weight that is used once for each time step."""

    def __init__(self):
        super().__init__()
        self.back = nn.Linear(WIDTH, WIDTH, bias=False)
        self.states, self.driven = [], []

    def forward(self, inputs):
        state = torch.zeros_like(inputs[:, 0])
        self.states, self.driven = [], []
        for step in inputs.unbind(1):
            self.states.append(state)
            self.driven.append(self.back(state))
            state = torch.tanh(step + self.driven[-1])
        return state


@pytest.mark.parametrize("way", WAYS)
def test_a_weight_used_time_after_time_has_a_gradient_for_each_use_in_their_order(way):
    torch.manual_seed(0)
    model, inputs = Unrolled().double(), numbers(SAMPLES, STEPS, WIDTH)
    node = recorded(model, inputs, way, over_ties=True)["back.weight"]
    outputs = model(inputs)
    for value in model.driven:
        value.retain_grad()
    weighted_squares(outputs).mean().backward()
    adjoints = torch.stack([value.grad for value in model.driven], 1)
    check_places(node, torch.stack(model.states, 1), adjoints)


def test_weights_used_at_one_place_have_no_spectrum_over_ties():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    tree = recorded(model, numbers(SAMPLES, 3), "in pass", over_ties=True)
    assert "gradient_over_ties" not in tree["0.weight"]


def test_places_are_recorded_where_asked_for_at_the_steps_of_the_factors():
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double(), numbers(SAMPLES, 7, 3)
    spectra = GradientSpectra(model, LABELS, factors_every=2, over_ties=True)
    with spectra:
        for length in (5, 5, 7):  # steps 0 and 2 are recorded
            weighted_squares(model(inputs[:, :length])).mean().backward()
    values = spectra.to_datatree()["0.weight"]["gradient_over_ties"]
    assert values.sizes == {"step": 3, "group": 4, "tie": 7, "rank": 3}
    recorded_places = values.notnull().all(["group", "rank"]).sum("tie").values
    assert recorded_places.tolist() == [5, 0, 7]
    assert "gradient_over_ties" not in recorded(model, inputs, "in pass")["0.weight"]


def test_gates_and_places_survive_being_written(tmp_path):
    torch.manual_seed(0)
    model = Traced(nn.LSTM(FEATURES, WIDTH, batch_first=True).double())
    tree = recorded(model, numbers(8, 5, 3), "by group", over_ties=True)
    write_datatree(tmp_path / "spectra.nc", tree)
    again = read_datatree(tmp_path / "spectra.nc")
    assert set(again.children) == set(tree.children)
    for name, node in tree.children.items():
        for variable in ("gradient", "gradient_over_ties"):
            np.testing.assert_array_equal(again[name][variable], node[variable])


# Accumulation over mini-batches


def accumulated(way, model, inputs, context, sizes=(3, 5), **options):
    spectra = GradientSpectra(
        model, LABELS[: sizes[0]], smallest_group=0, levels=[0, 1, 2], **options
    )
    with spectra, getattr(spectra, context)() if context else contextlib.nullcontext():
        start = 0
        for size in sizes:
            rows = slice(start, start + size)
            spectra.groups = LABELS[rows]
            batch, share = inputs[rows], size / sum(sizes)
            if way == "by group":
                spectra.backward(
                    lambda part, batch=batch, share=share: (
                        share * weighted_squares(model(batch[part])).mean()
                    )
                )
            else:
                (share * weighted_squares(model(batch)).mean()).backward()
            start += size
    return spectra.to_datatree()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["linear", "few samples", "tokens", "lstm", "conv"])
def test_batches_accumulated_in_one_step_have_the_spectra_of_the_batch_they_make_up(kind, way):
    torch.manual_seed(0)
    model, inputs = {
        "linear": (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), numbers(8, 3)),
        "few samples": (nn.Sequential(nn.Linear(9, 11), nn.Tanh()), numbers(8, 9)),
        "tokens": (nn.Sequential(nn.Linear(3, 4), nn.Tanh()), numbers(8, 5, 3)),
        "lstm": (Traced(nn.LSTM(3, 4, batch_first=True)), numbers(8, 5, 3)),
        "conv": (nn.Sequential(nn.Conv1d(3, 4, 2), nn.Tanh()), numbers(8, 3, 6)),
    }[kind]
    model = model.double()
    whole = recorded(model, inputs, way, over_ties=True)
    found = accumulated(way, model, inputs, "one_step", over_ties=True)
    for name, node in whole.children.items():
        assert found[name]["step"].values.tolist() == [0]
        assert list(found[name].attrs["group_sizes"]) == [8, 3, 3, 2]
        assert set(found[name].data_vars) == set(node.data_vars)
        for variable in node.data_vars:
            np.testing.assert_allclose(found[name][variable], node[variable], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("way", WAYS)
def test_backward_passes_outside_one_step_are_steps_of_their_own(way):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    node = accumulated(way, model, numbers(8, 3), None)["0.weight"]
    assert node["step"].values.tolist() == [0, 1]
    assert node["group_size"].values.tolist() == [[3, 1, 1, 1], [5, 2, 2, 1]]


def test_one_step_counts_once_for_how_often_to_record():
    torch.manual_seed(0)
    model, inputs = nn.Linear(3, 4).double(), numbers(8, 3)
    with GradientSpectra(model, every=2) as spectra:
        for _ in range(3):
            with spectra.one_step():
                for batch in inputs.split(4):
                    weighted_squares(model(batch)).mean().backward()
    assert spectra.step == 3
    assert spectra.to_datatree()["weight"]["step"].values.tolist() == [0, 2]


def test_sequences_of_other_lengths_cannot_share_a_step_over_ties():
    model, inputs = nn.Linear(3, 4).double(), numbers(8, 5, 3)
    with (
        pytest.raises(BadInputError, match="3, 5 places in the passes of one step"),
        GradientSpectra(model, over_ties=True) as spectra,
        spectra.one_step(),
    ):
        for length in (5, 3):
            weighted_squares(model(inputs[:, :length])).mean().backward()
