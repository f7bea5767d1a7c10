"""Models whose libraries do not go together with ours run in an environment of their own: here, one with NumPy 1."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cheap_runs import write_manifest

from dataengine import Pipeline, run
from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
NUMPY_1 = "1.26.4"
IMPORTED = ("cloudpickle", "fsspec", "pandas", "pyarrow", "pydantic", "pyyaml", "soxr")
"""What a worker of the stages below imports besides."""
PACKAGE = ("conf", "dataengine", "manifests", "stages", "trainer", "LICENSE", "README.md", "pyproject.toml")
"""What is installed there, from a copy: building leaves files beside what it builds."""


@pytest.fixture(scope="session")
def numpy_1(tmp_path_factory) -> Path:
    """The interpreter of an environment with this package and NumPy 1, and little else."""
    folder = tmp_path_factory.mktemp("environments") / "numpy1"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    wanted = [f"{name}=={metadata.version(name)}" for name in IMPORTED]
    subprocess.run([*pip, f"numpy=={NUMPY_1}", *wanted], check=True)
    weights = f"voice2gender=={metadata.version('voice2gender')}"
    source = folder.with_name("source")
    source.mkdir()
    for name in PACKAGE:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
        copy(REPOSITORY / name, source / name)
    subprocess.run([*pip, "--no-deps", str(source), weights], check=True)
    return python


def write_profile(folder: Path, python: Path) -> Path:
    profile = folder / "two_numpys.yaml"
    profile.write_text(
        "name: two_numpys\nsample_rate: 16000\nmodels:\n"
        f"  gender_classifier: {{adapter: voice2gender, python: {python}}}\n"
    )
    return profile


def load(folder: Path, python: Path, units: int = 12, **parameters: str) -> Pipeline:
    manifest = write_manifest(folder / "manifest.parquet", units)
    file = folder / "two_numpys_pipeline.yaml"
    file.write_text(
        f"profile: {write_profile(folder, python)}\n"
        "stages: [make, classify, check]\n"
        "engine: {slice_units: 6, micro_batch_units: 3, workers: 1, patience_minutes: 0}\n"
    )
    overrides = [f"stages.classify.{key}={value}" for key, value in parameters.items()]
    return Pipeline.load(file, [f"input={manifest}", *overrides], [str(HERE / "numpy_stages.py")])


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_model_with_numpy_1_and_stages_with_numpy_2_share_a_run(tmp_path, numpy_1):
    assert np.__version__.startswith("2.")
    pipeline = load(tmp_path, numpy_1)
    assert [(group.name, group.python) for group in pipeline.worker_groups] == [
        ("make", None),
        ("classify", str(numpy_1)),
        ("check", None),
    ]
    assert pipeline.digest == load(tmp_path, Path(sys.executable)).digest
    summary = run(pipeline, tmp_path / "run")
    rows = pq.read_table(tmp_path / "run" / "samples").to_pandas()
    assert len(rows) == summary.counts.units == 12
    assert set(rows["status"]) == {"done"}
    assert set(rows["numpy_of_make"]) == set(rows["numpy_of_check"]) == {np.__version__}
    assert set(rows["numpy_of_classify"]) == {NUMPY_1}
    assert rows["female"].between(0, 1).all()
    assert rows["made"].is_unique
    assert rows["made"].equals(rows["heard"].rename("made"))
    assert rows["made"].equals(rows["mixture_back"].rename("made"))
    assert rows["split"].equals(rows["target_back"].rename("split"))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_crash_in_the_other_environment_costs_its_row_alone(tmp_path, numpy_1):
    victim = pq.read_table(write_manifest(tmp_path / "manifest.parquet", 12))["unit_id"][7].as_py()
    run(load(tmp_path, numpy_1, crashes_at=victim), tmp_path / "run")
    rows = pq.read_table(tmp_path / "run" / "samples").to_pandas().set_index("unit_id")
    failed = rows.loc[victim]
    assert (failed["status"], failed["stage"], failed["error_type"]) == (
        "failed",
        "classify",
        "WorkerCrashedError",
    )
    assert "SIGSEGV" in failed["error"]
    assert "numpy_stages.py" in failed["traceback"]
    others = rows.drop(victim)
    assert len(others) == 11
    assert set(others["numpy_of_classify"]) == {NUMPY_1}


@pytest.mark.slow
def test_the_other_environment_tells_what_is_missing_in_it(tmp_path, numpy_1):
    profile = tmp_path / "clap.yaml"
    profile.write_text(
        "name: clap\nsample_rate: 48000\nmodels:\n"
        f"  text_audio_scorer: {{adapter: clap, weights: /nowhere, python: {numpy_1}}}\n"
    )
    with pytest.raises(UserError, match=rf"\({numpy_1}\): adapter 'clap' needs transformers.*pip install"):
        ProfileModels(Profile.load(str(profile))).provenance(("text_audio_scorer",))


@pytest.mark.slow
def test_a_model_of_another_environment_is_loaded_there_only(tmp_path, numpy_1):
    models = ProfileModels(Profile.load(str(write_profile(tmp_path, numpy_1))))
    with pytest.raises(UserError, match=f"runs in the environment of {numpy_1}, "):
        models.load("gender_classifier")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The interpreter of an environment with nothing in it."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def refusal(folder: Path, python: Path) -> str:
    """What is said, on one line and at the stage that asks the model, of a pipeline with this interpreter."""
    with pytest.raises(UserError) as error:
        load(folder, python)
    (line,) = str(error.value).splitlines()
    where, said = line.split(": the interpreter of role 'gender_classifier' ", 1)
    assert where == f"{folder}/two_numpys_pipeline.yaml:2"
    return said


def test_an_environment_without_this_package_is_refused(tmp_path, bare, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))  # where this process may find it
    monkeypatch.chdir(REPOSITORY)
    assert refusal(tmp_path, bare) == (
        f"({bare}) cannot import dataengine (ModuleNotFoundError: No module named 'dataengine'); "
        f"install version {metadata.version('dataengine')} in its environment"
    )


@pytest.mark.parametrize(
    ("found", "told"), [("3.99 0.1.0", "Python 3.99 with dataengine 0.1.0"), ("3.11 9.9", "dataengine 9.9")]
)
def test_an_environment_with_another_version_is_refused(tmp_path, found, told):
    python, package = found.split()
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\nimport json\n"
        f"there = {{'python': {python!r}, 'dataengine': {package!r}}}\n"
        "print(json.dumps({'interpreter': there, 'card': None, 'mistake': None}))\n"
    )
    script.chmod(0o755)
    said = refusal(tmp_path, script)
    assert told in said
    assert said.endswith("both must be the same")


def test_a_script_that_starts_an_interpreter_is_refused(tmp_path):
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    assert (
        refusal(tmp_path, script) == f"({script}): it is a script that starts {sys.executable}; name that one"
    )


def test_an_interpreter_that_is_not_there_is_refused(tmp_path):
    missing = tmp_path / "no" / "python"
    assert refusal(tmp_path, missing) == f"({missing}) cannot be started: No such file or directory"
