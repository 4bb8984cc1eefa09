from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from neurospect.figures.weights import chosen_weights, layer_words, two_line_titles, weight_label
from neurospect.models.registry import build_model
from neurospect.spectra.coverage import coverage_of

SEQUENCE = (8, 4)


def recorded(family: str, shape: tuple[int, ...], **settings: Any) -> list[str]:
    """Names of the weights that are recorded of a real model."""
    model = build_model(
        family, task="classification", input_shape=shape, classes=3, seed=0, **settings
    )
    return list(coverage_of(model).matrices)


@pytest.mark.parametrize(
    ("family", "shape", "settings"),
    [
        ("mlp", (6,), {"widths": [4, 3]}),
        ("linear", (6,), {}),
        ("rnn", SEQUENCE, {"widths": [4, 3], "bidirectional": True}),
        ("lstm", SEQUENCE, {"widths": [4, 3], "bidirectional": True}),
        ("gru", SEQUENCE, {"widths": [4, 3]}),
        ("bert", SEQUENCE, {"widths": [4, 4], "heads": 2}),
        ("cnn1d", SEQUENCE, {"widths": [4, 3]}),
        ("cnn2d", (9, 9), {"widths": [4, 3]}),
        ("cnn3d", (7, 7, 7), {"widths": [4, 3], "weight_normalisation": True}),
        ("allconv2d", (32, 32), {}),
    ],
)
def test_every_weight_of_every_family_has_words_of_its_own(
    family: str, shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    names = recorded(family, shape, **settings)
    words = layer_words(names)
    assert list(words) == names
    assert len(set(words.values())) == len(names)
    # Words of the field, not names of parameters.
    assert not any("." in each or "_" in each for each in words.values())
    if family not in ("mlp", "linear"):
        assert not any(each.startswith("hidden layer") for each in words.values())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("layers.1.cell.weight_ih_l0[forget]", "layer 2, forget gate, input-to-hidden"),
        ("layers.0.cell.weight_hh_l0[cell]", "layer 1, cell candidate, hidden-to-hidden"),
        (
            "layers.0.cell.weight_hh_l0_reverse[new]",
            "layer 1, candidate state, hidden-to-hidden, backwards",
        ),
        ("lstm.weight_ih_l2[input]", "layer 3, input gate, input-to-hidden"),
        ("lstm.weight_hr_l0", "layer 1, projection"),
        (
            "layers.0.against.hidden_to_hidden.weight",
            "layer 1, hidden-to-hidden, backwards",
        ),
        ("encoder.encoder.layer.1.attention.self.query.weight", "block 2, attention query"),
        ("encoder.encoder.layer.0.attention.output.dense.weight", "block 1, attention output"),
        ("encoder.encoder.layer.0.output.dense.weight", "block 1, feed-forward, second layer"),
        ("encoder.embeddings.position_embeddings.weight", "embedding of positions"),
        ("blocks.0.attention.in_proj_weight[value]", "block 1, attention value"),
        ("decoder.2.weight", "decoder layer 1"),
        (
            "encoder.3.parametrizations.weight.original1",
            "encoder layer 1, filter directions",
        ),
        ("readout.weight", "readout"),
    ],
)
def test_names_are_put_into_words(name: str, words: str) -> None:
    assert layer_words([name]) == {name: words}


def test_layers_of_a_stack_are_counted_without_the_activations_between() -> None:
    words = layer_words(["encoder.0.weight", "encoder.3.weight", "decoder.0.weight"])
    assert list(words.values()) == ["encoder layer 1", "encoder layer 2", "decoder layer 1"]


def test_names_that_say_nothing_are_a_chain_of_layers_unless_others_say_something() -> None:
    assert list(layer_words(["fc1.weight", "fc2.weight"]).values()) == [
        "input layer",
        "output layer",
    ]
    assert list(layer_words(["stem.fc1.weight", "readout.weight"]).values()) == [
        "stem.fc1",
        "readout",
    ]


def test_given_words_come_first() -> None:
    names = ["0.weight", "2.weight"]
    assert layer_words(names, {"2.weight": "latent"})["2.weight"] == "latent"


def test_a_label_says_how_large_the_matrix_is() -> None:
    assert weight_label("0.weight", (32, 784)) == "0.weight (32 × 784)"
    assert weight_label("0.weight", None) == "0.weight"


def test_titles_have_two_lines_and_end_with_the_words_alone() -> None:
    for words in ("readout", "block 1, attention query", "layer 1, forget gate, input-to-hidden"):
        titles = two_line_titles(words, "some.module.weight", (3, 4))
        assert all(title.count("\n") == 1 for title in titles[:-1])
        assert titles[-1].replace("\n", ", ") == words
        lengths = [max(map(len, title.split("\n"))) for title in titles]
        assert lengths == sorted(lengths, reverse=True)
    assert titles == ["layer 1, forget gate\ninput-to-hidden"]


@pytest.mark.parametrize(("weights", "most"), [(3, 3), (9, 3), (17, 3), (41, 40), (200, 40)])
def test_chosen_weights_are_the_first_the_last_and_evenly_between(weights: int, most: int) -> None:
    chosen = [int(name) for name in chosen_weights([str(n) for n in range(weights)], most)]
    assert len(chosen) == min(weights, most)
    assert (chosen[0], chosen[-1]) == (0, weights - 1)
    gaps = [after - before for before, after in pairwise(chosen)]
    assert max(gaps) - min(gaps) <= 1
