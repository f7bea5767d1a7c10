"""What ImageBind hears of a waveform and sees of a video: clips of two seconds, as its authors prepare them.

A waveform is heard in three clips, a video seen in five, spread evenly from start to end; of each the first and the
last frame are taken, in three squares that cover the longer side. So does the reference. (The release of pytorchvideo
that the package installs spreads clips otherwise, and leaves out the end; ImageBind itself asks for a later state.)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dataengine.errors import UserError
from dataengine.models.roles import Frames, Matrix, Waveform

if TYPE_CHECKING:
    import torch

SAMPLE_RATE = 16_000
CLIP_SECONDS = 2.0
CLIP_SAMPLES = int(CLIP_SECONDS * SAMPLE_RATE)
LEAST_SAMPLES = SAMPLE_RATE // 40  # one frame of 25 ms: the mel spectrogram of less cannot be made
AUDIO_CLIPS, VIDEO_CLIPS = 3, 5
CROPS = 3
MELS, MEL_FRAMES = 128, 204
MEL_MEAN, MEL_DEVIATION = -4.268, 9.138
SIDE = 224
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def imagebind_package() -> Any:
    """The package. Raises UserError if one of the libraries that it imports is of another release than it needs.

    It imports, through pytorchvideo, a module that torchvision has merged into another one.
    """
    from torchvision.transforms import functional

    sys.modules.setdefault("torchvision.transforms.functional_tensor", functional)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it uses is going to be dropped
            import imagebind
    except ImportError as error:
        raise UserError(
            f"imagebind-unofficial cannot be imported: {error}; run: pip install 'dataengine[imagebind]'"
        ) from error
    return imagebind


def audio_clips(waveform: Waveform) -> Iterator[Matrix]:
    """Three clips [1, mels, frames] of a waveform at 16 kHz; of a shorter one than two seconds three times the same."""
    import torch

    spectrogram_of = imagebind_package().data.waveform2melspec
    for start in _starts(max(len(waveform) - CLIP_SAMPLES, 0), AUDIO_CLIPS):
        clip = waveform[int(start) : int(start) + CLIP_SAMPLES]
        samples = torch.zeros(1, max(len(clip), LEAST_SAMPLES))
        samples[0, : len(clip)] = torch.tensor(clip)  # a copy: the package subtracts the mean in place
        mels = spectrogram_of(samples, SAMPLE_RATE, MELS, MEL_FRAMES).numpy()
        yield (mels - MEL_MEAN) / MEL_DEVIATION


def video_clips(frames: Frames, mask: Frames | None, hop_seconds: float) -> Iterator[Matrix]:
    """Five clips of three squares [channels, 2, side, side] each; what the mask does not cover is black."""
    for start in _starts(max(len(frames) * hop_seconds - CLIP_SECONDS, 0.0), VIDEO_CLIPS):
        first = min(int(start / hop_seconds + 1e-6), len(frames) - 1)
        behind = int(np.ceil((start + CLIP_SECONDS) / hop_seconds - 1e-6))
        chosen = [first, max(first, min(behind, len(frames)) - 1)]
        pixels = frames[chosen] if mask is None else frames[chosen] * mask[chosen][..., None]
        yield from _squares(_scaled(pixels))


def _starts(latest: float, clips: int) -> list[float]:
    """From 0 to the latest, evenly."""
    return [latest * number / (clips - 1) for number in range(clips)]


def _scaled(pixels: Frames) -> torch.Tensor:
    """[channels, 2, height, width], normalised, the shorter side of `SIDE` pixels."""
    import torch

    images = torch.tensor(pixels).permute(0, 3, 1, 2) / 255.0
    height, width = images.shape[2:]
    size = (SIDE, int(width / height * SIDE)) if height <= width else (int(height / width * SIDE), SIDE)
    images = torch.nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (PIXEL_MEAN, PIXEL_DEVIATION))
    return ((images - mean) / deviation).transpose(0, 1)


def _squares(images: torch.Tensor) -> Iterator[Matrix]:
    """The beginning, the middle and the end of the longer side."""
    height, width = images.shape[2:]
    excess = max(height, width) - SIDE
    for offset in (0, -(-excess // 2), excess):
        square: Any = images[:, :, offset:, :] if height > width else images[:, :, :, offset:]
        yield square[:, :, :SIDE, :SIDE].numpy()
