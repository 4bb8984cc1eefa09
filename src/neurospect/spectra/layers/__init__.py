"""Layer types whose weights the recorder knows: one small file each.

The gradient of any other weight of two or more dimensions is recorded group by group all the same:
as one matrix, (first dimension, all others).
"""

from __future__ import annotations

from torch import nn

from neurospect.models.volume_convolution import VolumeConvolution
from neurospect.spectra.layers.attention import ATTENTION
from neurospect.spectra.layers.convolution import CONVOLUTION, TRANSPOSED_CONVOLUTION
from neurospect.spectra.layers.layer import Layer
from neurospect.spectra.layers.linear import LINEAR
from neurospect.spectra.layers.recurrent import RECURRENT, RECURRENT_CELL

OTHER = Layer()
ELEMENTWISE = Layer(why_no_matrix="it scales element by element, which is no matrix product")

LAYERS: dict[type[nn.Module], Layer] = {
    nn.Linear: LINEAR,
    nn.Conv1d: CONVOLUTION,
    nn.Conv2d: CONVOLUTION,
    nn.Conv3d: CONVOLUTION,
    VolumeConvolution: CONVOLUTION,
    nn.ConvTranspose1d: TRANSPOSED_CONVOLUTION,
    nn.ConvTranspose2d: TRANSPOSED_CONVOLUTION,
    nn.ConvTranspose3d: TRANSPOSED_CONVOLUTION,
    nn.RNN: RECURRENT,
    nn.LSTM: RECURRENT,
    nn.GRU: RECURRENT,
    nn.RNNCell: RECURRENT_CELL,
    nn.LSTMCell: RECURRENT_CELL,
    nn.GRUCell: RECURRENT_CELL,
    nn.MultiheadAttention: ATTENTION,
    nn.LayerNorm: ELEMENTWISE,
    nn.RMSNorm: ELEMENTWISE,
}
