"""Saliency maps by the name of their method, for every example and every class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from neurospect.errors import BadInputError
from neurospect.saliency.checks import check_finite, checked_seed
from neurospect.saliency.probability_gradients import Differentiated, ProbabilityGradients
from neurospect.training.checks import check_counts, check_positive
from neurospect.training.modes import at_rest

# Values that the gradients take up together, unless the caller says otherwise: 32 MiB in single
# precision. More of them leave the processor's cache, and the pages fault.
VALUES_AT_ONCE = 2**23

Method = Callable[..., Tensor]
METHODS: dict[str, Method] = {}


def register_map_method(name: str) -> Callable[[Method], Method]:
    """Make a function a method of `saliency_maps`, under `name`.

    The function takes a `ProbabilityGradients`, a batch of inputs of shape (examples, *input
    shape), and the places of these examples among all (a range, to draw each example its own random
    numbers); then its options, by keyword. It returns shape (examples, classes, *input shape).
    """

    def register(method: Method) -> Method:
        METHODS[name] = method
        return method

    return register


def saliency_maps(
    model: nn.Module,
    inputs: Tensor,
    method: str = "gradient",
    classes: Literal["all"] | ArrayLike = "all",
    *,
    of: Differentiated = "probability",
    temperature: float = 1.0,
    points_at_once: int | None = None,
    first_place: int = 0,
    **options: Any,
) -> Tensor:
    """Map where, and in which direction, the input moves the probability of each class.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits (examples, classes); at rest (`eval`) meanwhile, and
        left in the mode it was in. Its parameters and their gradients are not touched.
    inputs
        Shape (examples, *input shape), floating point, on the model's device.
    method
        Key of `METHODS`: "gradient", "gradient_x_input", "smoothgrad", "integrated_gradients", or
        one that was registered.
    classes
        "all", or the indices of some, in the order in which their maps shall stand.
    of
        What to differentiate. The log odds of a class, log(p / (1 − p)), have gradients of the same
        direction as its probability at every point; those of the probability fall below what
        single precision can hold where the model is sure by more than 87 nats, and are zero there.
    temperature
        That the logits are divided by before the softmax, as fitted by
        `neurospect.training.temperature_scaling`.
    points_at_once
        Inputs that go through the model together; bounds the memory. By default as many as keep
        the gradients on their way to `VALUES_AT_ONCE`, but two at least. Results depend on it only
        by rounding.
    first_place
        Place of the first input among all, where they come in several calls: what is drawn at
        random for an example depends on its place.
    **options
        Of the method; see the function of its name.

    Returns
    -------
    torch.Tensor
        Shape (examples, classes, *input shape), on the inputs' device and of their dtype.

    Raises
    ------
    BadInputError
        When the method, an option or a class is not known, a number makes no sense, the inputs are
        not finite, or the model's output is not logits.
    """
    chosen = _known_method(method, options)
    _check(inputs, of, temperature, points_at_once)
    every = isinstance(classes, str) and classes == "all"
    gradients = ProbabilityGradients(model, None if every else classes, temperature, of)
    maps: Tensor | None = None
    with torch.inference_mode(False), _at_rest(model):
        if inputs.is_inference():
            inputs = inputs.clone()
        if points_at_once is None:
            fitting = VALUES_AT_ONCE // gradients.values_per_point(inputs[:1])
            # In one thread, PyTorch convolves a volume that is alone in a slower way.
            points_at_once = max(2, fitting)
        gradients = replace(gradients, points_at_once=points_at_once)
        for start in range(0, len(inputs), points_at_once):
            batch = inputs[start : start + points_at_once].detach()
            places = range(first_place + start, first_place + start + len(batch))
            part = chosen(gradients, batch, places, **options)
            if part.ndim != inputs.ndim + 1 or part[:, 0].shape != batch.shape:
                raise _refused(
                    f"method {method}",
                    f"maps of shape {tuple(part.shape)}",
                    f"(examples, classes, *input shape), of inputs of shape {tuple(batch.shape)}",
                    "Mend the function that was registered.",
                )
            if maps is None:
                maps = part.new_empty((len(inputs), *part.shape[1:]))
            maps[start : start + len(batch)] = part
    assert maps is not None
    return maps


@register_map_method("gradient")
def gradient(gradients: ProbabilityGradients, inputs: Tensor, places: range) -> Tensor:
    """Gradient of the probability (Simonyan et al., 2014, who take the logit's)."""
    return gradients(inputs)


@register_map_method("gradient_x_input")
def gradient_x_input(gradients: ProbabilityGradients, inputs: Tensor, places: range) -> Tensor:
    """Gradient of the probability times the input, value by value."""
    return gradients(inputs) * inputs[:, None]


@register_map_method("smoothgrad")
def smoothgrad(
    gradients: ProbabilityGradients,
    inputs: Tensor,
    places: range,
    *,
    samples: int = 25,
    standard_deviation: float = 0.3,
    seed: int = 0,
) -> Tensor:
    """Mean gradient over inputs with Gaussian noise (Smilkov et al., 2017).

    Parameters
    ----------
    gradients, inputs, places
        As every method takes them.
    samples
        Noisy inputs per example.
    standard_deviation
        Of the noise, in units of the input.
    seed
        Of the noise. The noise of an example depends on it and on the example's place alone.

    Raises
    ------
    BadInputError
        When there are no samples, the standard deviation is not positive, or the seed is no whole
        number.
    """
    check_counts("saliency maps", samples=samples)
    check_positive("saliency maps", standard_deviation=standard_deviation)
    noise = smoothing_noise(inputs, places, standard_deviation=standard_deviation, seed=seed)
    return gradients.weighted_sum((inputs + next(noise), 1 / samples) for _ in range(samples))


@register_map_method("integrated_gradients")
def integrated_gradients(
    gradients: ProbabilityGradients,
    inputs: Tensor,
    places: range,
    *,
    steps: int = 50,
    baseline: ArrayLike = 0.0,
) -> Tensor:
    """Integrate the gradient from a baseline to the input, times their difference.

    The map of a class sums to the difference of its probability between the two (Sundararajan et
    al., 2017). The integral is by Gauss-Legendre quadrature.

    Parameters
    ----------
    gradients, inputs, places
        As every method takes them.
    steps
        Points of the quadrature.
    baseline
        One value, or shape (*input shape).

    Raises
    ------
    BadInputError
        When there are no steps, or the baseline is of another shape or not finite.
    """
    check_counts("saliency maps", steps=steps)
    start = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device)
    if start.shape not in ((), inputs.shape[1:]) or not start.isfinite().all():
        raise _refused(
            "baseline",
            f"shape {tuple(start.shape)}" if start.isfinite().all() else "NaN or infinity",
            f"one finite value, or finite values of shape {tuple(inputs.shape[1:])}",
            "Give the baseline of one example.",
        )
    roots, weights = np.polynomial.legendre.leggauss(steps)
    difference = inputs - start
    path = (
        (start + (1 + float(root)) / 2 * difference, float(weight) / 2)
        for root, weight in zip(roots, weights, strict=True)
    )
    return gradients.weighted_sum(path) * difference[:, None]


