"""Every layer type in both ways of recording, against plain autograd, group by group."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torch.nn.utils import rnn
from transformers import BertConfig, BertModel

from neurospect.errors import BadInputError
from neurospect.models.registry import FAMILIES, build_model
from neurospect.models.volume_convolution import VolumeConvolution
from neurospect.spectra import BlockPlan, GradientSpectra
from neurospect.training.backward import backward_by_parts

LABELS = np.array([0, 1, 2, 1, 0, 1, 0, 2])
SAMPLES = len(LABELS)
LSTM_GATES = ("input", "forget", "cell", "output")
GRU_GATES = ("reset", "update", "new")
PROJECTIONS = ("query", "key", "value")
VECTORS = ("token", "net.bias_k", "net.bias_v")


class Case:
    """A model in double precision, its loss per sample over some rows, and what to expect."""

    def __init__(self, model, losses_of, roles=(), blocks=None):
        self.model, self.losses_of = model.double(), losses_of
        self.roles, self.blocks = dict(roles), dict(blocks or {})


def numbers(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(*shape, dtype=torch.float64, generator=generator, device="cpu")
    return drawn.to(torch.get_default_device())


def tokens_below(count, *shape):
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randint(0, count, shape, generator=generator, device="cpu")
    return drawn.to(torch.get_default_device())


def squares(outputs, dim=0):
    """One loss per sample, in which every output counts differently."""
    outputs = outputs.movedim(dim, 0).flatten(1)
    factors = torch.linspace(0.5, 2, outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
    return (outputs * factors).square().sum(1)


def whole_input(model, *shape):
    inputs = numbers(SAMPLES, *shape)
    return lambda rows: squares(model(inputs[rows]))


def convolution(layer, *shape, blocks=1):
    model = nn.Sequential(layer, nn.Tanh())
    return Case(model, whole_input(model, *shape), blocks={"0.weight": blocks})


def recurrent(kind, gates, *, batch_first=True, last_only=False, initial=False, **options):
    model = nn.ModuleDict({"net": kind(3, 4, batch_first=batch_first, **options)})
    inputs = numbers(SAMPLES, 5, 3)
    directions = model["net"].num_layers * (2 if model["net"].bidirectional else 1)
    states = numbers(directions, SAMPLES, 4, seed=2)

    def losses_of(rows):
        given = inputs[rows] if batch_first else inputs[rows].transpose(0, 1)
        start = states[:, rows] if initial else None
        if initial and kind is nn.LSTM:
            start = (start, start.sin())
        outputs, last = model["net"](given, start)
        if last_only:
            return squares(torch.cat(last if isinstance(last, tuple) else [last]), dim=1)
        return squares(outputs, dim=0 if batch_first else 1)

    names = [n for n, _ in model.named_parameters() if "weight_ih" in n or "weight_hh" in n]
    return Case(model, losses_of, {name: gates for name in names} if gates else {})


def packed(kind, gates, *, is_sorted, with_states=False, **options):
    model = nn.ModuleDict({"net": kind(3, 4, batch_first=True, **options)})
    directions = model["net"].num_layers * (2 if model["net"].bidirectional else 1)
    states = numbers(directions, SAMPLES, 4, seed=2)
    inputs = numbers(SAMPLES, 6, 3)
    lengths = [6, 5, 5, 4, 4, 3, 2, 1] if is_sorted else [3, 6, 1, 5, 2, 4, 6, 2]
    lengths = torch.tensor(lengths, device="cpu")

    def losses_of(rows):
        together = rnn.pack_padded_sequence(
            inputs[rows], lengths[rows], batch_first=True, enforce_sorted=False
        )
        start = (states[:, rows], states[:, rows].sin()) if with_states else None
        outputs, last = model["net"](together, start)
        padded, _ = rnn.pad_packed_sequence(outputs, batch_first=True, total_length=6)
        return squares(padded) + (squares(torch.cat(last), dim=1) if with_states else 0)

    return Case(model, losses_of, {n: gates for n, p in model.named_parameters() if p.ndim > 1})


def attention(*, batch_first, crossed=False, masked=False, uses_weights=False, **options):
    model = nn.ModuleDict({"net": nn.MultiheadAttention(4, 2, batch_first=batch_first, **options)})
    inputs, others = numbers(SAMPLES, 5, 4), numbers(SAMPLES, 6, options.get("kdim", 4), seed=2)
    hidden = torch.arange(6 if crossed else 5) >= torch.arange(SAMPLES)[:, None] + 2

    def losses_of(rows):
        query, key = inputs[rows], others[rows] if crossed else inputs[rows]
        if not batch_first:
            query, key = query.transpose(0, 1), key.transpose(0, 1)
        value = key.sin()[..., : options.get("vdim", 4)] if crossed else key
        mask = hidden[rows] if masked else None
        outputs, weights = model["net"](
            query, key, value, key_padding_mask=mask, need_weights=uses_weights
        )
        losses = squares(outputs, dim=0 if batch_first else 1)
        return losses + squares(weights) if uses_weights else losses

    is_joint = model["net"].in_proj_weight is not None
    return Case(model, losses_of, {"net.in_proj_weight": PROJECTIONS} if is_joint else {})


def encoder(*, batch_first, norm_first=False):
    layer = nn.TransformerEncoderLayer(
        4, 2, 6, dropout=0.0, batch_first=batch_first, norm_first=norm_first
    )
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    inputs = numbers(SAMPLES, 5, 4)

    def losses_of(rows):
        if batch_first:
            return squares(model(inputs[rows]))
        return squares(model(inputs[rows].transpose(0, 1)), dim=1)

    names = [f"layers.{place}.self_attn.in_proj_weight" for place in (0, 1)]
    return Case(model, losses_of, {name: PROJECTIONS for name in names})


def bert():
    sizes = {"hidden_size": 6, "num_attention_heads": 2, "intermediate_size": 8}
    config = BertConfig(
        vocab_size=11, num_hidden_layers=2, max_position_embeddings=7, **sizes,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertModel(config)
    tokens = tokens_below(11, SAMPLES, 7)

    def losses_of(rows):
        found = model(input_ids=tokens[rows])
        return squares(found.last_hidden_state) + squares(found.pooler_output)

    return Case(model, losses_of)


def tied_decoder():
    """Tokens in and out by one table, as in language models."""
    table = nn.Embedding(7, 4)
    decoder = nn.Linear(4, 7, bias=False)
    decoder.weight = table.weight
    model = nn.Sequential(table, nn.Linear(4, 4), nn.Tanh(), decoder)
    tokens = tokens_below(7, SAMPLES, 5)
    return Case(model, lambda rows: squares(model(tokens[rows])))


def unrolled_cell(kind, gates):
    model = nn.ModuleDict({"net": kind(3, 4)})
    inputs = numbers(SAMPLES, 5, 3)

    def losses_of(rows):
        state = None
        for step in inputs[rows].unbind(1):
            state = model["net"](step, state)
        return squares(state[0] if isinstance(state, tuple) else state)

    return Case(model, losses_of, {f"net.weight_{part}": gates for part in ("ih", "hh")})


class LearnedPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 5, 3))
        self.token = nn.Parameter(torch.randn(1, 1, 3))
        self.readout = nn.Linear(3, 2)

    def forward(self, inputs):
        return self.readout(torch.tanh(inputs + self.positions) * self.token)


def learned_positions():
    model = LearnedPositions()
    return Case(model, whole_input(model, 5, 3))


CASES = {
    "linear": lambda: convolution(nn.Linear(6, 3), 6),
    "linear over tokens": lambda: convolution(nn.Linear(4, 5), 7, 4),
    "conv1d": lambda: convolution(nn.Conv1d(3, 4, 3), 3, 9),
    "conv1d, stride that leaves a rest": lambda: convolution(
        nn.Conv1d(3, 4, 3, stride=3, padding=1), 3, 10
    ),
    "conv1d, same, even kernel": lambda: convolution(
        nn.Conv1d(3, 2, 4, padding="same", dilation=2), 3, 9
    ),
    "conv1d, circular": lambda: convolution(
        nn.Conv1d(3, 2, 3, padding=2, padding_mode="circular"), 3, 9
    ),
    "conv1d, grouped": lambda: convolution(nn.Conv1d(4, 6, 3, groups=2), 4, 8, blocks=2),
    "conv2d": lambda: convolution(nn.Conv2d(2, 3, (3, 2), stride=(2, 1)), 2, 7, 6),
    "conv2d, reflect, dilated": lambda: convolution(
        nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", dilation=(1, 2)), 2, 7, 6
    ),
    "conv2d, depthwise": lambda: convolution(
        nn.Conv2d(3, 6, 3, groups=3, padding="same"), 3, 5, 5, blocks=3
    ),
    "conv2d, 1 × 1": lambda: convolution(nn.Conv2d(4, 3, 1), 4, 3, 3),
    "conv3d": lambda: convolution(nn.Conv3d(2, 3, 2, padding=1, stride=2), 2, 5, 4, 5),
    "conv3d, replicate": lambda: convolution(
        nn.Conv3d(1, 3, 3, padding=1, padding_mode="replicate"), 1, 4, 3, 4
    ),
    "conv3d of our models": lambda: convolution(
        VolumeConvolution(1, 3, 3, padding=1, stride=2), 1, 5, 4, 5
    ),
    "conv3d, one output": lambda: convolution(nn.Conv3d(2, 1, 2), 2, 3, 3, 3),
    "transposed conv2d": lambda: convolution(nn.ConvTranspose2d(3, 2, 3, stride=2), 3, 4, 4),
    "transposed conv1d, grouped": lambda: convolution(
        nn.ConvTranspose1d(4, 6, 3, groups=2), 4, 5, blocks=2
    ),
    "rnn tanh": lambda: recurrent(nn.RNN, ()),
    "rnn relu, time first": lambda: recurrent(
        nn.RNN, (), nonlinearity="relu", batch_first=False, num_layers=2
    ),
    "rnn, both ways, no bias": lambda: recurrent(nn.RNN, (), bidirectional=True, bias=False),
    "lstm": lambda: recurrent(nn.LSTM, LSTM_GATES),
    "lstm, last states, initial ones": lambda: recurrent(
        nn.LSTM, LSTM_GATES, last_only=True, initial=True, num_layers=2
    ),
    "lstm, both ways, two layers, time first": lambda: recurrent(
        nn.LSTM, LSTM_GATES, num_layers=2, bidirectional=True, batch_first=False
    ),
    "lstm, projected": lambda: recurrent(nn.LSTM, LSTM_GATES, proj_size=2),
    "gru": lambda: recurrent(nn.GRU, GRU_GATES),
    "gru, both ways, initial states": lambda: recurrent(
        nn.GRU, GRU_GATES, bidirectional=True, initial=True, last_only=True
    ),
    "gru, two layers, no bias": lambda: recurrent(nn.GRU, GRU_GATES, num_layers=2, bias=False),
    "lstm, packed": lambda: packed(nn.LSTM, LSTM_GATES, is_sorted=True),
    "lstm, packed unsorted, both ways, two layers": lambda: packed(
        nn.LSTM, LSTM_GATES, is_sorted=False, bidirectional=True, num_layers=2
    ),
    "lstm, packed unsorted, with states": lambda: packed(
        nn.LSTM, LSTM_GATES, is_sorted=False, with_states=True, num_layers=2
    ),
    "gru, packed unsorted, both ways": lambda: packed(
        nn.GRU, GRU_GATES, is_sorted=False, bidirectional=True
    ),
    "rnn, packed unsorted": lambda: packed(nn.RNN, (), is_sorted=False),
    "lstm cell": lambda: unrolled_cell(nn.LSTMCell, LSTM_GATES),
    "gru cell": lambda: unrolled_cell(nn.GRUCell, GRU_GATES),
    "rnn cell": lambda: unrolled_cell(nn.RNNCell, ()),
    "attention": lambda: attention(batch_first=True),
    "attention, time first": lambda: attention(batch_first=False),
    "attention, crossed": lambda: attention(batch_first=True, crossed=True, masked=True),
    "attention, other widths": lambda: attention(
        batch_first=True, crossed=True, kdim=5, vdim=3, bias=False
    ),
    "attention, extra keys, weights used": lambda: attention(
        batch_first=True, add_bias_kv=True, add_zero_attn=True, uses_weights=True
    ),
    "transformer encoder": lambda: encoder(batch_first=True),
    "transformer encoder, time first": lambda: encoder(batch_first=False, norm_first=True),
    "bert": bert,
    "tied decoder": tied_decoder,
    "learned positions": learned_positions,
}


def expected_matrices(case):
    """Name → matrices of the groups' gradients, by plain autograd and numpy alone."""
    names, weights = zip(
        *((n, p) for n, p in case.model.named_parameters() if p.ndim > 1), strict=True
    )
    expected = {}
    for group in range(3):
        rows = torch.from_numpy(np.flatnonzero(group == LABELS))
        loss = case.losses_of(rows).sum() / SAMPLES
        for name, weight, gradient in zip(
            names, weights, torch.autograd.grad(loss, weights), strict=True
        ):
            if name in VECTORS:
                continue
            values = gradient.cpu().numpy()
            if weight.ndim == 3 and name == "positions":
                values = values[0]
            parts = np.split(values, max(1, len(case.roles.get(name, ()))))
            for place, part in enumerate(parts):
                role = f"[{case.roles[name][place]}]" if case.roles.get(name) else ""
                matrix = part.reshape(len(part), -1)
                if case.blocks.get(name, 1) > 1:
                    matrix = scipy.linalg.block_diag(*np.split(matrix, case.blocks[name]))
                expected.setdefault(f"{name}{role}", []).append(matrix)
    return {name: np.stack([sum(found), *found]) for name, found in expected.items()}


