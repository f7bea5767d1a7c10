"""What every codec can do.

A waveform is mono float32, full scale at ±1. Latents are one vector a *frame*; frame `i` stands for the
`hop` samples around its centre. Latents of everyday sound have a standard deviation of about 1, the
noise's from which the flow starts.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


class FrameLayout(Protocol):
    """How a codec divides a waveform into frames: all that is known of it without its weights."""

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        ...

    @property
    def hop(self) -> int:
        """Samples from one frame to the next: there are `sample_rate / hop` frames a second."""
        ...

    @property
    def channels(self) -> int:
        """Numbers in a frame."""
        ...

    def frames(self, samples: int) -> int:
        """The frames that a waveform of so many samples has; at least one."""
        ...

    def centres(self, frames: int) -> Tensor:
        """[frames], the time that each frame stands for, in seconds from the start of the waveform."""
        ...


class Codec(Protocol):
    """Turns waveforms into latents and back. A codec that has weights is frozen: no gradient goes through it."""

    @property
    def layout(self) -> FrameLayout:
        """Its frames."""
        ...

    def to(self, device: Any) -> Codec:
        """Itself, on another device; waveforms and latents are given there."""
        ...

    def encode(self, waveforms: Tensor) -> Tensor:
        """Latents [batch, frames, channels] of waveforms [batch, samples]."""
        ...

    def decode(self, latents: Tensor, samples: int) -> Tensor:
        """Waveforms [batch, samples] of latents [batch, frames, channels]."""
        ...


@runtime_checkable
class LinearCodec(Codec, Protocol):
    """A codec whose latents are coefficients of a linear transform, each mapped by one invertible function.

    Sounds that add up have coefficients that add up, so with such a codec target + residual = mixture can
    be made to hold exactly (`trainer.consistency`).
    """

    def coefficients(self, latents: Tensor) -> Tensor:
        """What the latents stand for, of the same shape; linear in the waveform."""
        ...

    def latents(self, coefficients: Tensor) -> Tensor:
        """The inverse of `coefficients`."""
        ...
