"""What is kept of a row's audio, and a row whose audio cannot be."""

from __future__ import annotations

import io
import tarfile

import numpy as np

from dataengine.engine.batch import Batch
from dataengine.engine.slice_work import GroupRunner, SliceState
from dataengine.engine.stage_call import run_stage
from dataengine.engine.stems import MEMBERS, EncodeStems
from manifests.media import decode_flac
from tests.engine.cheap_stages import Halve

RATE = 16_000


def rows_of(mixtures: list[np.ndarray]) -> Batch:
    count = len(mixtures)
    return Batch(
        {
            "sample_id": [f"{number:032x}" for number in range(count)],
            "row_order": np.arange(count),
            "duration": np.full(count, 0.1),
            "mixture": mixtures,
        }
    )


def halved(mixtures: list[np.ndarray]) -> Batch:
    batch = rows_of(mixtures)
    return Halve().process(batch)


def noise(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(1600) * 0.1).astype(np.float32)


def test_members_are_files_of_a_tar_that_hold_the_stems():
    mixture = noise(0)
    (members,) = run_stage(EncodeStems(sample_rate=RATE), halved([mixture])).passed[MEMBERS]
    with tarfile.open(fileobj=io.BytesIO(members.tobytes() + b"\0" * 1024)) as tar:
        stems = {
            member.name.split(".", 1)[1]: decode_flac(tar.extractfile(member).read())[0] for member in tar
        }
    assert set(stems) == {"mix.flac", "target.flac", "residual.flac"}
    np.testing.assert_allclose(stems["mix.flac"], mixture, atol=2**-23)
    np.testing.assert_array_equal(stems["target.flac"] + stems["residual.flac"], stems["mix.flac"])


def test_only_the_row_whose_stems_do_not_add_up_fails():
    batch = halved([noise(0), noise(1), noise(2)])
    targets = list(batch["target"])
    targets[1] = targets[1] + np.float32(0.01)
    result = run_stage(EncodeStems(sample_rate=RATE), batch.with_columns(target=targets))
    assert len(result.passed) == 2
    assert all(len(each) for each in result.passed[MEMBERS])
    (failed,) = result.settled
    assert (failed["stage"], failed["sample_id"]) == (["commit"], [batch["sample_id"][1]])
    assert "100 dBFS" in failed["error"][0]


def test_no_waveform_is_left_of_a_slice_that_is_done():
    class NoModels:
        def seconds(self) -> float:
            return 0.0

    heavy = frozenset({"mixture", "target", "residual"})
    runner = GroupRunner("all", (Halve(),), NoModels(), heavy, 2, EncodeStems(sample_rate=RATE))
    broken = np.full(1600, np.nan, np.float32)
    state, _ = runner.run(0, SliceState(rows_of([noise(0), noise(1), broken, noise(3)]), []))
    assert len(state.live) == 3
    for batch in (state.live, *state.settled):
        assert not heavy & set(batch.names)
