"""A codec without weights: the modified discrete cosine transform, with signed power compression.

For a frame of 2N samples x, with N = hop = channels, k = 0 … N−1 and the sine window w:

    X[k] = √(2/N) · Σₙ w[n] · x[n] · cos(π/N · (n + ½ + N/2) · (k + ½)),    w[n] = sin(π/2N · (n + ½))

Frames overlap by half. The transform is orthogonal (Princen & Bradley 1986), so the way back is its
transpose, and noise in the latents is as strong as the noise it makes in the sound. A latent is

    z = sign(X) · (scale · |X|)^power

which lifts what is quiet: sound's coefficients have far heavier tails than the Gaussian noise that the
flow starts from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.models.roles import ModelCard


@dataclass(frozen=True)
class MdctConfig:
    """The size of the transform and the shape of its latents: a FrameLayout."""

    kind: Literal["mdct"] = "mdct"
    sample_rate: int = 16_000
    """Hz."""
    bins: int = 512
    """Coefficients in a frame, and samples from one frame to the next: 31.25 frames/s at 16 kHz."""
    power: float = 0.75
    """Exponent of the compression; 1 leaves the coefficients linear. 0.75 trained best in small studies."""
    scale: float = 36.0
    """What coefficients are multiplied by before they are compressed. The default gives latents a standard
    deviation of 1 for sound at an RMS level of −25 dBFS (measured on 400 clips of the catalogue: 33 for
    sounds to 37 for speech and music)."""

    @property
    def hop(self) -> int:
        """See FrameLayout."""
        return self.bins

    @property
    def channels(self) -> int:
        """See FrameLayout."""
        return self.bins

    def frames(self, samples: int) -> int:
        """See FrameLayout; one more than the hops, since both ends need two frames to be whole."""
        return -(-samples // self.hop) + 1

    def centres(self, frames: int) -> Tensor:
        """See FrameLayout; frame `i` covers the hop before and the hop after sample `i · hop`."""
        return torch.arange(frames) * (self.hop / self.sample_rate)

    def cards(self, profile: str) -> tuple[ModelCard, ...]:
        """See CodecConfig; there are no weights."""
        return ()

    def pinned(self, profile: str) -> MdctConfig:
        """See CodecConfig."""
        return self

    def build(self, profile: str) -> MdctCodec:
        """See CodecConfig; the profile does not matter."""
        return MdctCodec(self)


class MdctCodec(nn.Module):
    """A LinearCodec that loses nothing: decode(encode(x)) is x to float32 rounding, at any length."""

    def __init__(self, config: MdctConfig | None = None) -> None:
        super().__init__()
        self.layout = config or MdctConfig()
        bins = self.layout.bins
        n = torch.arange(2 * bins, dtype=torch.float64)
        k = torch.arange(bins, dtype=torch.float64)
        window = torch.sin(math.pi / (2 * bins) * (n + 0.5))
        # cos(a) is the real part of exp(−ia), and that product splits into one that depends on n, a Fourier
        # transform of 2N points, and one that depends on k.
        by_sample = torch.polar(window, -math.pi / (2 * bins) * n)
        by_bin = torch.polar(
            torch.full_like(k, math.sqrt(2 / bins)), -math.pi / bins * _shift(bins) * (k + 0.5)
        )
        self.register_buffer("by_sample", by_sample.to(torch.complex64), persistent=False)
        self.register_buffer("by_bin", by_bin.to(torch.complex64), persistent=False)
        self.by_sample: Tensor
        self.by_bin: Tensor

    def encode(self, waveforms: Tensor) -> Tensor:
        """See Codec."""
        samples = waveforms.shape[-1]
        hop = self.layout.hop
        end = self.layout.frames(samples) * hop
        padded = functional.pad(waveforms.float(), (hop, end - samples))
        overlapping = padded.unfold(-1, 2 * hop, hop)  # [batch, frames, 2 · hop]
        spectrum = torch.fft.fft(overlapping * self.by_sample)[..., :hop]
        return self.latents((spectrum * self.by_bin).real)

    def decode(self, latents: Tensor, samples: int) -> Tensor:
        """See Codec."""
        hop = self.layout.hop
        spectrum = self.coefficients(latents.float()) * self.by_bin.conj()
        overlapping = torch.fft.ifft(spectrum, 2 * hop, norm="forward") * self.by_sample.conj()
        first, second = overlapping.real.chunk(2, dim=-1)
        added = functional.pad(first, (0, 0, 0, 1)) + functional.pad(second, (0, 0, 1, 0))
        return added.flatten(-2)[..., hop : hop + samples]

    def coefficients(self, latents: Tensor) -> Tensor:
        """See LinearCodec."""
        return latents.sign() * latents.abs() ** (1 / self.layout.power) / self.layout.scale

    def latents(self, coefficients: Tensor) -> Tensor:
        """See LinearCodec."""
        return coefficients.sign() * (self.layout.scale * coefficients.abs()) ** self.layout.power


def _shift(bins: int) -> float:
    """The phase n₀ = ½ + N/2 at which the aliases of neighbouring frames cancel."""
    return 0.5 + bins / 2
