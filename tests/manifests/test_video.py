"""Frames of a window: the right pictures at the right times, upright, whatever the container."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import fsspec
import numpy as np
import pytest
from media_files import sound, write_container, write_film, write_sound

from manifests.media import MediaError, open_video, read_frames, read_window
from manifests.media import video as video_module
from manifests.media.errors import ImplausibleMediaError, NoAudioError

RATE = 48_000
SECONDS = 6
RED, GREEN, BLUE = (200, 30, 30), (30, 180, 30), (30, 30, 220)
FORMATS = {
    "mp4": ("libx264", "aac"),
    "mov": ("mpeg4", "aac"),
    "webm": ("libvpx-vp9", "libopus"),
    "mkv": ("libx264", "libopus"),
    "ts": ("libx264", "mp2"),
}


def plain(colour: tuple[int, int, int], height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def colours_of(frames: np.ndarray) -> list[str]:
    """The colour in the middle of each frame."""
    middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].astype(int)
    return ["rgb"[int(np.argmin(np.abs(np.array([RED, GREEN, BLUE]) - each).sum(axis=1)))] for each in middle]


def traffic_light(seconds: float, frames_per_second: int = 25) -> Iterator[tuple[float, np.ndarray]]:
    """Red for a second, green for a second, blue for a second, and again."""
    for number in range(round(seconds * frames_per_second)):
        time = number / frames_per_second
        yield time, plain((RED, GREEN, BLUE)[int(time + 1e-9) % 3])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same six seconds in every format: a click in the sound whenever the colour changes."""
    folder = tmp_path_factory.mktemp("films")
    clicks = np.zeros((SECONDS * RATE, 1), np.float32)
    clicks[::RATE] = 0.9
    clicks[1::RATE] = -0.9
    return {
        name: write_film(folder / f"a.{name}", traffic_light(SECONDS), clicks, RATE, video=video, audio=audio)
        for name, (video, audio) in FORMATS.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_each_frame_is_the_one_on_the_screen_at_its_time(films: dict[str, Path], name: str) -> None:
    path = str(films[name])
    assert colours_of(read_frames(path, 0.1, 5.8, 1, 64)) == list("rgbrgb")
    assert colours_of(read_frames(path, 1.9, 1.5, 2, 64)) == list("gbb")  # at 1.9, 2.4 and 2.9 s
    assert colours_of(read_frames(path, 4.6, 0.2, 25, 64)) == list("ggggg")
    assert read_frames(path, 0.1, 5.8, 1, 64).shape == (6, 48, 64, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_change_when_the_sound_says_so(films: dict[str, Path], name: str) -> None:
    path = str(films[name])
    (click,) = np.flatnonzero(np.abs(read_window(path, 2.5, 1.0, RATE)) > 0.2)[:1] / RATE
    colours = colours_of(read_frames(path, 2.5, 1.0, 100, 64))
    change = colours.index("r") / 100
    assert abs(change - click) < 0.04 + 0.01  # a frame, and a tick


@pytest.mark.parametrize("name", FORMATS)
def test_frames_do_not_depend_on_what_was_read_before(films: dict[str, Path], name: str) -> None:
    path = str(films[name])
    alone = {start: read_frames(path, start, 1.0, 4, 64) for start in (4.0, 0.5, 4.5, 0.0)}
    with open_video(path) as film:
        for start, expected in alone.items():
            np.testing.assert_array_equal(film.read(start, 1.0, 4, 64), expected)


def test_a_frame_stamped_at_a_tick_is_seen_at_it(tmp_path: Path) -> None:
    pictures = [(number * 0.04, plain((40 + number * 2, 0, 0))) for number in range(100)]
    path = write_film(tmp_path / "a.mkv", pictures, sound(4, RATE), RATE, options={"qp": "0"})
    seen = read_frames(str(path), 1.2, 2.0, 25, 64)[:, 20, 20, 0].astype(int)
    np.testing.assert_allclose(seen, 40 + 2 * np.arange(30, 80), atol=3)
    assert np.all(np.diff(seen) >= 0)
    assert seen[-1] > seen[0]


def test_pictures_that_come_late_or_end_early(tmp_path: Path) -> None:
    late = [(2.0 + time, picture) for time, picture in traffic_light(2)]
    path = str(write_film(tmp_path / "late.mkv", late, sound(10, RATE), RATE))
    assert read_frames(path, 0.0, 1.5, 4, 64) is None
    assert colours_of(read_frames(path, 1.0, 2.5, 2, 64)) == list("rrrrg")  # the first, before it is due
    assert colours_of(read_frames(path, 3.5, 2.0, 2, 64)) == list("gggg")  # the last, for as long as it takes
    assert read_frames(path, 5.0, 2.0, 4, 64) is None


@pytest.mark.parametrize("name", ["mp4", "mkv", "webm"])
def test_time_begins_with_the_sound(tmp_path: Path, name: str) -> None:
    video, audio = FORMATS[name]
    path = str(
        write_film(
            tmp_path / f"a.{name}",
            traffic_light(6),
            sound(5, RATE),
            RATE,
            video=video,
            audio=audio,
            sound_at=1.0,
        )
    )
    assert colours_of(read_frames(path, 0.1, 4.8, 1, 64)) == list("gbrgb")
    assert colours_of(read_frames(path, 3.2, 1.2, 2, 64)) == list("ggb")


def test_a_file_with_one_key_frame_is_decoded_from_there(tmp_path: Path) -> None:
    options = {"g": "10000", "keyint_min": "10000", "sc_threshold": "0"}
    path = write_film(tmp_path / "a.mp4", traffic_light(8), sound(8, RATE), RATE, options=options)
    assert colours_of(read_frames(str(path), 6.5, 1.5, 2, 64)) == list("rgg")


def test_sound_alone_has_no_frames(tmp_path: Path) -> None:
    song = write_container(tmp_path / "song.mp3", sound(2, 44100), 44100, "libmp3lame", cover=True)
    plain_sound = write_sound(tmp_path / "a.wav", sound(2, RATE), RATE)
    for path in (song, plain_sound):
        assert read_frames(str(path), 0.0, 1.0, 4, 64) is None


def test_large_pictures_are_scaled_and_small_ones_are_not(tmp_path: Path) -> None:
    pictures = [(number / 25, plain(GREEN, 180, 320)) for number in range(25)]
    path = str(write_film(tmp_path / "a.mp4", pictures, sound(1, RATE), RATE))
    assert read_frames(path, 0, 1, 2, 160).shape == (2, 90, 160, 3)
    assert read_frames(path, 0, 1, 2, 1000).shape == (2, 180, 320, 3)
    assert np.abs(read_frames(path, 0, 1, 2, 160).astype(int) - GREEN).max() <= 6


def marked(height: int, width: int) -> np.ndarray:
    """Red, with the upper left quarter blue."""
    picture = plain(RED, height, width)
    picture[: height // 2, : width // 2] = BLUE
    return picture


@pytest.mark.parametrize(("quarter_turns", "corner"), [(1, (-8, 8)), (2, (-8, -8)), (-1, (8, -8))])
def test_frames_are_upright(tmp_path: Path, quarter_turns: int, corner: tuple[int, int]) -> None:
    """A quarter turn counterclockwise takes the upper left corner to the lower left, and so on."""
    pictures = [(number / 25, marked(48, 96)) for number in range(25)]
    path = write_film(tmp_path / "a.mp4", pictures, sound(1, RATE), RATE, quarter_turns=quarter_turns)
    (frame,) = read_frames(str(path), 0, 1, 1, 96)
    assert frame.shape == ((96, 48, 3) if quarter_turns % 2 else (48, 96, 3))
    assert np.abs(frame[corner].astype(int) - BLUE).max() <= 12
    assert np.abs(frame[-corner[0], -corner[1]].astype(int) - RED).max() <= 12


def test_pixels_become_square(tmp_path: Path) -> None:
    pictures = [(number / 25, plain(BLUE)) for number in range(25)]
    path = write_film(tmp_path / "a.mp4", pictures, sound(1, RATE), RATE, pixel_aspect=Fraction(3, 2))
    assert read_frames(str(path), 0, 1, 1, 1000).shape == (1, 48, 96, 3)


def test_frames_are_read_from_any_storage(films: dict[str, Path]) -> None:
    with fsspec.open("memory://films/a.mp4", "wb") as file:
        file.write(films["mp4"].read_bytes())
    np.testing.assert_array_equal(
        read_frames("memory://films/a.mp4", 1, 1, 4, 64), read_frames(str(films["mp4"]), 1, 1, 4, 64)
    )


def test_what_costs_too_much_to_decode_is_refused(films: dict[str, Path], monkeypatch) -> None:
    path = str(films["mp4"])
    monkeypatch.setattr(video_module, "MAX_PIXELS", 1000)
    with pytest.raises(ImplausibleMediaError, match="64 × 48 pixels"):
        read_frames(path, 0, 1, 1, 64)
    monkeypatch.undo()
    monkeypatch.setattr(video_module, "MAX_DECODED", 20)
    with pytest.raises(ImplausibleMediaError, match="more than 20 frames"):
        read_frames(path, 0, 2, 1, 64)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_content_gives_frames_or_a_media_error(
    films: dict[str, Path], tmp_path: Path, name: str
) -> None:
    data, generator = films[name].read_bytes(), np.random.default_rng(1)
    corrupt = 0
    for number in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), generator.integers(1, 60)):
            damaged[place] = generator.integers(0, 256)
        path = tmp_path / f"{number}.{name}"
        path.write_bytes(damaged)
        try:
            read_frames(str(path), 3.0, 1.0, 4, 64)
        except MediaError:
            corrupt += 1
    assert corrupt


def test_pictures_without_sound_are_no_recording(tmp_path: Path) -> None:
    path = write_container(tmp_path / "a.mp4", None, RATE, "aac", video=True)
    with pytest.raises(NoAudioError):
        read_frames(str(path), 0, 1, 1, 64)


def test_a_playlist_that_claims_to_be_a_film_is_not_followed(films: dict[str, Path], tmp_path: Path) -> None:
    playlist = tmp_path / "a.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{films['mp4']}'\n")
    with pytest.raises(MediaError):
        read_frames(str(playlist), 0, 1, 1, 64)
