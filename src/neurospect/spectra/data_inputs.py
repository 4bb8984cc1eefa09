"""Data that enter a model again and again, and the spectra known of them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from neurospect.spectra.groups import SampleGroups


class DataInput:
    """Data that entered a layer, samples in group order.

    The input of a full-batch loop is the same tensor at every step, so it is sorted and decomposed
    once. Holding the tensor keeps its memory from being given to another, which makes the address
    a sound sign of identity; its version counter tells of changes in place.
    """

    def __init__(self, data: Tensor, groups: SampleGroups, rows: Tensor) -> None:
        self._data, self._version, self._groups = data, data._version, groups
        self.rows = rows

    def is_still(self, data: Tensor, groups: SampleGroups) -> bool:
        """Whether `data` and `groups` are those given."""
        return (
            groups is self._groups
            and data.data_ptr() == self._data.data_ptr()
            and data._version == self._version
            and data.shape == self._data.shape
            and data.stride() == self._data.stride()
        )


class KnownData:
    """The last data that entered each layer, and the singular values of their rows."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[str, int | None], DataInput] = {}
        self._spectra: dict[str, tuple[tuple[DataInput, ...], Tensor]] = {}

    def of_batch(self, weight: str, data: Tensor, groups: SampleGroups) -> DataInput:
        """Bring the data of a whole batch into group order, unless they were there before."""
        known = self._inputs.get((weight, None))
        if known is None or not known.is_still(data, groups):
            known = DataInput(data, groups, groups.sort(data))
            self._inputs[weight, None] = known
        return known

    def of_part(
        self, weight: str, part: int, data: Tensor, groups: SampleGroups
    ) -> DataInput | None:
        """Recognise the data of one group; None where they are a copy made for this step alone."""
        is_slice = data.untyped_storage().nbytes() > data.numel() * data.element_size()
        if not is_slice:
            return None
        known = self._inputs.get((weight, part))
        if known is None or not known.is_still(data, groups):
            known = self._inputs[weight, part] = DataInput(data, groups, data)
        return known

    def spectrum(
        self, weight: str, inputs: tuple[DataInput, ...], compute: Callable[[], Tensor]
    ) -> Tensor:
        """Singular values of these inputs: those of the step before where the inputs are, too."""
        known = self._spectra.get(weight)
        if known is None or known[0] != inputs:
            known = self._spectra[weight] = inputs, compute()
        return known[1]
