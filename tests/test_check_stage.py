from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from dataengine.check_stage import StageReport, check_stage
from dataengine.cli import main
from dataengine.errors import UserError
from manifests.identity import unit_id
from manifests.indexing import IndexOptions, index
from manifests.schema import MANIFEST_SCHEMA
from stages import BUILT_IN

ROOT = Path(__file__).parents[1]
OF_STEMS = ("name_stems", "mix_stems", "bandwidth")
NOT_EMBEDDED = ("aesthetics", "audio_visual", "track", "transcribe", "describe")
"""No embedded model fills their roles; `make test-hub` runs them."""
AFTER_THE_FILTER = ("spans", "fingerprint")
"""See only what is kept, so they take more windows."""
RATE = 16000

CheckMine = Callable[..., StageReport]


def write_recordings(folder: Path, manifest: Path, count: int = 5) -> None:
    """A manifest of windows of two seconds, each a tone in noise, some of it clipped."""
    random = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    rows = []
    for number in range(count):
        tone = 0.4 * number * np.sin(2 * np.pi * 200 * (number + 1) * time)
        file = folder / f"{number}.flac"
        soundfile.write(file, np.clip(tone + 0.01 * random.standard_normal(len(time)), -1, 1), RATE)
        rows.append(
            {
                "unit_id": unit_id(f"recording {number}", 0, 2),
                "recording_id": f"recording {number}",
                "uri": str(file),
                "start": 0.0,
                "duration": 2.0,
            }
        )
    manifest.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), manifest)


@pytest.fixture
def check_mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckMine:
    """Writes a stage `Mine` with this body into a file and checks it behind `decode`."""
    monkeypatch.chdir(tmp_path)
    write_recordings(tmp_path, tmp_path / "manifest.parquet")
    (tmp_path / "pipeline.yaml").write_text("input: manifest.parquet\nstages: [decode]\n")

    def check(body: str, *parameters: str) -> StageReport:
        head = (
            "import numpy as np\nimport pyarrow as pa\nfrom dataengine import Stage\n\nclass Mine(Stage):\n"
        )
        (tmp_path / "mine.py").write_text(head + indent(f"'A stage.'\n{dedent(body)}", "    "))
        return check_stage("mine.py:Mine", parameters, pipeline="pipeline.yaml")

    return check


def failures(report: StageReport) -> dict[str, str]:
    return {check.name: check.detail for check in report.checks if not check.passed}


def test_a_stage_that_keeps_the_contract_passes(check_mine: CheckMine) -> None:
    report = check_mine(
        """
        reads = ("mixture",)
        adds = {"peak": pa.float32()}
        gain: float = 1.0

        def process(self, batch):
            return batch.with_columns(peak=[self.gain * float(abs(each).max()) for each in batch["mixture"]])
        """,
        "gain=2",
    )
    assert report.passed, failures(report)
    assert report.rows == 5
    assert len(report.checks) >= 10
    assert report.cost is not None
    assert report.cost.audio_seconds == 10
    assert report.cost.seconds > 0
    assert json.loads(report.to_json())["passed"] is True


@pytest.mark.parametrize(
    ("broken", "clause", "detail"),
    [
        ('return batch.with_columns(peak=["high"] * len(batch))', "declared columns", "'peak' does not fit"),
        ("return batch", "declared columns", "declares peak and did not add it"),
        (
            "return batch.with_columns(peak=[0.0] * len(batch), other=[1] * len(batch))",
            "declared columns",
            "other",
        ),
        ("return batch.take([0]).with_columns(peak=[0.0])", "declared columns", "dropped"),
        ("raise RuntimeError('no luck')", "declared columns", "RuntimeError: no luck (mine.py:"),
        (
            "batch['mixture'][0][:] = 0\n    return batch.with_columns(peak=[0.0] * len(batch))",
            "leaves its input alone",
            "it wrote into mixture",
        ),
        (
            "return batch.with_columns(peak=[0.0] * len(batch), licence=['mine'] * len(batch))",
            "leaves other columns alone",
            "licence",
        ),
        (
            "return batch.with_columns(peak=np.random.default_rng().random(len(batch)))",
            "same rows, same result",
            "peak was",
        ),
        (
            "top = max(float(abs(each).max()) for each in batch['mixture'])\n"
            "    return batch.with_columns(peak=[top] * len(batch))",
            "one row at a time",
            "peak was",
        ),
        (
            "return batch.with_columns(peak=np.arange(len(batch), dtype=float))",
            "rows in another order",
            "peak was",
        ),
        (
            "self.context.models.load('voice_activity_detector')\n"
            "    return batch.with_columns(peak=[0.0] * len(batch))",
            "loads only the models it declares",
            "it loaded voice_activity_detector",
        ),
    ],
)
def test_each_clause_of_the_contract_is_checked(
    broken: str, clause: str, detail: str, check_mine: CheckMine
) -> None:
    report = check_mine(
        f"reads = ('mixture',)\nadds = {{'peak': pa.float32()}}\n\ndef process(self, batch):\n    {broken}"
    )
    assert not report.passed
    (found,) = [text for name, text in failures(report).items() if name.startswith(clause)]
    assert detail in found


