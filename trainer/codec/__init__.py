"""The codec role: waveforms to the latents that the flow moves in, and back."""

from trainer.codec.mdct import MdctCodec, MdctConfig
from trainer.codec.role import Codec, LinearCodec

__all__ = ["Codec", "LinearCodec", "MdctCodec", "MdctConfig"]
