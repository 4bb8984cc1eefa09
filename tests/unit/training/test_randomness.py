"""The seed of a training reaches its own device, whichever is the current one, and no other."""

import pytest
import torch

from neurospect.training.randomness import own_randomness

DEVICES = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def states():
    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]


@pytest.mark.parametrize("name", DEVICES)
def test_the_seed_alone_decides_what_a_device_draws_and_all_states_are_given_back(name):
    device, drawn, before = torch.device(name), [], states()
    for seed in (4, 4, 5):
        with own_randomness(device, seed):
            drawn.append(torch.rand(3, device=device))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(states(), before, strict=True))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_the_current_device_is_not_seeded_in_place_of_the_training_s():
    with own_randomness(torch.device("cuda:1"), 4):
        assert torch.cuda.default_generators[1].initial_seed() == 4
        assert torch.cuda.default_generators[0].initial_seed() != 4
