"""Convolutions over grids, the networks made of them, and all-convolutional networks."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate
from torch import nn

from neurospect.errors import BadInputError
from neurospect.models.all_convolutional import all_convolutional
from neurospect.models.cnn import cnn
from neurospect.models.convolutions import Convolution
from neurospect.models.volume_convolution import VolumeConvolution


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def grids(least=1, most=9):
    return st.lists(st.integers(least, most), min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=60)
@given(grids(), st.integers(1, 6), st.integers(1, 4))
def test_a_convolution_fits_when_all_its_weights_meet_the_input(grid, kernel, stride):
    convolution = Convolution(1, 1, grid, kernel, stride)
    try:
        layer = convolution.layer()
        outputs = layer(torch.ones(1, 1, *grid))
    except RuntimeError:  # the kernel is larger than the padded grid
        assert not convolution.fits
        return
    assert tuple(outputs.shape[2:]) == convolution.grid_left
    outputs.sum().backward()
    assert bool((layer.weight.grad != 0).all()) == convolution.fits


@settings(deadline=None, max_examples=60)
@given(grids(3), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_the_mirror_gives_back_exactly_the_grid_that_was_read(grid, kernel, stride, normalised):
    convolution = Convolution(2, 3, grid, kernel, stride)
    if not convolution.fits:
        return
    left = convolution.layer(weight_normalisation=normalised)(torch.zeros(4, 2, *grid))
    mirrored = convolution.mirrored_layer(weight_normalisation=normalised)
    assert mirrored(left).shape == (4, 2, *grid)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(*[st.integers(3, 8)] * 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
def test_gradients_of_a_volume_convolution_are_those_of_pytorch(
    grid, kernel, stride, biased, trained
):
    own = VolumeConvolution(1, 5, kernel, stride, (kernel - 1) // 2, bias=biased).double()
    own.requires_grad_(trained)
    theirs = nn.Conv3d(1, 5, kernel, stride, (kernel - 1) // 2, bias=biased).double()
    theirs.load_state_dict(own.state_dict())
    volumes = noise(3, 1, *grid).requires_grad_()
    outputs = own(volumes)
    assert outputs.grad_fn.name() == "_OneChannelConvolutionBackward"
    assert torch.equal(outputs, theirs(volumes))
    gradient = noise(*outputs.shape)
    found = torch.autograd.grad(outputs, volumes, gradient, retain_graph=True)
    expected = torch.autograd.grad(theirs(volumes), volumes, gradient)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    if trained:
        found = torch.autograd.grad(outputs, list(own.parameters()), gradient)
        expected = torch.autograd.grad(theirs(volumes), list(theirs.parameters()), gradient)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"dilation": 2}, {"padding": "same"}, {"padding": 1, "padding_mode": "circular"}],
)
def test_other_volume_convolutions_are_pytorch_s(options):
    own = VolumeConvolution(1, 2, 3, **options).double()
    theirs = nn.Conv3d(1, 2, 3, **options).double()
    theirs.load_state_dict(own.state_dict())
    volumes = noise(2, 1, 6, 7, 8).requires_grad_()
    outputs, expected = own(volumes), theirs(volumes)
    assert torch.equal(outputs, expected)
    (found,) = torch.autograd.grad(outputs.square().sum(), volumes)
    assert torch.equal(found, torch.autograd.grad(expected.square().sum(), volumes)[0])


def test_a_volume_convolution_can_be_differentiated_twice():
    layer = VolumeConvolution(1, 2, 3, padding=1).double()
    volumes = noise(1, 1, 3, 3, 4).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda values: layer(values).tanh(), volumes, atol=1e-6, rtol=1e-4
    )


def test_networks_on_volumes_can_be_transformed_by_torch_func():
    model = cnn(3, "classification", (5, 6, 7), 3, widths=[4]).double()
    volumes = noise(2, 5, 6, 7).requires_grad_()
    expected = torch.stack(
        [torch.autograd.grad(model(volumes)[:, k].sum(), volumes)[0] for k in range(3)], dim=1
    )
    found = torch.func.vmap(torch.func.jacrev(lambda volume: model(volume[None])[0]))(volumes)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 4])
def test_features_of_a_time_course_are_the_channels(kernel):
    model = cnn(
        1, "classification", (11, 4), 3, widths=[5], activation="identity", kernel=kernel, stride=1
    ).double()
    weight, bias = (p.detach().numpy() for p in model.encoder.parameters())
    sample = np.pad(noise(11, 4).numpy(), [((kernel - 1) // 2,) * 2, (0, 0)])
    filtered = [
        correlate(sample, weight[unit].T, mode="valid")[:, 0] + bias[unit] for unit in range(5)
    ]
    readout, offset = (p.detach().numpy() for p in model.readout.parameters())
    expected = readout @ np.mean(filtered, axis=1) + offset
    np.testing.assert_allclose(model(noise(1, 11, 4))[0].detach(), expected, rtol=1e-10)


def test_a_volume_without_channels_has_one():
    plain = cnn(3, "autoencoding", (5, 6, 7), 2, widths=[4, 3]).double()
    with_channel = cnn(3, "autoencoding", (1, 5, 6, 7), 2, widths=[4, 3]).double()
    with_channel.load_state_dict(plain.state_dict())
    volumes = noise(2, 5, 6, 7)
    assert torch.equal(plain(volumes), with_channel(volumes[:, None])[:, 0])


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_an_autoencoder_mirrors_its_filters(dimensions):
    model = cnn(dimensions, "autoencoding", (12,) * dimensions, 2, widths=[4, 6, 3], stride=1)
    channels = [
        (layer.in_channels, layer.out_channels)
        for layer in model.modules()
        if hasattr(layer, "in_channels")
    ]
    assert channels == [(1, 4), (4, 6), (6, 3), (3, 6), (6, 4), (4, 1)]
    assert not isinstance(model.decoder[-1], nn.ReLU)


def test_the_decoding_network_flattens_a_volume_to_768_features():
    """Five convolutions of stride 1 with average pooling, on 91 × 109 × 91 voxels."""
    with torch.device("meta"):
        model = cnn(
            3, "classification", (91, 109, 91), 7, widths=[32, 32, 64, 64, 64], stride=1,
            pooling=2, weight_normalisation=True,
        )  # fmt: skip
    assert model.readout.in_features == 768
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv3d)]
    assert [tuple(w.shape[:2]) for w in weights] == [
        (32, 1),
        (32, 32),
        (64, 32),
        (64, 64),
        (64, 64),
    ]


def test_pooling_averages_and_drops_what_is_left_over():
    model = cnn(
        2, "classification", (5, 4), 2, widths=[3], activation="identity", stride=1, pooling=2
    ).double()
    maps = model.encoder[0](noise(1, 1, 5, 4))
    expected = maps[..., :4, :].reshape(1, 3, 2, 2, 2, 2).mean((3, 5))
    torch.testing.assert_close(model.encoder(noise(1, 1, 5, 4)), expected)


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
@pytest.mark.parametrize("widths", [[4], [4, 5]])
def test_a_network_that_is_not_refused_reads_every_value(task, widths):
    found = {"refused": 0, "read": 0}
    for kernel, stride, size in product(range(1, 6), range(1, 6), range(5, 14)):
        layers = {"widths": widths, "kernel": kernel, "stride": stride}
        try:
            model = cnn(1, task, (size,), 2, activation="identity", **layers).double()
        except BadInputError:
            found["refused"] += 1
            continue
        found["read"] += 1
        inputs = noise(1, size).requires_grad_()
        model(inputs).square().sum().backward()
        assert (inputs.grad != 0).all(), layers
    assert min(found.values()) > 20


def test_a_far_side_that_no_step_reaches_is_refused_though_the_kernel_fits():
    """By autograd on PyTorch's own layer, the last row and column have no gradient."""
    images = noise(1, 1, 5, 5).requires_grad_()
    nn.Conv2d(1, 3, 2, 2).double()(images).square().sum().backward()
    unread = images.grad[0, 0] == 0
    assert unread[-1].all() and unread[:, -1].all() and not unread[:-1, :-1].any()
    words = r"stride: found 2 with kernel 2, where convolution 1 reads \(5, 5\), expected a stride"
    with pytest.raises(BadInputError, match=words):
        cnn(2, "classification", (5, 5), 2, kernel=2, stride=2)
    with pytest.raises(BadInputError, match=r"where convolution 2 reads \(3, 4\)"):
        cnn(2, "classification", (6, 8), 2, widths=[3, 3], kernel=2, stride=2)


