import io
from itertools import combinations
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr
import webdataset
from binding import bound
from true_scenes import RATE, Scenes

from dataengine import Pipeline, run
from dataengine.engine.batch import Batch
from manifests.indexing import IndexOptions, index
from stages.fingerprint import Fingerprint

LOOSE = Path(__file__).resolve().parents[2] / "conf" / "filters" / "embedded_loose.yaml"

KBIT_S = 96
SHIFT = RATE // 20


@pytest.fixture(scope="module")
def stems(scenes: Scenes) -> list[np.ndarray]:
    return [stem for scene in scenes("calibrate") for stem in scene.stems]


def prints(waveforms: list[np.ndarray]) -> list[int]:
    return bound(Fingerprint()).process(Batch({"target": waveforms}))["target_fingerprint"].tolist()


@pytest.fixture(scope="module")
def printed(stems: list[np.ndarray]) -> list[int]:
    return prints(stems)


def differing_bits(printed: list[int], others: list[np.ndarray]) -> np.ndarray:
    pairs = zip(printed, prints(others), strict=True)
    return np.array([(one ^ other).bit_count() for one, other in pairs])


def as_mp3(waveform: np.ndarray) -> np.ndarray:
    """Through an encoder at 96 kbit/s and 44.1 kHz."""
    coded = io.BytesIO()
    with av.open(coded, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=44_100, layout="mono", bit_rate=KBIT_S * 1000)
        frame = av.AudioFrame.from_ndarray(soxr.resample(waveform, RATE, 44_100)[None], "fltp", "mono")
        frame.sample_rate = 44_100
        resampler = av.AudioResampler("fltp", "mono", 44_100, stream.codec_context.frame_size or 1152)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    coded.seek(0)
    decoded, rate = soundfile.read(coded, dtype="float32")
    return soxr.resample(decoded, rate, RATE)


def as_ogg(waveform: np.ndarray) -> np.ndarray:
    """Through Vorbis at 16 kHz, some 30 kbit/s."""
    coded = io.BytesIO()
    soundfile.write(coded, waveform, RATE, format="OGG", subtype="VORBIS")
    coded.seek(0)
    return soundfile.read(coded, dtype="float32")[0]


def shifted(waveform: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(SHIFT, np.float32), waveform[:-SHIFT]])


def test_the_level_does_not_count(stems: list[np.ndarray], printed: list[int]) -> None:
    assert differing_bits(printed, [stem / 2 for stem in stems]).max() == 0


@pytest.mark.parametrize("copy", [as_mp3, as_ogg, shifted])
def test_copies_differ_in_three_bits_at_most(
    stems: list[np.ndarray], printed: list[int], copy: object
) -> None:
    bits = differing_bits(printed, [copy(stem) for stem in stems])  # type: ignore[operator]
    assert (bits <= 3).mean() >= 0.94


def test_different_clips_differ_in_many_bits(scenes: Scenes) -> None:
    """No two scenes' sources here are the same clip, and neither are those of one scene."""
    clips, stems = [], []
    for scene in scenes("calibrate"):
        for source, stem in zip(scene.sources, scene.stems, strict=False):  # of real mixtures none
            if not set(source["clips"]) & set(clips):
                clips += source["clips"]
                stems.append(stem)
    distances = [(one ^ other).bit_count() for one, other in combinations(prints(stems), 2)]
    assert len(distances) > 500
    assert np.median(distances) > 20
    assert min(distances) > 3


def test_silence_has_a_print() -> None:
    assert prints([np.zeros(RATE, np.float32), np.zeros(0, np.float32)]) == [0, 0]


@pytest.mark.slow
def test_what_is_there_twice_is_packed_once(demo_directory: Path, tmp_path: Path) -> None:
    """Recordings and the same at a lower level, through another codec: in the shards, each target is once."""
    (tmp_path / "recordings").mkdir()
    truth = pq.read_table(demo_directory / "truth" / "pool.parquet").to_pylist()
    with_speech = sorted({row["scene"] for row in truth if row["scene_type"] == "speech_sound"})
    for scene in [demo_directory / "pool" / name for name in with_speech[:4]]:
        waveform, rate = soundfile.read(scene)
        soundfile.write(tmp_path / "recordings" / f"{scene.stem}.first.flac", waveform, rate)
        soundfile.write(tmp_path / "recordings" / f"{scene.stem}.again.ogg", 0.7 * waveform, rate)
    index([str(tmp_path / "recordings")], str(tmp_path / "m.parquet"), IndexOptions(workers=1))
    given = (f"input={tmp_path / 'm.parquet'}", f"stages.filter.criteria={LOOSE}", "engine.workers=1")
    run(Pipeline.load("stages/pseudolabel.yaml", given), tmp_path / "run")

    samples = pq.read_table(tmp_path / "run" / "samples").to_pandas()
    samples["scene"] = [Path(uri).name.split(".")[0] for uri in samples["uri"]]
    kept = samples[samples["kept"]]
    twice = [rows for _, rows in kept.groupby(["scene", "text"]) if rows["uri"].nunique() == 2]
    assert len(twice) >= 4
    removed = kept[kept["left_out"] == "near_duplicate"]
    found = [rows for rows in twice if (rows["left_out"] == "near_duplicate").any()]
    assert len(found) >= len(twice) / 2  # a separator's targets of the two are near, not equal
    assert set(removed["scene"]) <= {rows["scene"].iloc[0] for rows in twice}
    shards = [str(path) for path in (tmp_path / "run" / "shards").glob("*.tar")]
    packed = {sample["__key__"] for sample in webdataset.WebDataset(shards, shardshuffle=False)}
    assert packed == set(kept[kept["left_out"].isna()]["sample_id"])
    assert not packed & set(removed["sample_id"])
