"""What SmoothGrad of all classes and adversarial training cost, beside the plain ways.

Writes its tables into docs/benchmarks.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurospect.models.registry import build_model
from neurospect.saliency import saliency_maps, train_algorithm1, train_pgd
from neurospect.training.loop import Examples, TrainingPlan, train
from table import write_section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
THREADS, TURNS, SAMPLES, HOPS = 1, 5, 24, 4
MODELS: dict[str, dict[str, Any]] = {
    "20 ReLU units, 32 × 32, 3 classes": {
        "family": "mlp",
        "input_shape": (32, 32),
        "classes": 3,
        "widths": [20],
    },
    "CNN 32-32-64, 24 × 30 × 26, 7 classes": {
        "family": "cnn3d",
        "input_shape": (24, 30, 26),
        "classes": 7,
        "widths": [32, 32, 64],
        "stride": 1,
        "pooling": 2,
        "weight_normalisation": True,
    },
}
EXAMPLES = {"mlp": (64, 1500), "cnn3d": (2, 32)}
MAPS = """\
## SmoothGrad of all classes

{samples} noisy inputs per example, in one thread. "Class by class" repeats the inputs, adds noise
and runs forward and backward through the softmax for each class, as captum's NoiseTunnel over
Saliency does{whose}. Seconds are medians of {turns} turns that the rivals take; the ratio is that
of each turn, its median.
"""
TRAININGS = """\
## Adversarial training

Seconds for one epoch of mini-batches of 32 (of 250 for the small network), in one thread, and their
ratio to as many plain epochs as there are updates with each mini-batch: {hops} for algorithm 1, one
for PGD with 3 steps. "One pass": the noise moves by the gradient of the update's own pass.
"""


def main() -> None:
    torch.set_num_threads(THREADS)
    said = {"samples": SAMPLES, "turns": TURNS, "hops": HOPS}
    rival, whose = class_by_class, " (by hand)"
    with suppress(ImportError):
        rival, whose = with_captum(), " (captum itself)"
    maps = [smoothgrad_row(name, settings, rival) for name, settings in MODELS.items()]
    write_section(PAGE, "saliency-smoothgrad", MAPS.format(**said, whose=whose), maps)
    trainings = [training_row(name, settings) for name, settings in MODELS.items()]
    write_section(PAGE, "saliency-training", TRAININGS.format(**said), trainings)


def smoothgrad_row(
    name: str, settings: Mapping[str, Any], rival: Callable[[nn.Module, Tensor], Tensor]
) -> dict[str, str]:
    model = build(settings)
    inputs = torch.randn(EXAMPLES[settings["family"]][0], *settings["input_shape"])
    seconds = in_turns(
        {
            "all classes": lambda: saliency_maps(model, inputs, "smoothgrad", samples=SAMPLES),
            "class by class": lambda: rival(model, inputs),
        }
    )
    return {"model": name, **medians(seconds), "ratio": ratio(seconds, "class by class", 1)}


def training_row(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    count = EXAMPLES[settings["family"]][1]
    inputs = torch.randn(count, *settings["input_shape"])
    examples = Examples(inputs, torch.arange(count) % settings["classes"])
    batch = 250 if settings["family"] == "mlp" else 32
    plan = TrainingPlan("classification", 1, 1e-3, batch)
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: train(build(settings), examples, plan),
        "algorithm 1": lambda: train_algorithm1(
            build(settings), examples, plan, epsilon=1.0, hops=HOPS
        ),
        "one pass": lambda: train_algorithm1(
            build(settings), examples, plan, epsilon=1.0, hops=HOPS, one_pass=True
        ),
        "PGD": lambda: train_pgd(build(settings), examples, plan, epsilon=1.0),
    }
    seconds = in_turns(ways)
    return {
        "model": name,
        **medians(seconds),
        f"algorithm 1 / {HOPS} plain": ratio(seconds, "algorithm 1", HOPS, "plain"),
        f"one pass / {HOPS} plain": ratio(seconds, "one pass", HOPS, "plain"),
        "PGD / plain": ratio(seconds, "PGD", 1, "plain"),
    }


def class_by_class(model: nn.Module, inputs: Tensor) -> Tensor:
    maps = []
    for k in range(model(inputs[:1]).shape[1]):
        noisy = inputs.repeat_interleave(SAMPLES, 0)
        noisy = (noisy + 0.3 * torch.randn_like(noisy)).requires_grad_()
        probability = model(noisy).softmax(1)[:, k].sum()
        gradient = torch.autograd.grad(probability, noisy)[0]
        maps.append(gradient.unflatten(0, (len(inputs), SAMPLES)).mean(1))
    return torch.stack(maps, 1)


def with_captum() -> Callable[[nn.Module, Tensor], Tensor]:
    from captum.attr import NoiseTunnel, Saliency

    def maps_of(model: nn.Module, inputs: Tensor) -> Tensor:
        tunnel = NoiseTunnel(Saliency(nn.Sequential(model, nn.Softmax(1))))
        return torch.stack(
            [
                tunnel.attribute(
                    inputs,
                    nt_type="smoothgrad",
                    nt_samples=SAMPLES,
                    stdevs=0.3,
                    target=k,
                    abs=False,
                )
                for k in range(model(inputs[:1]).shape[1])
            ],
            dim=1,
        )

    return maps_of


def build(settings: Mapping[str, Any]) -> nn.Module:
    return build_model(task="classification", seed=0, **settings)


def in_turns(ways: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - started)
    print({name: min(found) for name, found in seconds.items()}, flush=True)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, str]:
    return {f"{name} (s)": f"{statistics.median(found):.3f}" for name, found in seconds.items()}


def ratio(
    seconds: Mapping[str, list[float]], above: str, times: int, below: str = "all classes"
) -> str:
    pairs = zip(seconds[above], seconds[below], strict=True)
    return f"{statistics.median(a / (times * b) for a, b in pairs):.2f}"


if __name__ == "__main__":
    main()
