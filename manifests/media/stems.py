"""FLAC in memory: one waveform, or the three stems of a sample under one gain."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from manifests.media.errors import CorruptMediaError, check_plausible
from manifests.media.info import Waveform

Steps: TypeAlias = "np.ndarray[Any, np.dtype[np.int32]]"

BITS = 24
FULL_SCALE = 2 ** (BITS - 1)
LIMIT = 1 - 4 / FULL_SCALE
"""Highest peak that is stored; the residual, a difference of rounded values, may lie a step beyond."""
SUM_TOLERANCE = 1e-5
"""−100 dBFS: how far target + residual may be from the mixture, relative to the largest peak."""
COMPRESSION = 0.5
"""0..1, as libsndfile counts; less is no faster, more saves nothing."""


@dataclass(frozen=True)
class EncodedStems:
    """A sample's audio as FLAC files; decoded and divided by `gain` it is what it was."""

    mixture: bytes
    target: bytes | None
    residual: bytes | None
    gain: float
    """The factor, 0..1, that all stems were multiplied by so that none clips."""

    def members(self) -> list[tuple[str, bytes]]:
        """The files of a sample in a tar: what follows its key in the name, and the content."""
        stems = (("mix.flac", self.mixture), ("target.flac", self.target), ("residual.flac", self.residual))
        return [(name, data) for name, data in stems if data is not None]


def encode_flac(waveform: Waveform, sample_rate: int) -> bytes:
    """A mono waveform as a 24-bit FLAC file. Raises ValueError if it clips, is empty or is not finite."""
    if (peak := _peak(waveform)) > 1.0:
        raise ValueError(f"the waveform peaks at {peak:.3f}; FLAC holds no more than 1")
    return _encode(np.clip(_steps(waveform, 1.0), -FULL_SCALE, FULL_SCALE - 1), sample_rate)


def decode_flac(data: bytes) -> tuple[Waveform, int]:
    """The mono waveform of a FLAC file and its sample rate in Hz; every 24-bit value is exact in float32.

    Raises CorruptMediaError or ImplausibleMediaError.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            check_plausible(file.samplerate, file.channels)
            samples: np.ndarray[Any, np.dtype[np.float32]] = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except soundfile.SoundFileError as error:
        raise CorruptMediaError(f"not a sound FLAC file: {error}") from error
    return samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0], rate


def encode_stems(
    mixture: Waveform, target: Waveform | None = None, residual: Waveform | None = None, *, sample_rate: int
) -> EncodedStems:
    """The stems of a sample as 24-bit FLAC under one common gain; none clips.

    Mixture and target are rounded to 24 bits and the residual is their difference in integers, so the
    decoded stems sum up exactly. Without target and residual only the mixture is encoded. Raises
    ValueError if stems are empty, not finite, not of one length, or if target + residual is further
    than −100 dBFS from the mixture: no sum can then be promised.
    """
    if target is None or residual is None:
        gain = min(1.0, LIMIT / max(_peak(mixture), LIMIT))
        return EncodedStems(_encode(_steps(mixture, gain), sample_rate), None, None, gain)
    if not len(mixture) == len(target) == len(residual):
        raise ValueError(f"stems of {len(mixture)}, {len(target)} and {len(residual)} samples")
    peak = max(_peak(mixture), _peak(target), _peak(residual))
    deviation = float(np.abs(mixture.astype(np.float64) - target - residual).max())
    if deviation > SUM_TOLERANCE * max(1.0, peak):
        raise ValueError(f"target + residual is {deviation:.2g} away from the mixture, more than −100 dBFS")
    # The true difference may exceed the given residual's peak by the deviation.
    gain = min(1.0, LIMIT / max(peak + deviation, LIMIT))
    mixed, wanted = _steps(mixture, gain), _steps(target, gain)
    return EncodedStems(
        mixture=_encode(mixed, sample_rate),
        target=_encode(wanted, sample_rate),
        residual=_encode(mixed - wanted, sample_rate),
        gain=gain,
    )


def _steps(waveform: Waveform, gain: float) -> Steps:
    """The waveform in whole steps of 24 bits."""
    steps: Steps = np.rint(waveform.astype(np.float64) * (gain * FULL_SCALE)).astype(np.int32)
    return steps


def _peak(waveform: Waveform) -> float:
    if not len(waveform):
        raise ValueError("an empty waveform")
    peak = float(np.abs(waveform).max())
    if not np.isfinite(peak):
        raise ValueError("the waveform has samples that are NaN or infinite")
    return peak


def _encode(steps: Steps, sample_rate: int) -> bytes:
    """Whole 24-bit steps as FLAC; libsndfile takes the upper 24 of 32 bits."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(
        buffer, steps << (32 - BITS), sample_rate, "PCM_24", format="FLAC", compression_level=COMPRESSION
    )
    return buffer.getvalue()