def test_weight_normalisation_parts_length_and_direction_and_changes_no_output():
    plain, normalised = (
        build_with_seed(weight_normalisation=weight_normalisation)
        for weight_normalisation in (False, True)
    )
    volumes = noise(2, 6, 6, 6)
    torch.testing.assert_close(plain(volumes), normalised(volumes))
    weight = normalised.encoder[0].parametrizations.weight
    lengths = plain.encoder[0].weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(weight.original0.flatten(), lengths)
    with torch.no_grad():
        weight.original1 *= 3
    torch.testing.assert_close(plain(volumes), normalised(volumes))


def build_with_seed(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cnn(3, "classification", (6, 6, 6), 2, widths=[4], **options).double()


def test_the_all_convolutional_network_is_that_of_its_table():
    with torch.device("meta"):
        model = all_convolutional(2, "classification", (3, 32, 32), 10)
    found = [
        (layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    stages = [[(n, 3, 1), (n, 3, 1), (n, 3, 2)] for n in (96, 192)]
    assert found == [*stages[0], *stages[1], (192, 1, 1)]
    dense = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert dense == [512, 512, 512, 10]
    assert sum(isinstance(layer, nn.ELU) for layer in model.modules()) == 10


def test_the_all_convolutional_network_reads_the_mean_over_the_grid():
    model = all_convolutional(2, "classification", (5, 6), 3, widths=[4], dense=[5]).double()
    maps = model.encoder(noise(2, 1, 5, 6))
    assert maps.shape == (2, 4, 3, 3)
    torch.testing.assert_close(model(noise(2, 5, 6)), model.dense(maps.mean((2, 3))))
