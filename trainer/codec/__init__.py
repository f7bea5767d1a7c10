"""The codec role: waveforms to the latents that the flow moves in, and back."""

from trainer.codec.configuration import CodecConfig
from trainer.codec.mdct import MdctCodec, MdctConfig
from trainer.codec.role import Codec, FrameLayout, LinearCodec

__all__ = ["Codec", "CodecConfig", "FrameLayout", "LinearCodec", "MdctCodec", "MdctConfig"]
