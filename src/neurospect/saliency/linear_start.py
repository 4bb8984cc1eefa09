"""How far a model is linear in its input, read off the graph of its forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

# Operations that are linear in one input, and keep the examples apart and in their order.
_LINEAR = {
    "AddmmBackward0",
    "CloneBackward0",
    "ConvolutionBackward0",
    "ReshapeAliasBackward0",
    "UnsafeViewBackward0",
    "ViewBackward0",
    "_OneChannelConvolutionBackward",  # neurospect.models.volume_convolution
}


@dataclass(frozen=True)
class LinearStart:
    """The part of a graph in which all that comes from the inputs passes linearly.

    Attributes
    ----------
    end
        Its last place, as `torch.autograd.grad` takes it. From the inputs to there the Jacobian is
        the same for all inputs.
    operations
        Names and output shapes (without examples) of what lies between: equal parts have equal
        ones, however many examples went through.
    weights
        What the inputs are multiplied by there.
    """

    end: GradientEdge
    operations: tuple[tuple[str, tuple[int, ...]], ...]
    weights: tuple[Tensor, ...]

    def is_like(self, other: LinearStart) -> bool:
        """Whether the Jacobian is that of another; a model may choose its weights by the inputs."""
        if self.operations != other.operations:
            return False
        return all(map(_are_equal, self.weights, other.weights))


def linear_start(inputs: Tensor, outputs: Tensor) -> LinearStart:
    """Find how far the inputs, and nothing but linear operations on them, reach.

    Parameters
    ----------
    inputs
        Leaf of the graph, shape (examples, ...).
    outputs
        Computed from it, with parameters that need no gradient.

    Returns
    -------
    LinearStart
        Empty, and ending at the inputs, where the first operation is not linear.
    """
    users = _users(outputs)
    node = get_gradient_edge(inputs).node
    passed: list[Node] = []
    while len(users.get(node, [])) == 1 and _is_linear(users[node][0]):
        node = users[node][0]
        passed.append(node)
    # A view may tear the examples apart, and a later one join them again.
    while passed and _output_shape(passed[-1])[0] != len(inputs):
        passed.pop()
    end = passed[-1] if passed else get_gradient_edge(inputs).node
    operations = tuple((node.name(), _output_shape(node)[1:]) for node in passed)
    weights = tuple(weight for node in passed for weight in _weights(node))
    return LinearStart(GradientEdge(end, 0), operations, weights)


def _users(outputs: Tensor) -> dict[Node, list[Node]]:
    """Of each node of the graph, those that take its output."""
    users: dict[Node, list[Node]] = {}
    waiting = [get_gradient_edge(outputs).node]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is None:
                continue
            users.setdefault(source, []).append(node)
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return users


def _is_linear(node: Node) -> bool:
    if node.name() == "TransposeBackward0":
        # Negative dimensions are kept as unsigned numbers of 64 bits.
        dimensions = len(_output_shape(node))
        swapped = [node._saved_dim0, node._saved_dim1]  # type: ignore[attr-defined]
        return all((dim + dimensions) % 2**64 % dimensions for dim in swapped)
    return node.name() in _LINEAR


def _weights(node: Node) -> list[Tensor]:
    saved: Any = node
    if hasattr(node, "_saved_weight"):
        return [saved._saved_weight]
    if hasattr(node, "_saved_mat2"):
        return [saved._saved_mat1 if saved._saved_mat2 is None else saved._saved_mat2]
    # Of a function of our own: its inputs, and the weight.
    return [saved.saved_tensors[1]] if hasattr(node, "saved_tensors") else []


def _are_equal(one: Tensor, other: Tensor) -> bool:
    same = one.data_ptr() == other.data_ptr() and one.stride() == other.stride()
    return one.shape == other.shape and (same or torch.equal(one, other))


def _output_shape(node: Node) -> tuple[int, ...]:
    return tuple(node._input_metadata[0].shape)
