"""BERT over time courses: every time step is a token."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from neurospect.models.activations import activation_layer
from neurospect.models.checks import Shape, Task, check_counts, check_widths, refusal
from neurospect.models.time_courses import features_of, outputs_of_steps

FEED_FORWARD = 4  # widths of the layer inside each block, as in the published model


class TimeCourseBert(nn.Module):
    """An encoder of Hugging Face between a linear embedding of each step and a linear readout.

    Parameters
    ----------
    task
        "autoencoding" or "classification".
    encoder
        Maps embedded steps, shape (samples, time, width), to tokens of that shape.
    features, width, outputs
        Sizes of a step, of a token, and of what is read from a token.
    """

    def __init__(
        self, task: Task, encoder: nn.Module, *, features: int, width: int, outputs: int
    ) -> None:
        super().__init__()
        self.task, self.features = task, features
        self.embedding = nn.Linear(features, width)
        self.encoder = encoder
        self.readout = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (samples, time[, features]) to logits, or to inputs rebuilt."""
        steps = self.embedding(inputs.reshape(*inputs.shape[:2], self.features))
        # CUDA's fused kernels sum in no fixed order; the CPU's do, and are twice as fast.
        kernel = sdpa_kernel(SDPBackend.MATH) if inputs.is_cuda else nullcontext()
        with kernel:
            tokens = self.encoder(inputs_embeds=steps).last_hidden_state
        return outputs_of_steps(self.task, self.readout, tokens, inputs.shape)


def bert(
    task: Task,
    input_shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (32,),
    activation: str = "relu",
    heads: int = 4,
    dropout: float = 0.0,
) -> TimeCourseBert:
    """Build BERT's transformer encoder with random weights and learned positions.

    Parameters
    ----------
    task
        Auto-encoding rebuilds every step from its token; classification reads the mean of the
        tokens, since padded steps are not known to the model.
    input_shape
        (time, features), or (time,) for one signal.
    classes
        Classes to tell apart.
    widths
        Size of the tokens, once for each block; BERT keeps one size, so all must be the same.
    activation
        Inside the feed-forward layers, which are 4 times as wide as the tokens. A key of
        `neurospect.models.activations.ACTIVATIONS`.
    heads
        Of each block's attention; they share the width evenly.
    dropout
        Share of hidden and attention values set to 0 while training.

    Returns
    -------
    TimeCourseBert
        Maps (samples, *input_shape) to (samples, classes) or back to (samples, *input_shape).

    Raises
    ------
    BadInputError
        When a setting does not hold what it should.
    """
    check_widths(widths)
    check_counts(heads=heads)
    if len(set(widths)) > 1:
        raise refusal(
            "widths",
            found=list(widths),
            expected="the same width for every block",
            remedy=f"Give one size, as in {[widths[0]] * len(widths)}.",
        )
    width = widths[0]
    if width % heads:
        raise refusal(
            "heads",
            found=heads,
            expected=f"a divisor of the width, {width}",
            remedy="Change the heads or the widths.",
        )
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise refusal(
            "dropout", found=repr(dropout), expected="0 or more, below 1", remedy="Mend the share."
        )
    features = features_of(input_shape)
    encoder = _encoder(input_shape[0], len(widths), width, activation, heads, dropout)
    outputs = features if task == "autoencoding" else classes
    return TimeCourseBert(task, encoder, features=features, width=width, outputs=outputs)


def _encoder(
    steps: int, blocks: int, width: int, activation: str, heads: int, dropout: float
) -> nn.Module:
    # Imported here: it takes seconds, and only this family needs it.
    from transformers import BertConfig, BertModel
    from transformers.models.bert.modeling_bert import BertIntermediate

    config = BertConfig(
        vocab_size=1,
        type_vocab_size=1,
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        intermediate_size=FEED_FORWARD * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=steps,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    encoder.set_attn_implementation("sdpa")
    for part in encoder.modules():
        if isinstance(part, BertIntermediate):
            part.intermediate_act_fn = activation_layer(activation)
    # Words are never looked up, so their table would be a weight without a gradient.
    del encoder.embeddings.word_embeddings
    return encoder