def test_a_column_that_is_read_undeclared_is_found(check_mine: CheckMine) -> None:
    report = check_mine(
        """
        adds = {"peak": pa.float32()}

        def process(self, batch):
            return batch.with_columns(peak=[float(abs(each).max()) for each in batch["mixture"]])
        """
    )
    # Nothing says that it needs `mixture`, so no stage runs before it.
    assert "no column 'mixture'" in next(iter(failures(report).values()))


def test_a_null_that_spoils_other_rows_is_found(check_mine: CheckMine, tmp_path: Path) -> None:
    write_recordings(tmp_path, tmp_path / "manifest.parquet")
    table = pq.read_table(tmp_path / "manifest.parquet")
    pq.write_table(table.append_column("loudness", pa.array([1.0, 2.0, 3.0, 4.0, 5.0])), "manifest.parquet")
    body = """
        reads = ("loudness",)
        adds = {"peak": pa.float32()}

        def process(self, batch):
            return batch.with_columns(peak=EXPRESSION)
        """
    spoiled = check_mine(
        body.replace("EXPRESSION", "batch['loudness'] * (np.nan if np.isnan(batch['loudness']).any() else 1)")
    )
    assert list(failures(spoiled)) == ["a null concerns its own row only"]
    assert check_mine(body.replace("EXPRESSION", "batch['loudness'] * 2")).passed


def test_a_stage_that_cannot_be_found_or_has_no_rows_is_the_users_mistake(check_mine: CheckMine) -> None:
    with pytest.raises(UserError, match=r"unknown stage 'decodes'; did you mean 'decode'\?"):
        check_stage("decodes", pipeline="pipeline.yaml")
    pq.write_table(MANIFEST_SCHEMA.empty_table(), "manifest.parquet")
    with pytest.raises(UserError, match=r"manifest.parquet: only 0 rows reach stage 'decode'"):
        check_stage("decode", pipeline="pipeline.yaml")


def test_the_memory_that_a_stage_takes_is_told(check_mine: CheckMine) -> None:
    report = check_mine(
        """
        reads = ("mixture",)
        adds = {"peak": pa.float32()}

        def process(self, batch):
            held = np.ones(200_000_000, dtype=np.uint8)
            return batch.with_columns(peak=[float(held[0])] * len(batch))
        """
    )
    assert report.cost is not None
    assert report.cost.peak_bytes is not None
    assert 190_000_000 < report.cost.peak_bytes < 300_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BUILT_IN.keys() - {*OF_STEMS, *NOT_EMBEDDED}))
def test_every_built_in_stage_keeps_the_contract(name: str, demo_directory: Path, tmp_path: Path) -> None:
    manifest = str(tmp_path / "m.parquet")
    windows = 8 if name in AFTER_THE_FILTER else 2
    scenes = sorted(map(str, (demo_directory / "pool").glob("*.flac")))[:windows]
    index(scenes, manifest, IndexOptions(workers=1))
    report = check_stage(name, manifest=manifest, windows=windows)
    assert report.passed, failures(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_STEMS)
def test_every_stage_for_stems_keeps_the_contract(name: str, demo_directory: Path, tmp_path: Path) -> None:
    truth = pq.read_table(demo_directory / "truth" / "calibrate.parquet").to_pylist()
    for row in [row for row in truth if row["stem"]][:6]:
        track = tmp_path / "tracks" / Path(row["scene"]).stem
        track.mkdir(parents=True, exist_ok=True)
        shutil.copy(demo_directory / "truth" / row["stem"], track / f"{row['label'].replace('/', ' ')}.flac")
    manifest = str(tmp_path / "m.parquet")
    index([str(tmp_path / "tracks")], manifest, IndexOptions(stems=True, workers=1))
    report = check_stage(name, manifest=manifest, pipeline=ROOT / "stages" / "stems.yaml", windows=2)
    assert report.passed, failures(report)


@pytest.mark.slow
def test_the_stage_of_the_guide_works_as_the_guide_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "docs" / "writing-a-stage.md").read_text()
    blocks = dict(reversed(re.findall(r"```(\w+)\n(.*?)```", guide, re.DOTALL)))  # the first of each kind
    assert len([line for line in blocks["python"].splitlines() if line]) <= 20
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clipping.py").write_text(blocks["python"])
    (tmp_path / "clipped.yaml").write_text(blocks["yaml"])
    write_recordings(tmp_path, tmp_path / "data/demo/pool.parquet")
    commands = [shlex.split(line) for line in blocks["console"].splitlines()]
    assert [command[1] for command in commands] == ["validate", "check-stage", "run"]
    for command in commands:
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, capsys.readouterr().err
    samples = pq.read_table(tmp_path / "runs/clipped/samples").sort_by("uri").column("clipping").to_pylist()
    assert samples[0] == 0
    assert samples[-1] > 0.2
