"""Weights that a profile names: what may be written, where they are looked for, what comes into provenance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, hub_server
from typer.testing import CliRunner

from dataengine.cli import app
from dataengine.errors import UserError
from dataengine.models.libraries import Library
from dataengine.models.profile import Profile, ProfileModels, forget_models
from dataengine.models.weights import Weights, chosen_files
from dataengine.yaml_source import dump_yaml
from manifests.schema import MANIFEST_SCHEMA

CLAP_FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same weights",
    "processor_config.json": b"{}",
    "tokenizer.json": b"{}",
    "README.md": b"a clap",
}
AUDIOBOX_FILES = {"config.json": b"{}", "model.safetensors": b"weights", "checkpoint.pt": b"the same"}
REPOSITORIES = {"laion/clap-htsat-unfused": CLAP_FILES, "facebook/audiobox-aesthetics": AUDIOBOX_FILES}


@pytest.fixture
def clap_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clap"
    folder.mkdir()
    for name, content in CLAP_FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DATAENGINE_MIRROR", raising=False)
    forget_models()


def clap_card(tmp_path: Path, **options: Any) -> dict[str, Any]:
    path = tmp_path / "mine.yaml"
    models = {"text_audio_scorer": {"adapter": "clap", **options}}
    path.write_text(dump_yaml({"name": "mine", "sample_rate": 48_000, "models": models}))
    provenance = ProfileModels(Profile.load(str(path))).provenance(("text_audio_scorer",))
    return provenance["text_audio_scorer"]


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("checkpoints/clap", "weights in adapter 'clap': write hf://owner/name, or an absolute path: /"),
        ("hf://laion", "weights in adapter 'clap': a repository is written hf://owner/name"),
        ("hf://laion/clap/../../etc", "weights in adapter 'clap': a repository is written hf://owner/name"),
    ],
)
def test_what_is_no_place_for_weights_is_one_line(tmp_path: Path, weights: str, says: str):
    with pytest.raises(UserError) as caught:
        clap_card(tmp_path, weights=weights)
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml:")
    assert says in str(caught.value)


def test_a_repository_is_an_owner_a_name_a_revision_and_a_file():
    whole = Weights("hf://lukewys/laion_clap@v1.0/music/best.pt").repository
    assert whole is not None
    assert (whole.name, whole.revision, whole.file) == ("lukewys/laion_clap", "v1.0", "music/best.pt")
    assert whole.folder_name == "lukewys/laion_clap@v1.0"
    assert Weights("/models/clap").repository is None


def test_weights_that_are_not_here_are_answered_with_the_command_that_fetches_them(tmp_path: Path):
    expected = r"the weights hf://laion/clap-htsat-unfused are not on this machine; run: dataengine models fetch mine"
    with pytest.raises(UserError, match=f"^{expected}$"):
        clap_card(tmp_path, weights="hf://laion/clap-htsat-unfused")
    with pytest.raises(UserError, match="the weights /nowhere/clap are not on this machine"):
        clap_card(tmp_path, weights="/nowhere/clap")


def test_a_file_that_a_folder_lacks_is_named(clap_folder: Path, tmp_path: Path):
    for name in ("model.safetensors", "pytorch_model.bin"):
        (clap_folder / name).unlink()
    with pytest.raises(UserError, match=r"have no model\.safetensors or pytorch_model\.bin"):
        clap_card(tmp_path, weights=str(clap_folder))


def test_the_digest_is_of_the_files_that_are_used_wherever_they_lie(clap_folder: Path, tmp_path: Path):
    before = clap_card(tmp_path, weights=str(clap_folder))
    (clap_folder / "README.md").write_bytes(b"another text")
    (clap_folder / "pytorch_model.bin").write_bytes(b"not read, for there is a safetensors file")
    moved = shutil.copytree(clap_folder, tmp_path / "moved")
    after = clap_card(tmp_path, weights=str(moved))
    assert after["digest"] == before["digest"]
    assert after["options"] == before["options"]
    changed = shutil.copytree(clap_folder, tmp_path / "changed")
    (changed / "model.safetensors").write_bytes(b"other weights")
    assert clap_card(tmp_path, weights=str(changed))["digest"] != before["digest"]


def test_a_licence_is_the_published_one_or_the_users_word_or_none(clap_folder: Path, tmp_path, monkeypatch):
    unknown = clap_card(tmp_path, weights=str(clap_folder))
    assert (unknown["licence"], unknown["commercial"]) == ("not stated", False)
    licence = {"name": "CC0-1.0", "commercial": True}
    said = clap_card(tmp_path, weights=str(clap_folder), licence=licence)
    assert (said["licence"], said["commercial"]) == ("CC0-1.0", True)
    assert said["options"] == unknown["options"]
    shutil.copytree(clap_folder, tmp_path / "mirror" / "laion" / "clap-htsat-unfused")
    monkeypatch.setenv("DATAENGINE_MIRROR", str(tmp_path / "mirror"))
    published = clap_card(tmp_path, weights="hf://laion/clap-htsat-unfused")
    assert (published["licence"], published["commercial"]) == ("Apache-2.0", True)
    assert published["source"] == "hf://laion/clap-htsat-unfused"
    assert published["digest"] == unknown["digest"]


def test_a_mirror_must_be_where_workers_find_it_too(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DATAENGINE_MIRROR", "mirror")
    with pytest.raises(UserError, match="DATAENGINE_MIRROR must be an absolute path"):
        clap_card(tmp_path, weights="hf://laion/clap-htsat-unfused")


def test_of_a_choice_the_first_that_is_complete_is_taken():
    wanted = (("a.json",), ("b-1.bin b-2.bin", "c-*.bin", "d.bin"), ("e", ""))
    assert chosen_files(["a.json", "b-1.bin", "c-2.bin", "c-1.bin"], wanted, "x") == [
        "a.json",
        "c-1.bin",
        "c-2.bin",
    ]
    with pytest.raises(UserError, match=r"the weights x have no b-1\.bin b-2\.bin or c-\*\.bin or d\.bin"):
        chosen_files(["a.json", "b-2.bin"], wanted, "x")


def test_a_library_that_is_not_installed_is_answered_with_the_command_that_installs_it():
    assert Library("numpy", extra="clap").require("mine")
    with pytest.raises(
        UserError,
        match=r"^adapter 'mine' needs no-such-library, which is not installed; run: pip install 'dataengine\[hub\]'$",
    ):
        Library("no-such-library", extra="hub").require("mine")


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, with the hub and its cache where the environment says."""
    allowed = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    return subprocess.run(
        [sys.executable, "-m", "dataengine.cli", *arguments],
        capture_output=True,
        text=True,
        env={**allowed, "HF_HUB_DISABLE_TELEMETRY": "1", **environment},
    )


