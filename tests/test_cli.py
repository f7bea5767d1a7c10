from __future__ import annotations

import io
import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from glob import glob
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import webdataset

import conf
from dataengine.cli import app, main
from manifests.schema import MANIFEST_SCHEMA, versioned

BROKEN = Path(__file__).with_name("broken_pipelines")
EXPECTED = re.compile(r"# line (?P<line>\d+)(?: of (?P<file>\S+))?: (?P<message>.+)")


class Answer(NamedTuple):
    code: int
    out: str
    err: str


CommandLine = Callable[..., Answer]


@pytest.fixture
def dataengine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, in this process."""

    def command(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["dataengine", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return command


def answer_within(limit: float, *arguments: str, folder: Path) -> Answer:
    """The command line in a process of its own, which may take `limit` seconds of CPU time.

    CPU time is what an idle machine would take; wall time would measure what else the machine does.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "dataengine.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert seconds < limit
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The broken pipelines beside a manifest and a table that is none."""
    copy = tmp_path / "broken"
    shutil.copytree(BROKEN, copy)
    pq.write_table(MANIFEST_SCHEMA.empty_table(), copy / "manifest.parquet")
    pq.write_table(pa.table({"name": ["x"]}), copy / "other.parquet")
    pq.write_table(
        versioned([pa.field("unit_id", pa.string(), nullable=False)]).empty_table(), copy / "units.parquet"
    )
    monkeypatch.chdir(copy)
    return copy


def expectation(name: str) -> str:
    """The line that a broken pipeline must be answered with, as its first line says."""
    first = (BROKEN / name).read_text().splitlines()[0]
    found = EXPECTED.fullmatch(first)
    assert found, f"{name} does not say what to expect"
    return f"dataengine: {found['file'] or name}:{found['line']}: {found['message']}"


NAMES = sorted(path.name for path in BROKEN.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_pipeline_is_answered_with_one_line(
    name: str, folder: Path, dataengine: CommandLine
) -> None:
    answer = dataengine("validate", name)
    assert answer == Answer(2, "", expectation(name) + "\n")
    assert not (folder / "harmed").exists()


def test_there_are_enough_broken_pipelines() -> None:
    assert len(NAMES) >= 20


def test_the_answer_comes_at_once(folder: Path) -> None:
    name = "threshold_without_its_score.yaml"
    assert answer_within(2, "validate", name, folder=folder) == Answer(2, "", expectation(name) + "\n")


def test_a_run_refuses_each_in_under_two_seconds_and_before_ray_is_imported(folder: Path) -> None:
    program = """
import json, sys, time
from dataengine.cli import main
seconds = {}
for name in sys.argv[1:]:
    sys.argv = ["dataengine", "run", name, "--run-dir", "run"]
    began = time.process_time()
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 2, name
    seconds[name] = time.process_time() - began
assert "ray" not in sys.modules
print(json.dumps(seconds))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *NAMES], cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert max(json.loads(done.stdout).values()) < 2
    assert done.stderr.splitlines() == [expectation(name) for name in NAMES]
    assert not (folder / "run").exists()


def test_run_refuses_a_broken_pipeline_like_validate(folder: Path) -> None:
    answer = answer_within(2, "run", "unknown_stage.yaml", "--run-dir", "run", folder=folder)
    assert answer == Answer(2, "", expectation("unknown_stage.yaml") + "\n")
    assert not (folder / "run").exists()


def test_help_is_there_at_once(tmp_path: Path) -> None:
    answer = answer_within(0.7, "--help", folder=tmp_path)
    assert answer.code == 0
    assert "validate" in answer.out


@pytest.mark.parametrize(
    "command", [command.name or command.callback.__name__ for command in app.registered_commands]
)
def test_every_command_explains_itself(command: str, dataengine: CommandLine) -> None:
    answer = dataengine(command, "--help")
    assert answer.code == 0
    assert command in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status", "none"], ["report", "none"], ["show", "abcd", "--run-dir", "none"]),
        *(
            ["plan", "none.yaml"],
            ["run", "none.yaml"],
            ["index", "none", "-o", "m.parquet"],
            ["models", "none"],
        ),
        *(["status", "none://here"], ["run", "pieces/base.yaml", "--run-dir", "none.file"]),
    ],
)
def test_what_is_not_there_is_the_users_mistake(
    arguments: list[str], folder: Path, dataengine: CommandLine
) -> None:
    (folder / "none.file").touch()
    answer = dataengine(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("dataengine: ")
    assert answer.err.count("\n") == 1
    assert "none" in answer.err


def test_validate_says_what_a_sound_pipeline_is(folder: Path, dataengine: CommandLine) -> None:
    answer = dataengine("validate", "pieces/base.yaml", "--set", "seed=7")
    assert answer.code == 0
    assert "decode" in answer.out
    assert dataengine("validate", "pieces/base.yaml", "--json").out.startswith("{")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: write key=value"),
        ("seed=one", '--set seed=one: seed in the pipeline should be a valid integer, not "one"'),
        ("stages.caption.max_prompts=2", "no stage 'caption' to change; there is decode"),
        (
            "engine.slice_unit=2",
            "unknown key 'engine.slice_unit' in the pipeline; did you mean 'slice_units'?",
        ),
        ("input=[1", "--set input=[1: while parsing a flow sequence"),
        ("seed=!!python/name:os.system", "tag '!!python/name:os.system' is not allowed"),
    ],
)
def test_a_wrong_override_is_named(
    override: str, message: str, folder: Path, dataengine: CommandLine
) -> None:
    answer = dataengine("validate", "pieces/base.yaml", "--set", override)
    assert answer.code == 2
    assert answer.out == ""
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_ctrl_c_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, folder: Path, dataengine: CommandLine
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dataengine.pipeline.Pipeline.load", interrupt)
    answer = dataengine("validate", "pieces/base.yaml")
    assert answer.code == 130
    assert answer.err == "dataengine: interrupted; the same command goes on from here\n"


