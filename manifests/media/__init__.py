"""Audio and video files: what they are, windows of them as waveforms and frames, and stems as FLAC."""

from manifests.media.errors import MediaError
from manifests.media.info import MediaInfo, Waveform
from manifests.media.recording import Recording, open_recording, probe, read_window
from manifests.media.stems import EncodedStems, decode_flac, encode_flac, encode_stems
from manifests.media.video import Frames, Video, open_video, read_frames

__all__ = [
    "EncodedStems",
    "Frames",
    "MediaError",
    "MediaInfo",
    "Recording",
    "Video",
    "Waveform",
    "decode_flac",
    "encode_flac",
    "encode_stems",
    "open_recording",
    "open_video",
    "probe",
    "read_frames",
    "read_window",
]
