"""What maps, adversarial training, and training on volumes cost, beside the plain ways.

Writes its tables into docs/benchmarks.md; some eight minutes in one thread.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from captum.attr import NoiseTunnel, Saliency
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.models.registry import build_model
from neurospect.preprocess.brain_mask import mni_brain_mask
from neurospect.saliency import saliency_maps, train_algorithm1, train_pgd
from neurospect.training.cohort_examples import MappedExamples
from neurospect.training.compute import keep_freed_memory
from neurospect.training.loop import Examples, TrainingPlan, train
from table import write_section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
THREADS, TURNS, SAMPLES, HOPS, VOLUMES = 1, 3, 24, 4, 64
WHOLE, CROPPED = (91, 109, 91), (73, 90, 78)
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
SMALL: dict[str, Any] = {
    "family": "mlp",
    "input_shape": (32, 32),
    "classes": 3,
    "widths": [20],
}
# The network with which the paper decodes task maps, on the brain's box at 4 mm.
HCP: dict[str, Any] = {
    "family": "cnn3d",
    "input_shape": (36, 45, 39),
    "classes": 7,
    "widths": [32, 32, 64, 64, 64],
    "stride": 1,
    "pooling": 2,
    "weight_normalisation": True,
}
MODELS = {
    "20 ReLU units, 32 × 32, 3 classes": SMALL,
    "CNN 32-32-64-64-64, 36 × 45 × 39, 7 classes": HCP,
}
# Examples that are mapped; examples and mini-batch of an epoch of training.
MAPPED = {"mlp": 64, "cnn3d": 1}
TRAINED = {"mlp": (1500, 250), "cnn3d": (16, 16)}
# Shape, precision, and whether freed memory stays with the process, of a training step.
STEPS = {
    "whole, float32, as PyTorch has it": (WHOLE, "float32", False),
    "whole, float32": (WHOLE, "float32", True),
    "cropped, float32": (CROPPED, "float32", True),
    "cropped, bfloat16": (CROPPED, "bfloat16", True),
}
# Memory is at hand from the third step on; before it, the system hands it out page by page.
BATCH, TIMED_BATCH, TIMED_STEP = 32, 4, 4

MAPS = """\
## SmoothGrad of all classes

{samples} noisy inputs per example, in one thread: all classes by `saliency_maps`, and class by
class by captum's NoiseTunnel over Saliency, behind a softmax. The convolutional network is the one
with which the saliency paper decodes task maps, on the brain's box at 4 mm. Seconds are medians of
{turns} turns that the rivals take; the ratio is that of each turn, its median. Freed memory is kept
for both.
"""
TRAININGS = """\
## Adversarial training

Seconds for one epoch in one thread (one mini-batch of 16 volumes; 1,500 images in mini-batches of
250), and their ratio to as many plain epochs as there are updates with each mini-batch: {hops} for
algorithm 1, one for PGD with 3 steps. "One pass": the noise moves by the gradient of the update's
own pass; as printed, algorithm 1 takes a pass of its own for that. Medians of {turns} turns; freed
memory is kept for all.
"""
LOADING = """\
## Loading volumes

Milliseconds a volume, for one epoch of {volumes} smooth volumes of 91 × 109 × 91 in mini-batches of
32 in random order: each read from its compressed NIfTI with nibabel, z-scored inside the mask and
cropped to its box; or taken from the memory-mapped array of a prepared cohort, float32 inside the
mask, checked, and laid out as cropped volumes. All files are in the system's cache for both.
Medians of {turns} turns.
"""
STEP = """\
## A training step on volumes

