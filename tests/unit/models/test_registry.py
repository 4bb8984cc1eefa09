"""What holds for every family, with small networks on small examples."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.registry import (
    FAMILIES,
    accepted_dimensions,
    accepted_tasks,
    architecture_settings,
    build_model,
)
from neurospect.training.loop import Examples, TrainingPlan, train

SMALL = {
    "mlp": [((6,), {}), ((3, 4), {"widths": [8]})],
    "linear": [((6,), {}), ((3, 4), {})],
    "rnn": [((7, 4), {}), ((9,), {"widths": [8], "bidirectional": True})],
    "lstm": [((7, 4), {"widths": [8, 6]}), ((9,), {"bidirectional": True})],
    "gru": [((7, 4), {"activation": "tanh"}), ((9,), {"widths": [6, 8], "bidirectional": True})],
    "bert": [((7, 4), {"widths": [8, 8]}), ((9,), {"activation": "tanh", "heads": 2})],
    "cnn1d": [((9, 4), {}), ((10,), {"widths": [6, 8], "kernel": 4})],
    "cnn2d": [((8, 9), {}), ((2, 8, 9), {"widths": [6, 8], "stride": 1})],
    "cnn3d": [((5, 6, 7), {}), ((2, 5, 6, 7), {"widths": [8], "weight_normalisation": True})],
    "allconv2d": [
        ((5, 6), {"widths": [6, 8], "dense": [8]}),
        ((2, 5, 6), {"widths": [6], "dense": [], "weight_normalisation": True}),
    ],
    "allconv3d": [
        ((5, 6, 7), {"widths": [6, 8], "dense": [8]}),
        ((2, 5, 6, 7), {"widths": [6], "dense": [6, 6]}),
    ],
}
CASES = [
    pytest.param(family, task, shape, chosen, id=f"{family}-{task}-{len(shape)}d")
    for family, variants in SMALL.items()
    for shape, chosen in variants
    for task in FAMILIES[family].tasks
]
CLASSES = 3
every_family = pytest.mark.parametrize(("family", "task", "shape", "chosen"), CASES)


def build(family, task, shape, chosen, seed=0):
    return build_model(family, task=task, input_shape=shape, classes=CLASSES, seed=seed, **chosen)


def examples(shape, samples=24, seed=0, dtype=torch.float64):
    """One pattern per class, with noise."""
    rng = np.random.default_rng(seed)
    codes = np.arange(samples) % CLASSES
    patterns = rng.normal(size=(CLASSES, *shape)) + codes[:CLASSES].reshape(-1, *[1] * len(shape))
    inputs = patterns[codes] + 0.2 * rng.normal(size=(samples, *shape))
    return Examples(torch.tensor(inputs, dtype=dtype), torch.from_numpy(codes))


def loss_of(model, task, data, rows=slice(None)):
    """Sum over the rows, so that sums over groups are sums over all."""
    outputs = model(data.inputs[rows])
    if task == "autoencoding":
        return (outputs - data.inputs[rows]).square().sum()
    return nn.functional.cross_entropy(outputs, data.classes[rows], reduction="sum")


def gradients(model, task, data, rows=slice(None)):
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss_of(model, task, data, rows), parameters)
    return dict(zip(names, found, strict=True))


def test_every_family_is_tried_here():
    assert SMALL.keys() == FAMILIES.keys()


@every_family
def test_the_task_decides_what_comes_out(family, task, shape, chosen):
    expected = (5, *shape) if task == "autoencoding" else (5, CLASSES)
    assert build(family, task, shape, chosen)(torch.zeros(5, *shape)).shape == expected


@every_family
def test_the_seed_alone_decides_the_weights(family, task, shape, chosen):
    first = build(family, task, shape, chosen, seed=4).state_dict()
    torch.rand(11)
    again = build(family, task, shape, chosen, seed=4).state_dict()
    other = build(family, task, shape, chosen, seed=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@every_family
def test_the_global_random_state_is_left_as_it_was(family, task, shape, chosen):
    torch.manual_seed(9)
    expected = torch.rand(5)
    torch.manual_seed(9)
    build(family, task, shape, chosen, seed=1)
    assert torch.equal(torch.rand(5), expected)


@every_family
def test_every_parameter_has_a_gradient(family, task, shape, chosen):
    model = build(family, task, shape, chosen).double()
    for name, gradient in gradients(model, task, examples(shape)).items():
        # Softmax over keys takes no notice of what is added to all of them.
        assert name.endswith("key.bias") or gradient.abs().max() > 1e-9, name


@every_family
def test_a_sample_is_judged_by_itself(family, task, shape, chosen):
    model, data = build(family, task, shape, chosen).double(), examples(shape)
    outputs = model(data.inputs)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(data.inputs[order]), outputs[order], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(model(data.inputs[3:4]), outputs[3:4], rtol=1e-9, atol=1e-12)


@every_family
def test_group_gradients_sum_to_the_batch_gradient(family, task, shape, chosen):
    model, data = build(family, task, shape, chosen).double(), examples(shape)
    whole = gradients(model, task, data)
    parts = [gradients(model, task, data, data.classes == group) for group in range(CLASSES)]
    for name, gradient in whole.items():
        torch.testing.assert_close(
            sum(part[name] for part in parts), gradient, rtol=1e-9, atol=1e-10
        )


@every_family
def test_training_learns_and_ends_with_the_same_bits_each_time(family, task, shape, chosen):
    data = examples(shape, dtype=torch.float32)
    ends = []
    torch.use_deterministic_algorithms(True)  # refuses what has no deterministic algorithm
    try:
        for _ in range(2):
            model = build(family, task, shape, chosen)
            history = train(model, data, TrainingPlan(task, epochs=25, learning_rate=0.01))
            ends.append(model.state_dict())
    finally:
        torch.use_deterministic_algorithms(False)
    losses = history["train_loss"]
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@every_family
def test_a_stored_state_gives_the_same_model_back(family, task, shape, chosen):
    first, second = (build(family, task, shape, chosen, seed=seed).double() for seed in (1, 2))
    inputs = examples(shape).inputs
    assert not torch.equal(first(inputs), second(inputs))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs), second(inputs))


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_and_their_defaults_build_the_model_that_nothing_said_builds(family):
    shape = (12,) * accepted_dimensions(family)[0]
    task = accepted_tasks(family)[-1]
    said = build(family, task, shape, dict(architecture_settings(family))).state_dict()
    unsaid = build(family, task, shape, {}).state_dict()
    assert said.keys() == unsaid.keys()
    assert all(torch.equal(said[name], unsaid[name]) for name in said)


def test_settings_say_what_can_be_chosen():
    assert architecture_settings("linear") == {}
    assert architecture_settings("mlp") == {"widths": (32,), "activation": "relu"}
    assert architecture_settings("rnn")["activation"] == "tanh"
    assert architecture_settings("cnn2d")["widths"] == (8,)
    assert architecture_settings("bert")["dropout"] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_only_examples_of_its_dimensions_are_taken(family):
    taken = accepted_dimensions(family)
    for dimensions in range(6):
        shape = (12, 10, 8, 8, 8)[:dimensions]
        if dimensions in taken:
            build(family, "classification", shape, {})
            continue
        with pytest.raises(BadInputError, match=f"model: input of {family}: found examples of sha"):
            build(family, "classification", shape, {})


@pytest.mark.parametrize("family", FAMILIES)
def test_no_layer_makes_samples_depend_on_one_another(family):
    """As a reader of the module tree would check it, for the recorder going group by group."""
    shape = (12,) * accepted_dimensions(family)[-1]
    model = build(family, "classification", shape, {})
    for module in model.modules():
        assert "BatchNorm" not in type(module).__name__
        assert getattr(module, "p", 0) == 0  # of dropout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"family": "transformer"},
            "family: found 'transformer', expected one of mlp, linear, rnn",
        ),
        ({"activation": "gelu"}, "activation: found 'gelu', expected one of relu, tanh, sigmoid, "),
        (
            {"task": "regression"},
            "task of mlp: found 'regression', expected autoencoding or classi",
        ),
        (
            {"family": "linear", "task": "autoencoding"},
            "task of linear: .* expected classification",
        ),
        ({"kernel": 3}, "settings of mlp: found kernel, expected some of widths, activation"),
        ({"family": "linear", "widths": [3]}, "settings of linear: found widths, expected none"),
        (
            {"family": "cnn3d"},
            r"found examples of shape \(12, 5\), .*\(x, y, z\).* mlp, linear, rnn",
        ),
        (
            {"input_shape": ()},
            r"found examples of shape \(\), expected examples with 1 to 4 dimensions",
        ),
        ({"input_shape": (3, 0)}, r"input_shape\[1\]: found 0, expected a whole number, 1 or more"),
        ({"classes": 1}, "classes: found 1, expected a whole number, 2 or more"),
        ({"family": "gru", "widths": []}, r"widths: found \[\], expected a list with the size"),
        ({"family": "rnn", "widths": 32}, "widths: found 32, expected a list with the size"),
        ({"widths": [8, 0]}, r"widths\[1\]: found 0, expected a whole number, 1 or more"),
        ({"widths": [8.0]}, r"widths\[0\]: found 8.0, expected a whole number"),
        (
            {"family": "lstm", "bidirectional": "yes"},
            "bidirectional: found 'yes', expected true or",
        ),
        ({"family": "bert", "widths": [32, 16]}, r"widths: found \[32, 16\], expected the same"),
        ({"family": "bert", "widths": [10]}, "heads: found 4, expected a divisor of the width, 10"),
        ({"family": "bert", "heads": True}, "heads: found True, expected a whole number"),
        ({"family": "bert", "dropout": 1}, "dropout: found 1, expected 0 or more, below 1"),
        ({"family": "bert", "activation": "swish"}, "activation: found 'swish', expected one of"),
        ({"family": "cnn1d", "kernel": 0}, "kernel: found 0, expected a whole number, 1 or more"),
        ({"family": "cnn1d", "stride": 4}, "stride: found 4, expected 3 or less, the kernel"),
        (
            {"family": "cnn2d", "kernel": 11},
            r"found 11 at stride 2, where convolution 1 reads \(12",
        ),
        (
            {"family": "cnn2d", "widths": [4] * 3},
            r"kernel: found 3 at stride 2, where convolution 3 reads \(3, 2\), expected every w",
        ),
        (
            {"family": "cnn2d", "pooling": 4, "stride": 1, "widths": [4, 4]},
            r"kernel: found 3 at stride 1, where convolution 2 reads \(3, 1\)",
        ),
        ({"family": "cnn1d", "pooling": 9}, r"pooling: found 9, where convolution 1 leaves \(6,\)"),
        (
            {"family": "cnn1d", "pooling": 2, "task": "autoencoding"},
            "pooling: found 2, expected 1 for auto-encoding. Use stride instead",
        ),
        (
            {"family": "cnn1d", "weight_normalisation": 1},
            "weight_normalisation: found 1, expected t",
        ),
        ({"family": "allconv2d", "dense": [0]}, r"dense\[0\]: found 0, expected a whole number"),
        (
            {"family": "allconv2d", "input_shape": (12, 2)},
            r"kernel: found 3 at stride 2, where convolution 3 reads \(12, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    asked = {"family": "mlp", "task": "classification", "input_shape": (12, 5), "classes": 3}
    with pytest.raises(BadInputError, match=words):
        build_model(**{**asked, "seed": 0, **change})
