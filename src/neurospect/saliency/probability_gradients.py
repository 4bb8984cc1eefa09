"""Gradients of class probabilities by the input, for all classes in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError
from neurospect.saliency.frozen_pass import logits_at
from neurospect.saliency.linear_start import linear_start

Differentiated = Literal["probability", "log_odds"]


@dataclass(frozen=True)
class ProbabilityGradients:
    """Gradients of the classes' probabilities at any points of the input space.

    Autograd through a softmax gives zero once 1 − p rounds to zero. So the logits are
    differentiated, and ∇p_k = p_k (1 − p_k) ∇[z_k − logsumexp(z of the others)] put together from
    their gradients, on a scale on which nothing rounds away.

    Attributes
    ----------
    model
        From (points, *input shape) to logits (points, classes). The output of a point must not
        depend on the other points.
    classes
        Which classes; None for all.
    temperature
        That the logits are divided by.
    of
        What to differentiate. The log odds, log(p / (1 − p)), have gradients of the same direction
        at every point, and of a length that single precision can hold however sure the model is.
    points_at_once
        Bounds the memory: points that go through the model together.
    """

    model: nn.Module
    classes: ArrayLike | None = None
    temperature: float = 1.0
    of: Differentiated = "probability"
    points_at_once: int = 1

    def __call__(self, points: Tensor) -> Tensor:
        """Return the gradients at one point per example.

        Parameters
        ----------
        points
            Shape (examples, *input shape).

        Returns
        -------
        torch.Tensor
            Shape (examples, classes, *input shape).
        """
        points, logits = self._forward(points)
        coefficients, scale = self._log_odds_coefficients(logits)
        spanning, mixing = _spanning_cotangents(coefficients, scale)
        return _mixed(_pulled_back(logits, points, spanning), mixing)

    def weighted_sum(self, points: Iterable[tuple[Tensor, float]]) -> Tensor:
        """Return the sum of the gradients at several points per example.

        The model's first layer, where it is linear, is the same at all points: the sum is taken
        behind it and goes back through it once, not once per point.

        Parameters
        ----------
        points
            Pairs of one point per example, shape (examples, *input shape), and its weight; read one
            after the other, so they need not all fit into memory.

        Returns
        -------
        torch.Tensor
            Shape (examples, classes, *input shape).
        """
        points = iter(points)
        first = next(points)
        leaf, logits = self._forward(first[0])
        start = linear_start(leaf, logits)
        del logits  # frees all of the graph but the linear start
        # Where a graph differs from the first one, its gradients go back to the inputs at once.
        behind, at_inputs = _Sum(), _Sum()
        for group, weights in _grouped(chain([first], points), self.points_at_once):
            group_leaf, logits = self._forward(group.flatten(0, 1))
            own_start = linear_start(group_leaf, logits)
            same = own_start.is_like(start)
            coefficients, scale = self._log_odds_coefficients(logits)
            spanning, mixing = _spanning_cotangents(coefficients, scale)
            gradients = _pulled_back(logits, own_start.end if same else group_leaf, spanning)
            # One product per example sums over its points and over what spans the classes.
            gradients = gradients.reshape(len(group), -1, *gradients.shape[2:])
            mixing = mixing.view(*group.shape[:2], *mixing.shape[1:]) * weights[:, None, None]
            part = _mixed(gradients, mixing.transpose(1, 2).flatten(2))
            (behind if same else at_inputs).add(part)
        if behind.total is not None:
            at_inputs.add(_pulled_back(start.end, leaf, behind.total.unbind(1)))
        assert at_inputs.total is not None
        return at_inputs.total

    def values_per_point(self, example: Tensor) -> int:
        """Count the values that the gradients of one point take up on their way to the input.

        Parameters
        ----------
        example
            Shape (1, *input shape).
        """
        leaf, logits = self._forward(example)
        classes = len(self._wanted(logits))
        operations = linear_start(leaf, logits).operations
        behind = math.prod(operations[-1][1]) if operations else 0
        return max(leaf.numel(), behind) * classes

    def _forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the points as a leaf of the graph, and their logits."""
        leaf, logits = logits_at(self.model, points, classes=2)
        # Of a class that is masked with -inf the probability is 0, if others have one.
        senseless = logits.isnan() | logits.isposinf()
        if senseless.any() or (logits.isfinite().sum(1) < 2).any():
            raise BadInputError(
                "model",
                "output",
                found="logits that are NaN or infinite",
                expected="finite logits, of two classes at least",
                remedy="Look at the model, and at the size of the inputs.",
            )
        return leaf, logits

    def _log_odds_coefficients(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate the log odds of each wanted class by the logits; give p (1 − p), too.

        Returns shapes (points, wanted, classes) and (points, wanted).
        """
        wanted = self._wanted(logits)
        # Margins of logits lose what single precision has, and p (1 − p) is exponential in them.
        scores = logits.detach().double() / self.temperature
        own = torch.nn.functional.one_hot(wanted, scores.shape[1]).bool()
        others = scores[:, None].masked_fill(own, -torch.inf)
        odds = scores[:, wanted] - others.logsumexp(-1)
        coefficients = (own.double() - others.softmax(-1)) / self.temperature
        scale = odds.sigmoid() * (-odds).sigmoid()
        if self.of == "log_odds":
            scale = torch.ones_like(scale)
        return coefficients.to(logits.dtype), scale.to(logits.dtype)

    def _wanted(self, logits: Tensor) -> Tensor:
        count = logits.shape[1]
        if self.classes is None:
            return torch.arange(count, device=logits.device)
        chosen = as_array(self.classes)
        numbers = chosen.ndim == 1 and chosen.size > 0 and chosen.dtype.kind in "iu"
        if not numbers or chosen.min() < 0 or chosen.max() >= count:
            raise BadInputError(
                "saliency maps",
                "classes",
                found=repr(self.classes),
                expected=f"a list of numbers from 0 to {count - 1}, at least one",
                remedy='Mend them, or ask for "all".',
            )
        return torch.tensor(chosen, dtype=torch.long, device=logits.device)


class _Sum:
    """A sum of tensors, None as long as there is none."""

    total: Tensor | None = None

    def add(self, part: Tensor) -> None:
        self.total = part if self.total is None else self.total.add_(part)


def _spanning_cotangents(coefficients: Tensor, scale: Tensor) -> tuple[list[Tensor], Tensor]:
    """Choose what to pull back from the logits, and how to mix the results into the classes'.

    The coefficients of a class sum to zero, so differences of logits, one fewer than the classes,
    span all classes. Returns tensors of shape (points, classes), and shape (points, wanted,
    tensors).
    """
    points, wanted, count = coefficients.shape
    if wanted < count - 1:
        return list(coefficients.unbind(1)), torch.diag_embed(scale)
    differences = torch.eye(count, dtype=scale.dtype, device=scale.device)[1:]
    differences[:, 0] = -1
    spanning = [row.expand(points, count) for row in differences]
    return spanning, coefficients[..., 1:] * scale[..., None]


def _pulled_back(
    outputs: Tensor | GradientEdge, inputs: Tensor | GradientEdge, cotangents: Sequence[Tensor]
) -> Tensor:
    """Vector-Jacobian products on one graph, stacked along dimension 1."""
    products = [
        torch.autograd.grad(outputs, inputs, cotangent, retain_graph=place < len(cotangents) - 1)[0]
        for place, cotangent in enumerate(cotangents)
    ]
    return torch.stack(products, dim=1)


def _mixed(gradients: Tensor, mixing: Tensor) -> Tensor:
    """(examples, a, *shape) and (examples, b, a) to (examples, b, *shape)."""
    # In the gradients' own type, whatever surrounds the call and whatever type the logits have.
    with torch.autocast(gradients.device.type, enabled=False):
        mixed = mixing.to(gradients.dtype) @ gradients.flatten(2)
    return mixed.view(*mixing.shape[:2], *gradients.shape[2:])


def _grouped(
    points: Iterable[tuple[Tensor, float]], points_at_once: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Gather points, shape (examples, gathered, *input shape), and weights, up to the bound."""
    gathered: list[tuple[Tensor, float]] = []
    for pair in points:
        if gathered and (len(gathered) + 1) * len(pair[0]) > points_at_once:
            yield _stacked(gathered)
            gathered = []
        gathered.append(pair)
    if gathered:
        yield _stacked(gathered)


def _stacked(gathered: Sequence[tuple[Tensor, float]]) -> tuple[Tensor, Tensor]:
    points = torch.stack([point for point, _ in gathered], dim=1)
    weights = [weight for _, weight in gathered]
    return points, torch.tensor(weights, dtype=points.dtype, device=points.device)
