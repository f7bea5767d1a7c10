from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from binding import bound

from dataengine.engine.batch import Batch
from manifests.indexing import IndexOptions, index
from manifests.media import MediaError, read_window
from manifests.tables import read_table
from stages.decode import Decode


@pytest.fixture(scope="module")
def units(demo_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Windows of a few scenes, several a recording, and of one long recording."""
    folder = tmp_path_factory.mktemp("decode")
    generator = np.random.default_rng(0)
    soundfile.write(folder / "long.flac", generator.uniform(-0.5, 0.5, 44100 * 60), 44100)
    scenes = sorted((demo_directory / "pool").glob("*.flac"))[:4]
    manifest = str(folder / "m.parquet")
    index([*map(str, scenes), str(folder / "long.flac")], manifest, IndexOptions(window_seconds=4))
    return Batch.from_arrow(read_table(manifest))


def test_each_window_becomes_its_waveform(units: Batch) -> None:
    decode = bound(Decode())
    rate = decode.context.sample_rate
    mixtures = decode.process(units)["mixture"]
    for uri, start, duration, mixture in zip(
        units["uri"], units["start"], units["duration"], mixtures, strict=True
    ):
        assert mixture.dtype == np.float32
        assert len(mixture) == round(duration * rate)
        np.testing.assert_array_equal(mixture, read_window(uri, start, duration, rate))
    loud = {uri for uri, mixture in zip(units["uri"], mixtures, strict=True) if np.abs(mixture).max() > 0.01}
    assert loud == set(units["uri"])


def test_a_waveform_depends_on_its_row_alone(units: Batch) -> None:
    decode = bound(Decode())
    together = decode.process(units)["mixture"]
    order = np.random.default_rng(1).permutation(len(units))
    for row, mixture in zip(order, decode.process(units.take(order))["mixture"], strict=True):
        np.testing.assert_array_equal(mixture, together[row])
    for row in (0, len(units) - 1):
        np.testing.assert_array_equal(decode.process(units.take([row]))["mixture"][0], together[row])


def test_a_long_recording_is_not_decoded_from_its_start_for_each_window(
    units: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = units.where([uri.endswith("long.flac") for uri in units["uri"]])
    frames = 0
    read = soundfile.SoundFile.read

    def counted(self: soundfile.SoundFile, *given: object, **named: object) -> np.ndarray:
        nonlocal frames
        samples = read(self, *given, **named)
        frames += len(samples)
        return samples

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    bound(Decode()).process(long)
    assert frames < 44100 * 60 * 1.1


def test_bad_media_and_missing_files_are_told_apart(units: Batch, tmp_path: Path) -> None:
    decode = bound(Decode())
    (tmp_path / "bad.wav").write_bytes(b"RIFF    WAVE")
    for name, error in (("bad.wav", MediaError), ("missing.wav", FileNotFoundError)):
        with pytest.raises(error):
            decode.process(units.take([0]).with_columns(uri=[str(tmp_path / name)]))