def test_a_bug_shows_its_traceback(folder: Path) -> None:
    program = (
        "import sys, dataengine.pipeline as pipeline; from dataengine.cli import main\n"
        "pipeline.Pipeline.load = lambda *_: 1 / 0\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "validate", "pieces/base.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_models_are_listed_with_their_licences(dataengine: CommandLine) -> None:
    answer = dataengine("models", "embedded")
    assert answer.code == 0
    assert "silero" in answer.out
    assert "MIT" in answer.out


def test_models_that_could_be_used_are_listed_with_what_installs_them(dataengine: CommandLine) -> None:
    assert "dataengine[sam2]" in dataengine("models", "embedded").out


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_from_recordings_to_a_report(
    demo_directory: Path, tmp_path: Path, dataengine: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline = str(BROKEN.parents[1] / "stages" / "pseudolabel.yaml")
    indexed = dataengine("index", str(demo_directory / "pool"), "-o", "pool.parquet", "--json")
    assert json.loads(indexed.out)["windows"] >= 30
    given = ["--set", "input=pool.parquet", "--set", "engine.slice_units=8"]
    for stage in ("text_audio", "scene_complexity", "speech_presence"):
        given += ["--set", f"stages.{stage}.frames=true"]

    expected = json.loads(dataengine("plan", pipeline, *given, "--probe", "2", "--json").out)
    assert expected["units"] >= 30
    assert expected["seconds"] > 0

    run = dataengine("run", pipeline, *given, "--limit", "8", "--run-dir", "run", "--json")
    assert run.code == 0, run.err
    counts = json.loads(run.out)["counts"]
    assert counts["units"] == 8
    assert counts["kept"] > 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 0

    state = json.loads(dataengine("status", "run", "--json").out)
    assert (state["state"], state["slices_done"]) == ("stopped", 1)
    rows = pq.read_table("run/samples", filters=[("kept", "=", True)]).to_pylist()
    for name in ("text_audio_target", "text_audio_mixture", "scene_complexity", "speech_residual"):
        assert len(rows[0][f"{name}_frames"]) > 10
    shards = webdataset.WebDataset(glob("run/shards/*.tar"), shardshuffle=False)
    in_shards = {sample["__key__"]: sample for sample in shards}
    assert set(in_shards) == {row["sample_id"] for row in rows if row["left_out"] is None}
    for sample in in_shards.values():
        mix, target, residual = (
            soundfile.read(io.BytesIO(sample[f"{stem}.flac"]), dtype="int32")[0].astype(np.int64)
            for stem in ("mix", "target", "residual")
        )
        assert (mix == target + residual).all()
    kept = rows[0]["sample_id"]
    (shown,) = json.loads(dataengine("show", kept, "--run-dir", "run", "--json").out)
    assert shown["sample_id"] == kept
    dataengine("show", kept, "--run-dir", "run", "--play-to", "heard.wav")
    assert (tmp_path / "heard.target.wav").is_file()

    changed = dataengine("run", pipeline, *given, "--run-dir", "run", "--set", "stages.caption.max_prompts=1")
    assert changed.code == 2
    assert "caption.parameters.max_prompts: 4 → 1" in changed.err


def test_thresholds_that_were_chosen_for_other_models_are_warned_of(
    folder: Path, dataengine: CommandLine
) -> None:
    embedded = Path(str(resources.files(conf))) / "profiles" / "embedded.yaml"
    other = embedded.read_text().replace("{adapter: dtln}", "{adapter: nsnet2}")
    (folder / "other.yaml").write_text(
        other.replace("filters/embedded", f"{embedded.parents[1]}/filters/embedded")
    )
    given = [
        "validate",
        str(BROKEN.parents[1] / "stages" / "pseudolabel.yaml"),
        "--set",
        "input=manifest.parquet",
    ]
    assert dataengine(*given).err == ""
    warned = dataengine(*given, "--set", "profile=other.yaml")
    assert warned.code == 0
    assert "calibrated with another enhancer and separator; choose them anew" in warned.err
