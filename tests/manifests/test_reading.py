from __future__ import annotations

import os
import resource
import struct
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soxr
from media_files import sound, whole, write_container, write_sound

from manifests.media import MediaError, open_recording, probe, read_window
from manifests.media.errors import (
    CorruptMediaError,
    EmptyFileError,
    ImplausibleMediaError,
    NoAudioError,
    NonFiniteSamplesError,
    TruncatedMediaError,
    UnknownFormatError,
)
from manifests.media.source import WHOLE_FETCH_BYTES

SECONDS = 20
FORMATS = ["wav", "flac", "ogg", "mp3", "m4a", "mkv", "g722"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same 20 s in every format."""
    folder = tmp_path_factory.mktemp("recordings")
    stereo = sound(SECONDS, 44100, channels=2)
    files = {name: write_sound(folder / f"a.{name}", stereo, 44100) for name in ("wav", "flac", "ogg")}
    files["mp3"] = write_container(folder / "a.mp3", stereo, 44100, "libmp3lame")
    # Without its noise substitution, AAC decodes to the same samples wherever decoding begins.
    exact = {"aac_pns": "0"}
    files["m4a"] = write_container(folder / "a.m4a", stereo, 44100, "aac", options=exact)
    files["mkv"] = write_container(folder / "a.mkv", stereo, 44100, "aac", options=exact)
    files["g722"] = write_container(folder / "a.g722", sound(SECONDS, 16000), 16000, "g722")
    return files


@pytest.mark.parametrize("name", FORMATS)
def test_a_window_is_what_decoding_the_whole_file_gives_there(recordings: dict[str, Path], name: str) -> None:
    reference, rate = whole(recordings[name])
    for start, duration in [(0.0, 2.0), (0.3, 1.5), (7.123, 3.0), (17.5, 2.5)]:
        window = read_window(str(recordings[name]), start, duration, rate)
        first = round(start * rate)
        assert len(window) == round(duration * rate)
        np.testing.assert_allclose(window, reference[first : first + len(window)], atol=2e-7)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_resampled_window_is_a_part_of_the_resampled_whole(
    recordings: dict[str, Path], name: str, rate: int
) -> None:
    reference = soxr.resample(*whole(recordings[name]), rate, quality="HQ")
    for start in (0.0, 2.0, 11.5):
        window = read_window(str(recordings[name]), start, 3.0, rate)
        assert len(window) == 3 * rate
        np.testing.assert_allclose(window, reference[round(start * rate) :][: 3 * rate], atol=2e-6)


@pytest.mark.parametrize("name", FORMATS)
def test_a_window_does_not_depend_on_what_was_read_before(recordings: dict[str, Path], name: str) -> None:
    path = str(recordings[name])
    alone = {start: read_window(path, start, 2.0, 16000) for start in (12.0, 2.0, 14.0, 0.0, 12.0)}
    with open_recording(path) as recording:
        for start, expected in alone.items():
            np.testing.assert_array_equal(recording.read(start, 2.0, 16000), expected)


def test_facts_are_measured(recordings: dict[str, Path]) -> None:
    facts = {name: probe(str(path)) for name, path in recordings.items()}
    assert [facts[name].container for name in FORMATS] == [
        "wav",
        "flac",
        "ogg",
        "mp3",
        "mp4",
        "matroska",
        "g722",
    ]
    for name, info in facts.items():
        assert info.duration == pytest.approx(SECONDS, abs=0.024)  # Matroska keeps AAC's last frame whole
        assert (info.sample_rate, info.channels) == ((16000, 1) if name == "g722" else (44100, 2))
        assert info.bytes == recordings[name].stat().st_size
        assert not info.has_video


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = sound(1, 8000), sound(1, 8000, seed=1)
    path = write_sound(tmp_path / "a.wav", np.hstack([left, right]), 8000, "FLOAT")
    np.testing.assert_allclose(read_window(str(path), 0, 1, 8000), (left + right)[:, 0] / 2, atol=1e-7)


def test_moving_pictures_are_video_and_a_cover_is_not(tmp_path: Path) -> None:
    film = write_container(tmp_path / "film.mp4", sound(2, 44100), 44100, "aac", video=True)
    song = write_container(tmp_path / "song.mp3", sound(2, 44100), 44100, "libmp3lame", cover=True)
    assert probe(str(film)).has_video
    assert not probe(str(song)).has_video
    assert len(read_window(str(film), 0.5, 1.0, 16000)) == 16000


def test_the_end_is_padded_by_a_little_and_no_more(tmp_path: Path) -> None:
    samples = sound(2, 16000)
    path = str(write_sound(tmp_path / "a.wav", samples, 16000, "FLOAT"))
    window = read_window(path, 1.0, 1.04, 16000)
    np.testing.assert_array_equal(window[:16000], samples[16000:, 0])
    assert len(window) == 16640
    assert not window[16000:].any()
    with pytest.raises(TruncatedMediaError, match=r"ends 0\.100 s before"):
        read_window(path, 1.0, 1.1, 16000)
    with pytest.raises(TruncatedMediaError):
        read_window(path, 5.0, 1.0, 16000)


def test_the_length_is_rounded_once(tmp_path: Path) -> None:
    path = str(write_sound(tmp_path / "a.wav", sound(3, 44100), 44100))
    for duration in (0.123456, 1.0, 2.999999):
        assert len(read_window(path, 0.0, duration, 16000)) == round(duration * 16000)


def wav(
    data: bytes, *, rate: int = 16000, channels: int = 1, size: int | None = None, kind: int = 1
) -> bytes:
    """A WAV file of 16-bit (kind 1) or float (kind 3) samples whose header says what it is told to."""
    size = len(data) if size is None else size
    width = 2 if kind == 1 else 4
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, width * 8)
    head = b"RIFF" + struct.pack("<I", min(36 + size, 2**32 - 1)) + b"WAVEfmt " + struct.pack("<I", 16)
    return head + form + b"data" + struct.pack("<I", size) + data


PCM = (sound(3, 16000) * 32767).astype("<i2").tobytes()
NAN = np.r_[np.zeros(100), np.nan, np.zeros(31899)].astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.wav", b"", EmptyFileError),
        ("text.wav", b"this is no sound\n" * 500, UnknownFormatError),
        ("silent.wav", wav(b""), NoAudioError),
        ("rate.wav", wav(PCM, rate=2**31 - 1), ImplausibleMediaError),
        ("slow.wav", wav(PCM, rate=10), ImplausibleMediaError),
        ("channels.wav", wav(PCM, channels=300), ImplausibleMediaError),
        ("nan.wav", wav(NAN, kind=3), NonFiniteSamplesError),
    ],
)
def test_bad_media_is_named(tmp_path: Path, name: str, content: bytes, error: type[MediaError]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error):
        read_window(str(path), 0.0, 1.0, 16000)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    other = write_container(tmp_path / "other.ts", sound(2, 44100), 44100, "aac")
    playlist = tmp_path / "playlist.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnknownFormatError):
        probe(str(playlist))


def test_a_header_is_not_believed(tmp_path: Path) -> None:
    """A WAV still being written, one cut short, FLACs that claim too much or do not say."""
    flac = write_sound(tmp_path / "a.flac", sound(3, 16000), 16000).read_bytes()

    def announcing(frames: int) -> bytes:
        return (
            flac[:21]
            + bytes([flac[21] & 0xF0 | frames >> 32])
            + (frames % 2**32).to_bytes(4, "big")
            + flac[26:]
        )

    files = {
        "stream.wav": wav(PCM, size=2**32 - 1),
        "cut.wav": wav(PCM, size=10**9),
        "huge.flac": announcing(2**36 - 1),
        "more.flac": announcing(16000 * 60),
        "unknown.flac": announcing(0),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert probe(str(path)).duration == pytest.approx(3.0, abs=1e-3), name
        assert len(read_window(str(path), 0.0, 3.0, 16000)) == 48000


def test_damage_fails_the_windows_it_touches(recordings: dict[str, Path], tmp_path: Path) -> None:
    content = bytearray(recordings["m4a"].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = np.random.default_rng(0).bytes(5000)
    path = tmp_path / "damaged.m4a"
    path.write_bytes(content)
    with pytest.raises(CorruptMediaError):
        read_window(str(path), 8.0, 4.0, 44100)
    for start in (0.0, 15.0):
        np.testing.assert_array_equal(
            read_window(str(path), start, 4.0, 44100), read_window(str(recordings["m4a"]), start, 4.0, 44100)
        )


def test_a_film_without_sound_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoAudioError):
        probe(str(write_container(tmp_path / "mute.mp4", None, 0, "", video=True)))


def test_a_pipe_a_folder_and_nothing_are_no_recordings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ""):
        with pytest.raises(UnknownFormatError):
            probe(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        probe(str(tmp_path / "nothing.wav"))


def test_twelve_hours_cost_no_more_memory_than_a_window(tmp_path: Path) -> None:
    path, rate = tmp_path / "long.wav", 8000
    size = 12 * 3600 * rate * 2
    with path.open("wb") as file:
        file.write(wav(b"", rate=rate, size=size))
        file.truncate(44 + size - len(PCM))
        file.seek(0, 2)
        file.write(PCM)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert probe(str(path)).duration == 12 * 3600
    window = read_window(str(path), 12 * 3600 - len(PCM) / 2 / rate, 1.0, rate)
    np.testing.assert_allclose(window, np.frombuffer(PCM, "<i2")[:rate] / 2**15, atol=1e-7)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("name", ["flac", "m4a"])
@pytest.mark.parametrize("padding", [0, WHOLE_FETCH_BYTES], ids=["small", "large"])
def test_remote_recordings_read_like_local_ones(recordings: dict[str, Path], name: str, padding: int) -> None:
    uri = f"memory://bucket/a.{name}"
    with fsspec.open(uri, "wb") as file:
        file.write(recordings[name].read_bytes() + bytes(padding))
    np.testing.assert_array_equal(
        read_window(uri, 5.0, 2.0, 16000), read_window(str(recordings[name]), 5.0, 2.0, 16000)
    )


@pytest.mark.parametrize("name", ["wav", "flac", "ogg", "m4a", "mp3"])
def test_failing_storage_is_no_bad_media(
    recordings: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection drops in the middle of decoding: an OSError, not silence and not MediaError."""
    from fsspec.implementations.memory import MemoryFile

    uri = f"memory://bucket/b.{name}"
    with fsspec.open(uri, "wb") as file:
        file.write(recordings[name].read_bytes() + bytes(WHOLE_FETCH_BYTES))

    def lost(*_: object) -> bytes:
        raise RuntimeError("connection reset")

    with open_recording(uri) as recording:
        monkeypatch.setattr(MemoryFile, "read", lost)
        monkeypatch.setattr(MemoryFile, "readinto", lost, raising=False)
        with pytest.raises(OSError, match="connection reset"):
            recording.read(15.0, 2.0, 16000)


def test_windows_make_sense(recordings: dict[str, Path]) -> None:
    for start, duration in [(-1.0, 1.0), (0.0, 0.0), (0.0, -1.0)]:
        with pytest.raises(ValueError, match="a window from"):
            read_window(str(recordings["wav"]), start, duration, 16000)
