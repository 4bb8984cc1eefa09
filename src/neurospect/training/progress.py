"""Progress lines of a training."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

SECONDS_BETWEEN_PROGRESS = 5.0


@dataclass
class Progress:
    """When the training began, and when a line was last shown.

    Attributes
    ----------
    epochs
        All of the training.
    name
        Of the training.
    """

    epochs: int
    name: str
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def show(self, epoch: int, loss: float, first: int) -> None:
        """Log a line now and then, and one for the last epoch.

        Parameters
        ----------
        epoch
            That is done.
        loss
            Its mean.
        first
            Epochs that were done before this run began.
        """
        now = time.monotonic()
        if now - self.shown < SECONDS_BETWEEN_PROGRESS and epoch < self.epochs:
            return
        self.shown = now
        left = (now - self.started) / (epoch - first) * (self.epochs - epoch)
        log.info(
            "%s: epoch %d of %d, loss %.6g, about %.0f s left",
            self.name, epoch, self.epochs, loss, left,
        )  # fmt: skip
