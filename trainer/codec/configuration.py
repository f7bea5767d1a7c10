"""Which codec a training or a separator uses, as people write it and as it is stored.

    codec: {kind: mdct, bins: 512}     a transform without weights (the default; `kind` may be left out)
    codec: {kind: pretrained}          the codec that the profile has: DAC-VAE

Either is a FrameLayout, known without loading anything, and can do three things more:

    cards(profile)     what provenance says of its weights, if it has any
    pinned(profile)    the same with the digest of the profile's weights, for what is stored
    build(profile)     the codec itself; raises UserError if its weights are missing, or others
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Tag

from trainer.codec.mdct import MdctConfig
from trainer.codec.pretrained import PretrainedCodecConfig


def _kind(written: Any) -> Any:
    """What stored separators lack where they are older than the choice: `mdct`."""
    return written.get("kind", "mdct") if isinstance(written, dict) else getattr(written, "kind", None)


CodecConfig: TypeAlias = Annotated[
    Annotated[MdctConfig, Tag("mdct")] | Annotated[PretrainedCodecConfig, Tag("pretrained")],
    Discriminator(_kind),
]
