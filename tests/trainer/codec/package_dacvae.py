"""DAC-VAE laid out as in the reference's package, as far as its public code tells: another way to the same sound.

Layers are numbered, convolutions have normalised weights, and layers of the watermark stand between the codec's own.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

RATES, WIDTH, DECODER_WIDTH, CHANNELS = (2, 8, 10, 12), 2, 32, 128


def normalised(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


def convolution(before: int, after: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    padding = (kernel - stride) * dilation // 2
    return normalised(nn.Conv1d(before, after, kernel, stride, padding, dilation))


class Snake(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(1, channels, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.alpha * x).sin() ** 2 / self.alpha


class Nested(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Residual(Nested):
    def __init__(self, width: int, dilation: int) -> None:
        first = convolution(width, width, 7, dilation=dilation)
        super().__init__(Snake(width), first, Snake(width), convolution(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class UpwardBlock(nn.Module):
    """Of its twelve layers, six belong to the watermark."""

    OWN = (0, 1, 4, 5, 8)

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        upward = normalised(nn.ConvTranspose1d(before, after, 2 * stride, stride, stride // 2))
        layers = {0: Snake(before), 1: upward}
        layers |= {4: Residual(after, 1), 5: Residual(after, 3), 8: Residual(after, 9)}
        self.block = nn.ModuleList(layers.get(place, nn.Conv1d(1, 1, 1)) for place in range(12))

    def forward(self, x: Tensor) -> Tensor:
        for place in self.OWN:
            x = self.block[place](x)
        return x


class PackageDacVae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width, layers = WIDTH, [convolution(1, WIDTH, 7)]
        for rate in RATES:
            units = [Residual(width, dilation) for dilation in (1, 3, 9)]
            layers.append(Nested(*units, Snake(width), convolution(width, 2 * width, 2 * rate, rate)))
            width *= 2
        self.encoder = Nested(*layers, Snake(width), convolution(width, width, 3))
        self.quantizer = nn.Module()
        self.quantizer.in_proj = convolution(width, 2 * CHANNELS, 1)
        self.quantizer.out_proj = convolution(CHANNELS, width, 1)
        widths = [DECODER_WIDTH // 2**number for number in range(len(RATES) + 1)]
        ups = map(UpwardBlock, widths, widths[1:], reversed(RATES))
        self.decoder = nn.Module()
        self.decoder.model = nn.ModuleList([convolution(width, DECODER_WIDTH, 7), *ups])
        self.decoder.wm_model = nn.Module()
        self.decoder.wm_model.encoder_block = nn.Module()
        self.decoder.wm_model.encoder_block.pre = nn.Sequential(
            Snake(widths[-1]), convolution(widths[-1], 1, 7), nn.Tanh(), nn.Conv1d(1, 4, 7)
        )

    def mean(self, waveforms: Tensor) -> Tensor:
        """[batch, channels, frames]."""
        return self.quantizer.in_proj(self.encoder(waveforms[:, None])).chunk(2, dim=1)[0]

    def sound(self, latents: Tensor) -> Tensor:
        """[batch, samples], without a watermark."""
        x = self.quantizer.out_proj(latents)
        for layer in self.decoder.model:
            x = layer(x)
        return self.decoder.wm_model.encoder_block.pre[:3](x)[:, 0]
