"""Audio and video files: what they are, windows of them as waveforms, and stems as FLAC."""

from manifests.media.errors import MediaError
from manifests.media.info import MediaInfo, Waveform
from manifests.media.recording import Recording, open_recording, probe, read_window
from manifests.media.stems import EncodedStems, decode_flac, encode_flac, encode_stems

__all__ = [
    "EncodedStems",
    "MediaError",
    "MediaInfo",
    "Recording",
    "Waveform",
    "decode_flac",
    "encode_flac",
    "encode_stems",
    "open_recording",
    "probe",
    "read_window",
]
