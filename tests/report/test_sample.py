"""Everything known of one sample, found by the beginning of its id."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import soundfile

from dataengine.errors import UserError
from dataengine.report.sample import find_samples, save_stems


def one(finished, rows, condition):
    sample_id = rows.query(condition).iloc[0]["sample_id"]
    (sample,) = find_samples(finished, sample_id[:12])
    assert sample.row["sample_id"] == sample_id
    return sample


def test_checks_say_which_criteria_failed(finished, rows):
    for row in rows[rows["status"] == "done"].to_dict("records"):
        (sample,) = find_samples(finished, row["sample_id"])
        assert [check.name for check in sample.checks if not check.passed] == list(row["failed_criteria"])
        asked = {check.name: check.applies for check in sample.checks}
        assert asked["sounding_speech"] == row["speech_prompt"]
        assert asked["crossings"] != row["speech_prompt"]
    assert set(sample.other_scores) == {"scene_complexity", "spikiness"}


def test_a_unit_gives_all_its_samples(finished, rows):
    unit = rows[rows["status"] == "done"].iloc[0]["unit_id"]
    samples = find_samples(finished, unit[:10])
    assert [sample.row["sample_id"] for sample in samples] == sorted(
        rows.loc[rows["unit_id"] == unit, "sample_id"]
    )


def test_a_failed_unit_tells_why(finished, rows):
    sample = one(finished, rows, "status == 'failed' and stage == 'decode'")
    assert sample.row["error_type"] == "FileNotFoundError"
    assert "decode.py" in sample.row["traceback"]
    assert sample.checks == []


@pytest.mark.parametrize("prefix", ["", "abc", "xyz12345", "ABCDEF12", "%", "' OR 1=1 --", "0" * 33])
def test_what_is_no_id_is_refused(finished, prefix):
    with pytest.raises(UserError, match="is no id"):
        find_samples(finished, prefix)


def test_an_unknown_id_is_refused(finished):
    with pytest.raises(UserError, match="no sample or unit"):
        find_samples(finished, "0123456789abcdef0123456789abcdef")


def test_several_ids_are_named(finished, rows, monkeypatch):
    monkeypatch.setattr("dataengine.report.sample.SHORTEST_PREFIX", 1)
    ids = sorted(rows["sample_id"])
    digit = next(c for c in "0123456789abcdef" if sum(each.startswith(c) for each in ids) > 1)
    with pytest.raises(UserError, match=f"several ids begin with '{digit}': {digit}"):
        find_samples(finished, digit)


def test_stems_are_written_as_stored(finished, rows, tmp_path):
    sample = one(finished, rows, "kept and left_out.isna()")
    names = [f"{sample.row['sample_id']}.{stem}.flac" for stem in ("mix", "target", "residual")]
    paths = save_stems(sample, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == names
    with tarfile.open(finished.storage.path(sample.row["shard"])) as tar:
        assert [path.read_bytes() for path in paths] == [tar.extractfile(name).read() for name in names]


def test_stems_of_a_retained_sample_as_wav_sum_up(finished, rows, tmp_path):
    sample = one(finished, rows, "retained and not kept")
    paths = save_stems(sample, tmp_path / "listen.wav")
    assert [path.name for path in paths] == ["listen.mix.wav", "listen.target.wav", "listen.residual.wav"]
    mix, target, residual = (soundfile.read(io.BytesIO(path.read_bytes()))[0] for path in paths)
    assert np.abs(mix - target - residual).max() == 0
    assert np.abs(target).max() > 0


def test_audio_that_is_not_there_or_not_wanted_is_refused(finished, rows, tmp_path):
    with pytest.raises(UserError, match="neither kept nor retained"):
        save_stems(one(finished, rows, "shard.isna() and status == 'done'"), tmp_path)
    with pytest.raises(UserError, match=r"\.wav or \.flac, not \.mp3"):
        save_stems(one(finished, rows, "kept"), tmp_path / "a.mp3")