The network with which the saliency paper decodes task maps, on whole volumes (91 × 109 × 91) and on
the brain's box (73 × 90 × 78), in one thread. Cropping changes what an L2 radius of noise means: it
scales with the square root of the number of voxels (95 on whole volumes is 71.6 in the box).
Seconds a volume: the fourth step with {timed} volumes, median of {turns} processes; memory: the
peak of a process that takes one step with {batch} volumes, these and imports included. All rows but
the first keep freed memory for the next tensor, as trainings of the workflow do (with glibc). The
processor computes in bfloat16 itself (AMX).
"""


def main() -> None:
    torch.set_num_threads(THREADS)
    if len(sys.argv) > 1:
        way, volumes = sys.argv[1], int(sys.argv[2])
        print(*take_step(*STEPS[way], volumes))
        return
    keep_freed_memory()
    said = {"samples": SAMPLES, "turns": TURNS, "hops": HOPS, "volumes": VOLUMES}
    said |= {"batch": BATCH, "timed": TIMED_BATCH}
    sections: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "saliency-step": (STEP, step_rows()),
        "saliency-loading": (LOADING, loading_rows()),
        "saliency-smoothgrad": (MAPS, [smoothgrad_row(*model) for model in MODELS.items()]),
        "saliency-training": (TRAININGS, [training_row(*model) for model in MODELS.items()]),
    }
    for name, (text, rows) in sections.items():
        write_section(PAGE, name, text.format(**said), rows)


def smoothgrad_row(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    model = build(settings).eval()
    inputs = torch.randn(MAPPED[settings["family"]], *settings["input_shape"])
    seconds = in_turns(
        {
            "all classes": lambda: saliency_maps(model, inputs, "smoothgrad", samples=SAMPLES),
            "captum": lambda: by_captum(model, inputs),
        }
    )
    return {"model": name, **medians(seconds), "ratio": ratio(seconds, "captum", "all classes")}


def by_captum(model: nn.Module, inputs: Tensor) -> Tensor:
    tunnel = NoiseTunnel(Saliency(nn.Sequential(model, nn.Softmax(1))))
    inputs = inputs.clone().requires_grad_()
    options: dict[str, Any] = {"nt_samples": SAMPLES, "stdevs": 0.3, "abs": False}
    classes = model(inputs[:1]).shape[1]
    maps = [tunnel.attribute(inputs, target=k, **options) for k in range(classes)]
    return torch.stack(maps, dim=1)


def training_row(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    count, batch = TRAINED[settings["family"]]
    inputs = torch.randn(count, *settings["input_shape"])
    examples = Examples(inputs, torch.arange(count) % settings["classes"])
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
        f"algorithm 1 / {HOPS} plain": ratio(seconds, "algorithm 1", "plain", HOPS),
        f"one pass / {HOPS} plain": ratio(seconds, "one pass", "plain", HOPS),
        "PGD / plain": ratio(seconds, "PGD", "plain"),
    }


def loading_rows() -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        grid = write_volumes(Path(folder))
        classes = torch.arange(VOLUMES) % 7
        mapped = MappedExamples(
            open_array(Path(folder) / "task_maps.npy"), np.arange(VOLUMES), classes, grid
        )
        batches = torch.randperm(VOLUMES).split(32)
        seconds = in_turns(
            {
                "NIfTI": lambda: [read_images(Path(folder), rows, grid) for rows in batches],
                "mapped": lambda: [mapped.rows(rows) for rows in batches],
            }
        )
        found, expected = (
            mapped.rows(batches[0]).inputs,
            read_images(Path(folder), batches[0], grid),
        )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    return [
        {
            **{f"{way} (ms)": f"{1000 * middle(taken):.1f}" for way, taken in per_volume(seconds)},
            "ratio": ratio(seconds, "NIfTI", "mapped"),
        }
    ]


def write_volumes(folder: Path) -> VoxelGrid:
    grid = mni_brain_mask(folder, WHOLE, AFFINE)
    rng = np.random.default_rng(0)
    rows = np.empty((VOLUMES, grid.voxels), dtype=np.float32)
    for number in range(VOLUMES):
        smooth = gaussian_filter(rng.standard_normal(WHOLE, dtype=np.float32), 2)
        values = (10 * smooth * grid.mask).astype(np.float32)
        nibabel.Nifti1Image(values, AFFINE).to_filename(folder / f"{number}.nii.gz")
        inside = values[grid.mask].astype(np.float64)
        rows[number] = (inside - inside.mean()) / inside.std()
    write_array(folder / "task_maps.npy", rows)
    return grid


def read_images(folder: Path, numbers: Tensor, grid: VoxelGrid) -> Tensor:
    volumes = []
    for number in numbers.tolist():
        volume = nibabel.load(folder / f"{number}.nii.gz").get_fdata(dtype=np.float32)
        inside = volume[grid.mask]
        scored = np.where(grid.mask, (volume - inside.mean()) / inside.std(), 0)
        volumes.append(scored[grid.box])
    return torch.from_numpy(np.stack(volumes))


def step_rows() -> list[dict[str, str]]:
    seconds: dict[str, list[float]] = {way: [] for way in STEPS}
    for _ in range(TURNS):
        for way, found in seconds.items():
            found.append(in_a_process(way, TIMED_BATCH)[0])
            print(way, found[-1], flush=True)
    first = next(iter(STEPS))
    return [
        {
            "volumes": way,
            "seconds a volume": f"{middle(found):.3f}",
            "times as fast": ratio(seconds, first, way),
            f"GB with {BATCH}": f"{in_a_process(way, BATCH)[1]:.1f}",
        }
        for way, found in seconds.items()
    ]


def in_a_process(way: str, volumes: int) -> list[float]:
    command = [sys.executable, __file__, way, str(volumes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def take_step(
    shape: tuple[int, ...], precision: Any, keep: bool, volumes: int
) -> tuple[float, float]:
    """Seconds a volume of the last step, and GB that the process took at most."""
    if keep:
        keep_freed_memory()
    model = build({**HCP, "input_shape": shape})
    examples = Examples(torch.randn(volumes, *shape), torch.arange(volumes) % 7)
    began: list[float] = []
    model.register_forward_pre_hook(lambda *_: began.append(time.perf_counter()))
    epochs = TIMED_STEP if volumes == TIMED_BATCH else 1
    train(model, examples, TrainingPlan("classification", epochs, 1e-3, precision=precision))
    taken = (time.perf_counter() - began[-1]) / volumes
    status = Path("/proc/self/status").read_text()
    return taken, float(status.split("VmHWM:")[1].split()[0]) / 1e6


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


def per_volume(seconds: Mapping[str, list[float]]) -> list[tuple[str, list[float]]]:
    return [(name, [each / VOLUMES for each in found]) for name, found in seconds.items()]


def medians(seconds: Mapping[str, list[float]]) -> dict[str, str]:
    return {f"{name} (s)": f"{middle(found):.3f}" for name, found in seconds.items()}


def middle(found: list[float]) -> float:
    return statistics.median(found)


def ratio(seconds: Mapping[str, list[float]], above: str, below: str, times: int = 1) -> str:
    pairs = zip(seconds[above], seconds[below], strict=True)
    return f"{statistics.median(a / (times * b) for a, b in pairs):.2f}"


if __name__ == "__main__":
    main()
