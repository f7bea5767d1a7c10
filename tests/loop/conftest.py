"""A loop on real recordings that ends within a minute: it learns little, but more than its first separator knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from manifests.indexing import IndexOptions, index
from trainer.codec import MdctConfig
from trainer.flow.sampling import SamplingConfig
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Separator, SeparatorConfig

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = 12

TRAINING_FILE = """
preset: tiny
steps: 6
data:
  shards: {{recording: ["{shards}/*.tar"]}}
  mixing: {{shares: {{synthetic: 2}}, seconds: 1.0}}
batch: {{seconds: 4.0, workers: 0}}
objective: {{loss: {{on: x1}}, alignment: 0}}
optimiser: {{kind: muon, learning_rate: 0.001}}
average: 0.5
sampling: {{solver: euler, steps: 1}}
checkpoints: {{every: 2, keep: 1}}
"""

FILTER_FILE = "criteria: [{score: remix_error_db, below: -60.0}]"

LOOP_FILE = """
directory: {folder}/loop
rounds: 2
label:
  pipeline: {root}/stages/pseudolabel.yaml
  input: {folder}/pool.parquet
  profile: {folder}/profile.yaml
  set:
    - stages.filter.criteria={folder}/filter.yaml
    - stages.caption.max_prompts=2
    - engine.slice_units=4
train: {{config: {folder}/train.yaml, pseudo_labelled_share: 1}}
evaluate: {{truth: {truth}, scenes: 8}}
"""


@pytest.fixture(scope="session")
def loop_folder(
    demo_directory: Path, recording_shards: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with `loop.yaml` and all that it names; the separator of its profile makes noise of everything."""
    folder = tmp_path_factory.mktemp("loop")
    pool = sorted((demo_directory / "pool").glob("*.flac"))[:WINDOWS]
    index(list(map(str, pool)), str(folder / "pool.parquet"), IndexOptions())
    truth = demo_directory / "truth" / "gate.parquet"
    (folder / "train.yaml").write_text(TRAINING_FILE.format(shards=recording_shards))
    (folder / "filter.yaml").write_text(FILTER_FILE)
    (folder / "loop.yaml").write_text(LOOP_FILE.format(root=ROOT, folder=folder, truth=truth))
    profile = (ROOT / "conf" / "profiles" / "embedded.yaml").read_text()
    first = f"separator: {{adapter: trained, folder: {folder / 'first'}}}"
    (folder / "profile.yaml").write_text(re.sub("separator: .*", first, profile))
    config = SeparatorConfig(PRESETS["tiny"], MdctConfig(), sampling=SamplingConfig("euler", 1))
    torch.manual_seed(0)
    model = SeparationModel(config.model)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    Separator(config, model).save_pretrained(folder / "first")
    return folder
