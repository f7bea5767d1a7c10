"""DAC-VAE, the reference's codec: DAC (Kumar et al. 2023) with a Gaussian bottleneck in the place of its quantiser.

Encoder and decoder are those of transformers' `DacModel`: convolutions with residual units and Snake activations that
go down by 2 · 8 · 10 · 12 = 1920 samples and up again. Between them a convolution of width one gives mean and scale of
each latent's posterior, and another leads back:

    z = mean(E(x)),    (mean, scale) = W_in · E(x),    x̂ = D(W_out · z)

As in the reference the mean is used, not a sample, and latents are not normalised. Its decoder also adds a watermark of
a random message, a quarter of another network's output; that network is left out here, so the same latents always give
the same sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainer.codec.pretrained import PretrainedCodecConfig

if TYPE_CHECKING:
    from transformers import DacConfig

ROWS_PER_CALL = 4
"""Waveforms that go through the network together: half a minute of one takes some gigabytes at the published size."""


class DacVae(nn.Module):
    """A Codec. It is not linear: stems that are decoded add up to their mixture only as well as it codes them."""

    def __init__(self, config: DacConfig) -> None:
        """`config.codebook_dim` is the number of channels, as in the encoder of transformers' `PeAudioModel`.

        All of `config.downsampling_ratios` must be even: DAC's decoder gives fewer samples for odd ones.
        """
        super().__init__()
        from transformers.models.dac.modeling_dac import DacDecoder, DacEncoder

        self.layout = PretrainedCodecConfig(
            sample_rate=config.sampling_rate, hop=config.hop_length, channels=config.codebook_dim
        )
        self.encoder = DacEncoder(config)
        self.bottleneck = GaussianBottleneck(config.hidden_size, config.codebook_dim)
        self.decoder = DacDecoder(config)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def encode(self, waveforms: Tensor) -> Tensor:
        """See Codec; a waveform is mirrored at its end until it fills the last frame."""
        filled = mirrored(waveforms.float(), self.layout.frames(waveforms.shape[-1]) * self.layout.hop)
        some = torch.split(filled[:, None], ROWS_PER_CALL)
        return torch.cat([self.bottleneck.mean(self.encoder(each)) for each in some]).mT

    @torch.no_grad()
    def decode(self, latents: Tensor, samples: int) -> Tensor:
        """See Codec."""
        some = torch.split(latents.float().mT, ROWS_PER_CALL)
        return torch.cat([self.decoder(self.bottleneck.out_proj(each)) for each in some])[:, 0, :samples]


class GaussianBottleneck(nn.Module):
    """From the encoder's states to the latents' posterior, and from latents back to the decoder's states."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.in_proj = nn.Conv1d(width, 2 * channels, kernel_size=1)
        self.out_proj = nn.Conv1d(channels, width, kernel_size=1)

    def mean(self, states: Tensor) -> Tensor:
        """[batch, channels, frames] of states [batch, width, frames]; the scale is not looked at."""
        mean: Tensor = self.in_proj(states).chunk(2, dim=1)[0]
        return mean


def mirrored(waveforms: Tensor, samples: int) -> Tensor:
    """Waveforms [batch, n] continued to `samples` as if there were mirrors at their ends; any n from 1."""
    period = max(2 * (waveforms.shape[-1] - 1), 1)
    places = torch.arange(samples, device=waveforms.device) % period
    return waveforms[:, torch.minimum(places, period - places)]
