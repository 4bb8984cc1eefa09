import torch
from transformers import BertConfig, BertModel

from neurospect.models.bert import bert


def steps(samples=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, 7, 4, dtype=torch.float64, generator=generator)


def test_the_encoder_is_bert_over_embedded_steps():
    model = bert("autoencoding", (7, 4), 3, widths=[8, 8], activation="relu", heads=2).double()
    config = BertConfig(
        vocab_size=1, type_vocab_size=1, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, hidden_act="relu", hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=7, attn_implementation="eager",
    )  # fmt: skip
    reference = BertModel(config, add_pooling_layer=False).double()
    found = reference.load_state_dict(model.encoder.state_dict(), strict=False)
    assert found.missing_keys == ["embeddings.word_embeddings.weight"]
    assert not found.unexpected_keys
    tokens = reference(inputs_embeds=model.embedding(steps())).last_hidden_state
    torch.testing.assert_close(model(steps()), model.readout(tokens))


def test_the_order_of_the_steps_counts():
    model = bert("classification", (7, 4), 3, widths=[8]).double()
    assert (model(steps()) - model(steps().flip(1))).abs().max() > 1e-6


def test_every_step_attends_to_every_other():
    model = bert("autoencoding", (7, 4), 3, widths=[8]).double()
    changed = steps()
    changed[:, 5] += 1
    assert ((model(changed) - model(steps())).abs().amax((0, 2)) > 1e-12).all()


def test_a_classifier_reads_the_mean_of_the_tokens():
    classifier = bert("classification", (7, 4), 3, widths=[8]).double()
    tokens = classifier.encoder(inputs_embeds=classifier.embedding(steps())).last_hidden_state
    by_step = torch.stack([classifier.readout(tokens[:, t]) for t in range(7)])
    torch.testing.assert_close(classifier(steps()), by_step.mean(0))


def test_dropout_falls_only_where_it_is_asked_for():
    torch.manual_seed(0)
    dry, wet = (bert("classification", (7, 4), 3, dropout=share).double() for share in (0, 0.5))
    assert torch.equal(dry(steps()), dry(steps()))
    assert not torch.equal(wet(steps()), wet(steps()))
    assert torch.equal(wet.eval()(steps()), wet(steps()))
