"""What can be wrong with a media file.

A `MediaError` says that the bytes are bad: reading them again will not help. Trouble with the storage
that holds them (not found, no permission, time-out, connection lost) stays an `OSError`, so that
whoever reads knows what is worth another try.
"""

from __future__ import annotations

MAX_CHANNELS = 64
"""Seventh-order ambisonics; more is a damaged or hostile header."""
SAMPLE_RATES = (1_000, 768_000)
"""Lowest and highest sample rate that is believed, in Hz."""
MAX_RECORDING_SECONDS = 7 * 86_400.0
"""A recording that claims to be longer than a week is not believed."""


class MediaError(ValueError):
    """The recording is bad; the class says in which way."""


class EmptyFileError(MediaError):
    """The file has no bytes."""


class UnknownFormatError(MediaError):
    """No decoder recognises the content."""


class NoAudioError(MediaError):
    """The file is sound but holds no audio."""


class ImplausibleMediaError(MediaError):
    """The header claims a number of channels, a sample rate or a length that is not believed."""


class CorruptMediaError(MediaError):
    """The content cannot be decoded."""


class TruncatedMediaError(MediaError):
    """The recording ends before the window does."""


class NonFiniteSamplesError(MediaError):
    """Samples are NaN or infinite."""


def check_plausible(sample_rate: int, channels: int) -> None:
    """Raise ImplausibleMediaError for a rate or a number of channels that no recording has."""
    low, high = SAMPLE_RATES
    if not low <= sample_rate <= high:
        raise ImplausibleMediaError(f"sample rate of {sample_rate} Hz; believed are {low} to {high} Hz")
    if not 1 <= channels <= MAX_CHANNELS:
        raise ImplausibleMediaError(f"{channels} channels; believed are 1 to {MAX_CHANNELS}")


def check_length(seconds: float) -> None:
    """Raise ImplausibleMediaError for a recording longer than `MAX_RECORDING_SECONDS`."""
    if seconds > MAX_RECORDING_SECONDS:
        raise ImplausibleMediaError(
            f"{seconds / 3600:.0f} hours long; believed are {MAX_RECORDING_SECONDS / 3600:.0f}"
        )