def test_fetch_makes_a_mirror_that_the_profile_is_read_from_without_a_network(tmp_path: Path):
    mirror = tmp_path / "mirror"
    with hub_server(REPOSITORIES) as address:
        told = command("models", "fetch", "hub", "--to", str(mirror), "--json", HF_ENDPOINT=address)
    assert told.returncode == 0, told.stderr
    fetched = json.loads(told.stdout)
    assert [each["weights"] for each in fetched] == [f"hf://{name}" for name in REPOSITORIES]
    clap, audiobox = (
        {each.name for each in (mirror / name).iterdir() if each.is_file()} for name in REPOSITORIES
    )
    assert clap == set(CLAP_FILES) - {"README.md", "pytorch_model.bin"}
    assert audiobox == {"config.json", "model.safetensors"}
    offline = {
        "DATAENGINE_MIRROR": str(mirror),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
    }
    listed = json.loads(command("models", "hub", "--json", **offline).stdout)
    scorer = next(each for each in listed["models"] if each["role"] == "text_audio_scorer")
    assert scorer["places"] == [str(mirror / "laion" / "clap-htsat-unfused")]
    assert scorer["missing"] is None


def test_fetch_fills_the_hubs_own_cache_where_the_profile_finds_it(tmp_path: Path):
    home = {"HF_HOME": str(tmp_path / "home")}
    with hub_server(REPOSITORIES) as address:
        told = command("models", "fetch", "hub", HF_ENDPOINT=address, **home)
    assert told.returncode == 0, told.stderr
    listed = json.loads(command("models", "hub", "--json", HF_ENDPOINT="http://127.0.0.1:9", **home).stdout)
    scorer = next(each for each in listed["models"] if each["role"] == "text_audio_scorer")
    assert scorer["places"][0].endswith(f"snapshots/{COMMIT}")


def test_a_hub_without_the_file_is_one_line(tmp_path: Path):
    lacking = {**REPOSITORIES, "laion/clap-htsat-unfused": {"config.json": b"{}"}}
    with hub_server(lacking) as address:
        told = command("models", "fetch", "hub", "--to", str(tmp_path), HF_ENDPOINT=address)
    assert told.returncode == 2
    assert told.stderr.splitlines()[-1] == (
        "dataengine: the weights hf://laion/clap-htsat-unfused have no model.safetensors or pytorch_model.bin"
    )


def test_the_hub_profile_runs_the_pipeline_given_its_weights(tmp_path: Path):
    """Without them one line says what to do; a missing library says so before."""
    manifest = tmp_path / "manifest.parquet"
    pq.write_table(MANIFEST_SCHEMA.empty_table(), manifest)
    pipeline = ("validate", "stages/pseudolabel.yaml", "--set", f"input={manifest}", "--set", "profile=hub")
    refused = command(*pipeline, HF_HOME=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "run: dataengine models fetch hub" in refused.stderr


def test_commercial_only_refuses_models_that_do_not_allow_it(tmp_path: Path):
    manifest = tmp_path / "manifest.parquet"
    pq.write_table(MANIFEST_SCHEMA.empty_table(), manifest)
    profile = tmp_path / "free.yaml"
    profile.write_text(
        "name: free\nsample_rate: 16000\n"
        "models: {enhancer: {adapter: dtln}, separator: {adapter: enhancer_router}}\n"
    )
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"input: {manifest}\nprofile: {profile}\nstages: [decode, caption]\n")
    free = tmp_path / "free_pipeline.yaml"
    free.write_text(f"input: {manifest}\nprofile: {profile}\nstages: [decode]\n")
    command_line = CliRunner()
    assert command_line.invoke(app, ["validate", str(free), "--commercial-only"]).exit_code == 0
    for verb in ("validate", "plan", "run"):
        refused = command_line.invoke(
            app, [verb, str(pipeline), "--set", "profile=embedded", "--commercial-only"]
        )
        assert refused.exit_code == 2
        assert (
            "--commercial-only: profile 'embedded' has models whose licence does not allow" in refused.stderr
        )
        assert "yamnet (tagger: not stated by sead" in refused.stderr
        assert "silero" not in refused.stderr
