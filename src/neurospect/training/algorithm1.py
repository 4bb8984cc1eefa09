"""Adversarial training in few passes: algorithm 1 of McClure et al. (2020)."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from neurospect.training.backward import LossOf, Rows
from neurospect.training.checks import check_counts
from neurospect.training.examples_at_hand import Keeping, train_with_loss
from neurospect.training.input_noise import (
    log_odds_gradient,
    times_examples,
    unit_length,
    within_ball,
)
from neurospect.training.log_odds import log_odds
from neurospect.training.loop import Examples, ExampleSource, TrainingPlan
from neurospect.training.robust import check_noise


def train_algorithm1(
    model: nn.Module,
    examples: ExampleSource,
    plan: TrainingPlan,
    *,
    epsilon: float,
    hops: int = 4,
    one_pass: bool = False,
    weight_penalty: float = 0.0,
    **keeping: Unpack[Keeping],
) -> pd.DataFrame:
    """Train on each mini-batch several times, while noise against the model grows on it.

    Every mini-batch starts without noise. After each update of the parameters, the noise of each
    example moves against the gradient of its class's probability, by a length drawn uniformly from
    0 to `epsilon`, and is shortened to `epsilon` where it became longer.

    Parameters
    ----------
    model, examples, plan, weight_penalty, **keeping
        As in `neurospect.training.robust.train_regularised`. The plan's mini-batches count: one
        epoch makes `hops` updates with each.
    epsilon
        Radius of the L2 ball, in units of the input; 95 ≈ 0.1 · √902,629 in the paper's brains. To
        keep the noise per voxel in another mask or crop, scale it with the square root of voxels.
    hops
        The paper's m: updates with each mini-batch.
    one_pass
        As printed, the gradient that moves the noise is that of the parameters just updated, which
        takes a pass of its own. If true, it is taken in the pass of the update itself, hence by the
        parameters before it, as in the training "for free" on which the algorithm builds (Shafahi
        et al., 2019): an epoch then costs hardly more than `hops` plain ones.

    Returns
    -------
    pandas.DataFrame
        As from `train`; the training loss is that with noise, over all updates.

    Raises
    ------
    BadInputError
        Before the training, when `epsilon` is not positive, or `hops` not a whole number from 1
        on; then as in `train`.
    """
    check_noise(epsilon=epsilon)
    check_counts("training with noise", hops=hops)

    def loss_of(batch: Examples) -> LossOf:
        # The noise of each micro-batch, by its first row.
        growing: dict[int, _GrowingNoise] = {}

        def loss_of_rows(rows: Rows) -> Tensor:
            assert isinstance(rows, slice)
            if rows.start not in growing:
                part = batch.rows(rows)
                growing[rows.start] = _GrowingNoise(model, part, epsilon, hops, one_pass)
            return growing[rows.start].next_loss()

        return loss_of_rows

    return train_with_loss(
        model,
        examples,
        plan,
        loss_of,
        recipe=f"algorithm 1, epsilon {float(epsilon)!r}, {hops} hops, one pass {one_pass}",
        epsilon=epsilon,
        weight_penalty=weight_penalty,
        updates_per_batch=hops,
        keeping=keeping,
    )


class _GrowingNoise:
    """Noise on some examples of a mini-batch, and how many updates it has had."""

    def __init__(
        self, model: nn.Module, part: Examples, epsilon: float, hops: int, one_pass: bool
    ) -> None:
        self.model, self.part = model, part
        self.epsilon, self.hops, self.one_pass = epsilon, hops, one_pass
        self.hop = 0
        self.noise = torch.zeros_like(part.inputs)

    def next_loss(self) -> Tensor:
        """Loss of the next update; the noise moves first, by the last one's parameters.

        Moving it here and not behind the update leaves out the last move, which is never used.
        """
        part = self.part
        if self.hop and self.one_pass:
            assert self.noise.grad is not None
            self._move(-self.noise.grad)
        elif self.hop:
            self._move(log_odds_gradient(self.model, part.inputs, self.noise, part.classes))
        self.hop += 1
        self.noise.requires_grad_(self.one_pass and self.hop < self.hops)
        # The cross-entropy, written so that the gradient of a sure example does not round to zero.
        return softplus(-log_odds(self.model(part.inputs + self.noise), part.classes)).mean()

    def _move(self, uphill: Tensor) -> None:
        length = self.epsilon * torch.rand(len(uphill), dtype=uphill.dtype, device=uphill.device)
        moved = self.noise.detach() - times_examples(length, unit_length(uphill))
        self.noise = within_ball(moved, self.epsilon)
