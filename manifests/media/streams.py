"""Containers as libav opens them, and the clocks of their streams.

The first sample of the audio stream is time zero, whatever the container's clock says there; the pictures keep to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import floor
from typing import Any

from manifests.media.errors import NoAudioError, UnknownFormatError
from manifests.media.source import Source

DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,caf,dsf,dts,eac3,flac,flv,g722,gsm,iff,loas,matroska,webm,mov,"
    "mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,rm,smk,swf,truehd,tta,voc,w64,wav,wv,xwma"
)
"""The containers that are opened. Playlists and scripts, which name other files, are not among them."""


def open_container(source: Source) -> Any:
    """The container in a source, at its first packet. Raises UnknownFormatError."""
    import av

    source.seek(0)
    try:
        return av.open(
            source,
            metadata_errors="ignore",
            options={"format_whitelist": DEMUXERS, "protocol_whitelist": ""},
        )
    except av.FFmpegError as error:
        raise UnknownFormatError(f"no decoder recognises the content ({error.strerror})") from error


def audio_stream(container: Any) -> Any:
    """The stream that is heard. Raises NoAudioError or UnknownFormatError."""
    stream = container.streams.best("audio")
    if stream is None:
        raise NoAudioError("the file has no audio stream")
    if stream.codec_context is None:
        raise UnknownFormatError("no decoder for the codec of the audio")
    return stream


def video_stream(container: Any) -> Any | None:
    """The first stream of moving pictures, or None; a cover picture does not count."""
    from av.stream import Disposition

    moving = (each for each in container.streams.video if not each.disposition & Disposition.attached_pic)
    return next(moving, None)


def seek(container: Any, stream: Any, seconds: float, audio: Any) -> None:
    """Move to a packet of a stream at or before a time."""
    zero = (audio.start_time or 0) * audio.time_base
    time = zero + Fraction(max(seconds, 0.0)).limit_denominator(1_000_000)
    container.seek(floor(time / stream.time_base), stream=stream, backward=True, any_frame=False)


def seconds_of(stamp: int, time_base: Fraction, audio: Any) -> float:
    """The time that a stamp of any stream means, in seconds from the audio's first sample."""
    return stamp * float(time_base) - (audio.start_time or 0) * float(audio.time_base)


def decoded(container: Any, stream: Any, audio: Any, needed_from: float) -> Iterator[Any]:
    """Decoded frames of a stream; damage in a packet that ends before `needed_from` seconds does not matter."""
    import av

    for packet in container.demux(stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            if (
                packet.pts is None
                or seconds_of(packet.pts + (packet.duration or 0), packet.time_base, audio) > needed_from
            ):
                raise
            continue
        yield from frames