def smoothing_noise(
    inputs: Tensor, places: range, *, standard_deviation: float, seed: int
) -> Iterator[Tensor]:
    """Draw SmoothGrad's noise, one tensor of the inputs' shape after the other, without end."""
    seed = checked_seed("saliency maps", seed)
    generators = [
        torch.Generator(inputs.device).manual_seed(seed * 1_000_003 + place) for place in places
    ]
    while True:
        # Drawn in the order of the places of an example, whatever their order in memory.
        noise = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        for values, generator in zip(noise, generators, strict=True):
            values.normal_(0, standard_deviation, generator=generator)
        yield noise


@contextmanager
def _at_rest(model: nn.Module) -> Iterator[None]:
    # cuDNN's recurrent layers have no backward pass at rest; PyTorch's own have.
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    with at_rest(model), torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
        yield


def _known_method(name: str, options: Mapping[str, object]) -> Method:
    if name not in METHODS:
        raise _refused("method", repr(name), f"one of {', '.join(METHODS)}", "Mend the name.")
    parameters = inspect.signature(METHODS[name]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = sorted(set(options) - set(known))
    if unknown and not any_name:
        raise _refused(
            f"options of {name}",
            ", ".join(unknown),
            f"some of {', '.join(known)}" if known else "none",
            "Mend the names, or leave them out.",
        )
    return METHODS[name]


def _check(inputs: Tensor, of: str, temperature: float, points_at_once: int | None) -> None:
    check_positive("saliency maps", temperature=temperature)
    check_counts("saliency maps", points_at_once=1 if points_at_once is None else points_at_once)
    if of not in get_args(Differentiated):
        raise _refused("of", repr(of), "probability or log_odds", "Choose one of the two.")
    if not len(inputs) or not inputs.is_floating_point():
        raise _refused(
            "inputs",
            f"{len(inputs)} examples of {inputs.dtype}",
            "at least one example, of floating-point values",
            "Convert or complete them.",
        )
    check_finite("saliency maps", "inputs", inputs)


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("saliency maps", field, found=found, expected=expected, remedy=remedy)
