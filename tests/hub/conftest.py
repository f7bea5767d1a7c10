"""Real recordings for the reference models, and checkpoints of the real networks with random weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = (
    "1"  # before anything imports the hub's client: laion_clap would wait for the network
)

import numpy as np
import pytest
from audiobox_checkpoint import write_audiobox_folder
from clap_checkpoints import Claps, write_claps
from imagebind_checkpoint import SmallImageBind, write_imagebind
from sam_checkpoints import Sam2s, write_sam2s, write_small_sam2, write_small_sam3
from t5_checkpoint import write_t5_folder
from written_profiles import RATE, models_of

from dataengine.models.roles import Waveform
from dataengine.models.waveforms import resample


@pytest.fixture(scope="session")
def real_recordings(catalogue_clips) -> list[Waveform]:
    """Twenty real recordings at 48 kHz, between a fraction of a second and 25 s."""
    clips = [
        clip
        for category, count in (("sound", 9), ("speech", 5), ("instrument", 4))
        for clip in catalogue_clips("calibrate", category=category, count=count)
    ]
    waveforms = [resample(each.waveform, each.sample_rate, RATE)[: 12 * RATE] for each in clips]
    chained = np.concatenate(waveforms)
    return [*waveforms, chained[: 25 * RATE], chained[: 10 * RATE]]


@pytest.fixture(scope="session")
def claps(tmp_path_factory) -> Claps:
    return write_claps(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="session")
def audiobox_folder(tmp_path_factory) -> Path:
    return write_audiobox_folder(tmp_path_factory.mktemp("audiobox"))


@pytest.fixture(scope="session")
def t5_folder(tmp_path_factory) -> Path:
    return write_t5_folder(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="session")
def imagebind(tmp_path_factory) -> SmallImageBind:
    return write_imagebind(tmp_path_factory.mktemp("imagebind"))


@pytest.fixture(scope="session")
def sam2s(tmp_path_factory) -> Sam2s:
    return write_sam2s(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="session")
def small_sam2(tmp_path_factory) -> Path:
    return write_small_sam2(tmp_path_factory.mktemp("small_sam2"))


@pytest.fixture(scope="session")
def small_sam3(tmp_path_factory) -> Path:
    return write_small_sam3(tmp_path_factory.mktemp("small_sam3"))


@pytest.fixture(scope="session")
def load_model(tmp_path_factory) -> Callable[..., Any]:
    """`load_model(role, adapter, **options)`: a model as a profile file of the user's gives it."""

    def load(role: str, adapter: str, **options: Any) -> Any:
        folder = tmp_path_factory.mktemp("profile")
        return models_of(folder, {role: {"adapter": adapter, **options}}).load(role)

    return load
