"""Multi-head attention: query, key, value and output projections.

PyTorch's function shows neither the projected queries, keys and values nor the heads. Once the
backward pass is over, a watched layer runs again, beside the training, with its projections outside
and identities in their place.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, multi_head_attention_forward

from neurospect.spectra.layers.layer import Call, Layer, Receiver, watch_outputs

PROJECTIONS = ("query", "key", "value")
ARGUMENTS = inspect.signature(nn.MultiheadAttention.forward)


def projections(module: Any, name: str) -> tuple[str, ...]:
    """Name the parts of the weight that projects queries, keys and values at once."""
    return PROJECTIONS if name == "in_proj_weight" else ()


def watch_attention(call: Call, receiver: Receiver) -> None:
    """Hand over what each projection is applied to, with its adjoint, (samples, tokens, ·)."""
    bound = ARGUMENTS.bind(call.module, *call.inputs, **call.named)
    bound.apply_defaults()
    given = {
        name: value.detach() if isinstance(value, Tensor) else value
        for name, value in bound.arguments.items()
    }
    is_data = {name: not bound.arguments[name].requires_grad for name in PROJECTIONS}
    shown = [output for output in call.output if output is not None]

    def show(gradients: Sequence[Tensor | None]) -> None:
        _show(call.module, given, is_data, gradients, receiver)

    watch_outputs(shown, receiver, show)


def _show(
    module: Any,
    given: dict[str, Any],
    is_data: dict[str, bool],
    gradients: Sequence[Tensor | None],
    receiver: Receiver,
) -> None:
    out = module.out_proj
    dtype, has_batch = out.weight.dtype, given["query"].ndim > 2
    tokens = {name: _tokens_first(module, given[name]).to(dtype) for name in PROJECTIONS}
    weights, biases = _projections(module)
    projected = [
        linear(tokens[name], weight, bias).detach().requires_grad_()
        for name, weight, bias in zip(PROJECTIONS, weights, biases, strict=True)
    ]
    heads, attention = _attend(module, projected, given, dtype)
    known: list[tuple[Tensor, Tensor]] = []
    if gradients[0] is not None:
        of_outputs = _tokens_first(module, gradients[0]).to(dtype)
        known.append((linear(heads, out.weight), of_outputs))
        receiver.receive(out.weight, _first(heads.detach()), _first(of_outputs))
    if attention is not None and gradients[1] is not None:
        of_attention = gradients[1] if has_batch else gradients[1][None]
        known.append((attention, of_attention.to(dtype)))
    values, of_values = zip(*known, strict=True)
    adjoints = torch.autograd.grad(values, projected, of_values, allow_unused=True)
    is_joint = module.in_proj_weight is not None
    for name, adjoint in zip(PROJECTIONS, adjoints, strict=True):
        if adjoint is not None:  # else only the weights of attention matter, which use no value
            receiver.receive(
                module.in_proj_weight if is_joint else getattr(module, f"{name[0]}_proj_weight"),
                _first(tokens[name]),
                _first(adjoint),
                role=name if is_joint else "",
                is_data=is_data[name],
            )


def _attend(
    module: Any, projected: Sequence[Tensor], given: dict[str, Any], dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """Attend by projected tokens, (tokens, samples, ·): heads, side by side, and weights."""
    same = torch.eye(module.embed_dim, dtype=dtype, device=projected[0].device)
    padding = given["key_padding_mask"]
    if padding is not None and given["query"].ndim < 3:
        padding = padding[None]
    query, key, value = projected
    heads, attention = multi_head_attention_forward(
        query,
        key,
        value,
        module.embed_dim,
        module.num_heads,
        None,
        None,
        module.bias_k,
        module.bias_v,
        module.add_zero_attn,
        0.0,
        same,
        None,
        training=False,
        key_padding_mask=padding,
        need_weights=given["need_weights"],
        attn_mask=given["attn_mask"],
        use_separate_proj_weight=True,
        q_proj_weight=same,
        k_proj_weight=same,
        v_proj_weight=same,
        average_attn_weights=given["average_attn_weights"],
        is_causal=given["is_causal"],
    )
    return heads, attention


def _projections(module: Any) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """Weights and biases that project queries, keys and values."""
    if module.in_proj_weight is None:
        weights = [getattr(module, f"{name[0]}_proj_weight") for name in PROJECTIONS]
    else:
        weights = list(module.in_proj_weight.chunk(len(PROJECTIONS)))
    bias = module.in_proj_bias
    return weights, [None] * len(PROJECTIONS) if bias is None else bias.chunk(len(PROJECTIONS))


def _tokens_first(module: Any, values: Tensor) -> Tensor:
    """Order values as the function takes them: (tokens, samples, ·)."""
    if values.ndim < 3:
        return values[:, None]
    return values.transpose(0, 1) if module.batch_first else values


def _first(values: Tensor) -> Tensor:
    """Put the samples first again."""
    return values.transpose(0, 1)


def _matrices(module: Any) -> dict[str, nn.Parameter]:
    named = module.named_parameters()
    return {name: p for name, p in named if name.endswith(("proj_weight", "out_proj.weight"))}


def _why_unwatched(module: Any) -> str:
    return "its dropout would be drawn anew where it runs again" if module.dropout else ""


def _samples(call: Call, dim: int) -> int:
    query: Tensor = call.argument(0, "query")
    return 1 if query.ndim < 3 else query.shape[0 if call.module.batch_first else 1]


ATTENTION = Layer(
    roles=projections,
    watch=watch_attention,
    weights=_matrices,
    why_unwatched=_why_unwatched,
    samples=_samples,
)
