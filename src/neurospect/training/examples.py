"""What a training learns from, and the checks of it before the first update."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from neurospect.arrays.tensors import tensors_sha256
from neurospect.errors import BadInputError
from neurospect.training.backward import Rows


@dataclass(frozen=True)
class Examples:
    """Inputs, shape (samples, features), and class indices, whole numbers, shape (samples,)."""

    inputs: Tensor
    classes: Tensor

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.inputs)

    def to(self, device: torch.device) -> Examples:
        """Move both to a device."""
        return Examples(self.inputs.to(device), self.classes.to(device))

    def rows(self, rows: Rows) -> Examples:
        """Choose some of the samples; a slice is not copied."""
        return Examples(self.inputs[rows], self.classes[rows])


class ExampleSource(Protocol):
    """What a training learns from: `Examples`, or what reads them batch by batch."""

    @property
    def classes(self) -> Tensor:
        """Class indices, shape (samples,), on the device that inputs come to."""

    def __len__(self) -> int:
        """Count the samples."""

    def rows(self, rows: Rows) -> Examples:
        """Give some of the samples."""


def checked_examples(examples: ExampleSource, task: str, where: str, field: str) -> ExampleSource:
    """Refuse examples that nothing can be learnt from; give classes the type that losses ask for.

    Inputs are not read.

    Raises
    ------
    BadInputError
        When there are none, or not one class for each; in classification also when a class is no
        whole number from 0 on.
    """
    classes = examples.classes
    inputs = examples.inputs if isinstance(examples, Examples) else classes
    if not isinstance(classes, Tensor) or not isinstance(inputs, Tensor):
        raise BadInputError(
            where,
            field,
            found=f"inputs of type {type(inputs).__name__}, classes of {type(classes).__name__}",
            expected="tensors",
            remedy="Make them with torch.as_tensor.",
        )
    if classes.ndim != 1 or not len(examples) or len(examples) != len(classes):
        shape = tuple(classes.shape)
        count = f"{len(classes)} classes" if len(shape) == 1 else f"classes of shape {shape}"
        raise BadInputError(
            where,
            field,
            found=f"{len(examples)} inputs and {count}",
            expected="at least one example, each with its class",
            remedy="Enlarge the split, or give one class per example.",
        )
    if task != "classification":
        return examples
    kind, lowest = classes.dtype, int(classes.min())
    is_whole = not (kind.is_floating_point or kind.is_complex or kind == torch.bool)
    if not is_whole or lowest < 0:
        raise BadInputError(
            where,
            f"{field}, classes",
            found=f"class {lowest}" if is_whole else kind,
            expected="for each example the index of its class, a whole number from 0 on",
            remedy="Leave out examples without a class; convert other numbers with .long().",
        )
    if isinstance(examples, Examples) and kind != torch.int64:
        return replace(examples, classes=classes.long())
    return examples


def count_classes(examples: ExampleSource, task: str) -> int:
    """Count the logits that a model must have for these classes, 0 in auto-encoding."""
    return 1 + int(examples.classes.max()) if task == "classification" else 0


def digest_of_examples(examples: ExampleSource) -> str:
    """Digest of the classes, and of inputs that are held in memory."""
    held = [examples.inputs] if isinstance(examples, Examples) else []
    return tensors_sha256(examples.classes, *held)
