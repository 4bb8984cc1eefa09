"""Tensors of every kind become arrays, and are told apart by what they hold."""

import numpy as np
import pytest
import torch

from neurospect.arrays.tensors import as_array, tensors_sha256


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
def test_a_tensor_becomes_an_array_of_its_values(dtype):
    values = torch.tensor([[0.0, 1.0], [3.0, -2.0]]).to(dtype)
    assert as_array(values).tolist() == values.tolist()


def test_a_tensor_that_requires_a_gradient_becomes_one_too():
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    assert as_array(values * 2).tolist() == [2, 4]
    assert values.requires_grad


def test_nothing_is_copied_that_need_not_be():
    array, tensor = np.arange(3.0), torch.arange(3.0)
    assert as_array(array) is array
    assert np.shares_memory(as_array(tensor), tensor.numpy())


def test_equal_tensors_have_equal_digests_however_they_lie_in_memory():
    values = torch.arange(12.0).view(3, 4)
    expanded = torch.arange(4.0).expand(3, 4)
    assert tensors_sha256(values) == tensors_sha256(values.T.contiguous().T)
    assert tensors_sha256(expanded) == tensors_sha256(expanded.clone())


def test_value_shape_type_and_order_all_count():
    one, other = torch.zeros(2, 3), torch.ones(2, 3)
    all_zero = [one, one.view(3, 2), one.view(6), one.double(), one.bfloat16(), one.half()]
    assert len({tensors_sha256(tensor) for tensor in [*all_zero, other]}) == 7
    assert tensors_sha256(one, other) != tensors_sha256(other, one)
    assert tensors_sha256(one, one) != tensors_sha256(one)