def recorded(case, way, **options):
    spectra = GradientSpectra(case.model, LABELS, **options)
    with spectra:
        if way == "by group":
            spectra.backward(lambda rows: case.losses_of(rows).mean())
        else:
            case.losses_of(slice(None)).mean().backward()
    return spectra


def build(name):
    torch.manual_seed(0)
    return CASES[name]()


# Weights that hooks do not show.
HIDDEN = {
    "transposed conv2d": {"0.weight"},
    "transposed conv1d, grouped": {"0.weight"},
    "lstm, projected": {"net.weight_ih_l0", "net.weight_hh_l0", "net.weight_hr_l0"},
    "lstm cell": {"net.weight_ih", "net.weight_hh"},
    "gru cell": {"net.weight_ih", "net.weight_hh"},
    "rnn cell": {"net.weight_ih", "net.weight_hh"},
    "bert": {f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")},
    "tied decoder": {"0.weight"},
    "learned positions": {"positions"},
}


def check_gradients(tree, expected):
    assert set(tree.children) == set(expected)
    for name, matrices in expected.items():
        values = np.linalg.svd(matrices, compute_uv=False)
        found = tree[name]["gradient"].sel(step=0)
        assert found["group"].values.tolist() == ["all", "0", "1", "2"]
        assert list(tree[name].attrs["weight_shape"]) == list(matrices.shape[1:])
        np.testing.assert_allclose(found, values, rtol=1e-10, atol=1e-10 * values.max())


@pytest.mark.parametrize("case", CASES)
def test_going_group_by_group_gives_the_spectra_of_autograd(case):
    case = build(case)
    expected = expected_matrices(case)
    check_gradients(recorded(case, "by group").to_datatree(), expected)


@pytest.mark.parametrize("name", CASES)
def test_hooks_give_the_spectra_of_autograd_of_all_weights_but_those_listed(name):
    case, hidden = build(name), HIDDEN.get(name, set())
    expected = {
        weight: matrices
        for weight, matrices in expected_matrices(case).items()
        if weight.partition("[")[0] not in hidden
    }
    assert set(GradientSpectra(case.model).only_by_group) == hidden
    if expected:
        check_gradients(recorded(case, "in pass").to_datatree(), expected)
    else:
        with pytest.raises(BadInputError, match=r"Call spectra\.backward"):
            recorded(case, "in pass")


@pytest.mark.parametrize("kind", ["lstm", "gru", "attention"])
def test_a_single_sequence_without_a_batch_is_a_sample(kind):
    torch.manual_seed(0)
    net = {
        "lstm": lambda: nn.LSTM(4, 4, batch_first=True),
        "gru": lambda: nn.GRU(4, 4),
        "attention": lambda: nn.MultiheadAttention(4, 2, batch_first=True),
    }[kind]().double()
    sequence, state = numbers(5, 4), numbers(1, 4, seed=2)
    with GradientSpectra(net) as spectra:
        if kind == "attention":
            hidden = torch.tensor([False, False, True, False, True])
            outputs, weights = net(sequence, sequence, sequence, key_padding_mask=hidden)
            loss = squares(outputs).sum() + squares(weights).sum()
        else:
            outputs, last = net(sequence, (state, state) if kind == "lstm" else state)
            loss = squares(outputs).sum() + last[0].sum()
        loss.backward()
    tree = spectra.to_datatree()
    roles = {"lstm": LSTM_GATES, "gru": GRU_GATES, "attention": PROJECTIONS}[kind]
    name = "in_proj_weight" if kind == "attention" else "weight_hh_l0"
    gradient = net.get_parameter(name).grad
    for role, part in zip(roles, gradient.chunk(len(roles)), strict=True):
        found = tree[f"{name}[{role}]"]["gradient"].sel(step=0, group="all")
        np.testing.assert_allclose(found, torch.linalg.svdvals(part), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_blocks_have_the_gradients_of_autograd(case):
    """Two blocks of one sample in each of the groups 0 and 2, in the order of the batch."""
    case = build(case)
    expected = expected_matrices(case)
    plan = BlockPlan(("2", "0"), 2, frozenset({0}))
    spectra = recorded(case, "by group", blocks=plan)
    tree = spectra.to_block_datatree()
    assert set(tree.children) == set(expected)
    for name, matrices in expected.items():
        node = tree[name]
        assert node["group"].values.tolist() == ["2", "2", "0", "0"]
        assert node["gradient"].shape == (1, 4, *matrices.shape[1:])
        found = node["gradient"].values[0, :2].sum(0)
        np.testing.assert_allclose(
            found, matrices[3], rtol=1e-10, atol=1e-10 * abs(matrices[3]).max()
        )
        one_by_one = node["gradient"].values[0, 2:]
        assert np.linalg.norm(one_by_one.sum(0) - matrices[1]) > 1e-3 * np.linalg.norm(matrices[1])


def test_keeping_blocks_does_not_change_the_gradients_by_a_bit():
    gradients = []
    for blocks in (None, BlockPlan(("0", "1"), 2, frozenset({0}))):
        case = build("transformer encoder")
        recorded(case, "by group", blocks=blocks)
        gradients.append([p.grad for p in case.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def two_hundred_adam_steps(case, step):
    optimizer = torch.optim.Adam(case.model.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        step()
        optimizer.step()
    return [p.detach().clone() for p in case.model.parameters()]


@pytest.mark.parametrize(
    "name",
    ["conv1d, circular", "gru, both ways, initial states", "transformer encoder, time first"],
)
def test_two_hundred_adam_steps_are_bit_identical_with_and_without_hooks(name):
    """Layers that are run again for their adjoints leave no trace either."""
    plain, watched = build(name), build(name)
    spectra = GradientSpectra(watched.model, LABELS, every=2, factors_every=10, over_ties=True)
    with spectra:
        found = two_hundred_adam_steps(
            watched, lambda: watched.losses_of(slice(None)).mean().backward()
        )
    assert spectra.step == 200
    expected = two_hundred_adam_steps(plain, lambda: plain.losses_of(slice(None)).mean().backward())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["conv2d, depthwise", "lstm, packed", "bert"])
def test_training_by_parts_is_bit_identical_with_and_without_recording(name):
    plain, watched = build(name), build(name)
    spectra = GradientSpectra(
        watched.model, LABELS, factors_every=50, blocks=BlockPlan(("0", "1"), 2, frozenset({0, 99}))
    )
    rows = spectra.groups.rows
    with spectra:
        found = two_hundred_adam_steps(
            watched, lambda: spectra.backward(lambda part: watched.losses_of(part).mean())
        )
    expected = two_hundred_adam_steps(
        plain,
        lambda: backward_by_parts(
            list(plain.model.parameters()), rows, spectra.groups.sizes,
            lambda part: plain.losses_of(part).mean(),
        ),
    )  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["conv1d, grouped", "gru", "attention, crossed", "bert"])
def test_both_ways_give_the_same_blocks(name):
    plan = BlockPlan(("2", "0"), 2, frozenset({0}))
    in_pass = recorded(build(name), "in pass", blocks=plan).to_block_datatree()
    by_group = recorded(build(name), "by group", blocks=plan).to_block_datatree()
    assert in_pass.children
    for weight, node in in_pass.children.items():
        np.testing.assert_allclose(
            node["gradient"], by_group[weight]["gradient"], rtol=1e-9, atol=1e-13
        )


def test_a_layer_whose_dropout_would_be_drawn_anew_is_recorded_in_neither_way():
    kinds = [
        nn.LSTM(3, 4, num_layers=2, dropout=0.5, batch_first=True),
        nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True),
    ]
    for layer in kinds:
        spectra = GradientSpectra(nn.ModuleDict({"net": layer}))
        reasons = spectra.only_by_group.values()
        assert reasons and all("dropout would be drawn anew" in reason for reason in reasons)
        spectra = GradientSpectra(layer, LABELS)
        with pytest.raises(BadInputError, match="draws its mask anew"):
            spectra.backward(lambda rows: torch.zeros(()))


@pytest.mark.parametrize("family", FAMILIES)
def test_hooks_show_all_weights_of_our_classifiers_but_embeddings(family):
    shape = (16,) * min(FAMILIES[family].dimensions)
    model = build_model(family, task="classification", input_shape=shape, classes=3, seed=0)
    hidden = set(GradientSpectra(model).only_by_group)
    assert all("embeddings" in name for name in hidden)
    assert bool(hidden) == (family == "bert")


def test_where_samples_come_second_linear_layers_follow_the_recurrent_ones():
    """As many time steps as samples: the lengths alone would not tell them apart."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"net": nn.GRU(3, 4), "readout": nn.Linear(4, 2)})
    inputs = numbers(SAMPLES, SAMPLES, 3)

    def losses_of(rows):
        return squares(model["readout"](model["net"](inputs[rows].transpose(0, 1))[0]), dim=1)

    case = Case(model, losses_of, {f"net.weight_{part}_l0": GRU_GATES for part in ("ih", "hh")})
    expected = expected_matrices(case)
    for way in ("in pass", "by group"):
        check_gradients(recorded(case, way).to_datatree(), expected)


def test_samples_that_come_second_are_refused_where_they_were_not_expected():
    model, time_first = nn.Linear(4, 2).double(), numbers(5, SAMPLES, 4)
    with pytest.raises(BadInputError, match="batch_first=False"), GradientSpectra(model, LABELS):
        model(time_first)
    with GradientSpectra(model, LABELS, batch_first=False) as spectra:
        squares(model(time_first), dim=1).mean().backward()
    case = Case(model, lambda rows: squares(model(time_first[:, rows]), dim=1))
    check_gradients(spectra.to_datatree(), expected_matrices(case))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("way", ["in pass", "by group"])
@pytest.mark.parametrize("name", CASES)
def test_on_cuda_the_spectra_are_those_of_autograd(name, way):
    with torch.device("cuda"):
        case, hidden = build(name), HIDDEN.get(name, set()) if way == "in pass" else set()
        expected = {
            weight: matrices
            for weight, matrices in expected_matrices(case).items()
            if weight.partition("[")[0] not in hidden
        }
        plan = None if way == "in pass" else BlockPlan(("0", "1"), 2, frozenset({0}))
        if expected:
            check_gradients(
                recorded(case, way, over_ties=True, blocks=plan).to_datatree(), expected
            )
