"""The profile `hub_video` from films to shards with masks: its models are real networks with random weights.

The film is made of real recordings and of a camera that moves over a photograph: they do not belong together.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from imagebind_checkpoint import panned
from media_files import write_film
from written_profiles import RATE

pytestmark = pytest.mark.hub

WINDOW_SECONDS = 5
FRAMES_PER_SECOND = 10


@pytest.fixture
def command(claps, audiobox_folder: Path, imagebind, small_sam3: Path, tmp_path: Path) -> Any:
    """The command line, with a mirror."""
    mirror = tmp_path / "mirror"
    for name, folder in (
        ("laion/clap-htsat-unfused", claps.folder),
        ("facebook/audiobox-aesthetics", audiobox_folder),
        ("facebook/sam3", small_sam3),
        ("nielsr/imagebind-huge", imagebind.checkpoint.parent),
    ):
        shutil.copytree(folder, mirror / name)

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "dataengine.cli", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "DATAENGINE_MIRROR": str(mirror)},
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def recordings(real_recordings, tmp_path: Path) -> Path:
    """A film of ten seconds, and its sound without pictures."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    waveform = real_recordings[-1]
    frames = panned("china.jpg", len(waveform) / RATE, 1 / FRAMES_PER_SECOND)
    pictures = [(number / FRAMES_PER_SECOND, frame) for number, frame in enumerate(frames)]
    write_film(folder / "a.mp4", pictures, waveform[:, None], RATE, frames_per_second=FRAMES_PER_SECOND)
    soundfile.write(folder / "b.wav", waveform, RATE)
    return folder


def test_films_become_shards_with_masks_and_scores(command, recordings: Path, tmp_path: Path):
    import webdataset

    manifest, run = tmp_path / "films.parquet", tmp_path / "run"
    command("index", str(recordings), "-o", str(manifest), "--window-seconds", str(WINDOW_SECONDS))
    strict, loose = tmp_path / "strict.yaml", tmp_path / "loose.yaml"
    # Random weights keep nothing by the reference's thresholds; that its verdicts are given is what counts here.
    strict.write_text(Path("conf/filters/reference_visual.yaml").read_text() + "audit_share: 1.0\n")
    loose.write_text("criteria: [{score: audio_visual, above: -1.0, when: has_video}]\n")
    settings = [f"input={manifest}", f"stages.filter.criteria={strict}"]
    settings += ["stages.frames.longest_side=160", "stages.caption.max_prompts=2"]
    settings += ["pack.near_duplicate_column=null"]  # the sound without pictures is the film's
    command(
        "run",
        "stages/pseudolabel_video.yaml",
        "--run-dir",
        str(run),
        *(part for each in settings for part in ("--set", each)),
    )
    rows = [row for row in pq.read_table(run / "samples").to_pylist() if row["kind"] == "text"]
    assert {row["has_video"] for row in rows} == {True, False}
    for row in rows:
        assert row["status"] == "done"
        seen = [row["mask_coverage"], row["audio_visual"], row["mask_reference"], row["frames_hop_seconds"]]
        assert [each is not None for each in seen] == [row["has_video"]] * 4
        failed = set(row["failed_criteria"]) & {"mask_coverage", "audio_visual"}
        if not row["has_video"]:
            assert not failed
            continue
        assert ("mask_coverage" in failed) == (row["mask_coverage"] <= 0.02)
        assert ("audio_visual" in failed) == (row["audio_visual"] <= 0.2)
        models = json.loads(row["models"])
        assert models["audio_visual_scorer"]["licence"] == "CC-BY-NC-4.0"
        assert models["object_tracker"]["source"] == "hf://facebook/sam3"

    command("select", str(run), "--filters", str(loose), "--name", "all")
    shards = sorted(str(path) for path in (run / "selections" / "all" / "shards").glob("*.tar"))
    samples = {each["__key__"]: each for each in webdataset.WebDataset(shards, shardshuffle=False)}
    assert samples.keys() == {row["sample_id"] for row in rows}
    covered = 0
    for row in rows:
        sample = samples[row["sample_id"]]
        mask, scores = np.load(io.BytesIO(sample["mask.npz"]))["mask"], json.loads(sample["json"])["scores"]
        if row["has_video"]:
            assert mask.shape == (4 * WINDOW_SECONDS, 90, 160)
            assert scores["audio_visual"] == row["audio_visual"]
            assert scores["mask_coverage"] == row["mask_coverage"] == pytest.approx(mask.mean())
            covered += bool(mask.any())
    assert covered
