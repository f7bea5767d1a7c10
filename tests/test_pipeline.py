from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import conf
from dataengine import Pipeline
from dataengine.engine.stage import Resources
from dataengine.errors import UserError
from manifests.schema import MANIFEST_SCHEMA, SCHEMA_KEY, versioned

PIPELINE = """\
input: manifest.parquet
seed: 0
stages:
  - decode
  - caption
  - separate
  - silence_ratio
  - filter: {criteria: filters.yaml}
engine: {slice_units: 32}
pack: {shard_megabytes: 256}
"""
FILTERS = "criteria:\n  - {score: silence_ratio, below: 0.95}\n"

Load = Callable[..., Pipeline]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads the pipeline above with overrides."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(MANIFEST_SCHEMA.empty_table(), "manifest.parquet")
    Path("pipeline.yaml").write_text(PIPELINE)
    Path("filters.yaml").write_text(FILTERS)

    def load(*overrides: str, sources: tuple[str, ...] = ()) -> Pipeline:
        return Pipeline.load("pipeline.yaml", overrides, sources)

    return load


def test_a_pipeline_knows_its_stages_and_settings(load: Load) -> None:
    pipeline = load("seed=7", "engine.slice_units=8")
    assert [stage.name() for stage in pipeline.stages] == [
        *("decode", "caption", "separate", "silence_ratio", "filter")
    ]
    assert (pipeline.input, pipeline.seed, pipeline.engine.slice_units) == ("manifest.parquet", 7, 8)
    assert pipeline.profile.name == "embedded"
    assert "separator" in pipeline.models_provenance()


@pytest.mark.parametrize(
    "override",
    [
        *("engine.slice_units=8", "engine.micro_batch_units=1", "engine.workers=3", "engine.max_failed=5"),
        *("pack.shard_megabytes=1", "pack.shuffle_seed=4"),
    ],
)
def test_the_digest_stays_when_no_label_can_change(override: str, load: Load) -> None:
    assert load(override).digest == load().digest


@pytest.mark.parametrize(
    ("override", "change"),
    [
        ("seed=1", "seed: 0 → 1"),
        ("deterministic=true", "deterministic: false → true"),
        ("scores=cascade", 'scores is new ("cascade")'),
        ("stages.caption.max_prompts=2", "caption.parameters.max_prompts: 4 → 2"),
        ("stages=[decode, caption, separate]", "stage silence_ratio is gone"),
    ],
)
def test_the_digest_changes_with_what_may_change_a_label(override: str, change: str, load: Load) -> None:
    before, now = load(), load(override)
    assert now.digest != before.digest
    assert change in now.changes_since(before.identity)


def test_a_threshold_decides_and_the_place_of_its_file_does_not(load: Load) -> None:
    before = load()
    Path("moved.yaml").write_text("# the same, elsewhere\n" + FILTERS)
    assert load("stages.filter.criteria=moved.yaml").digest == before.digest
    Path("filters.yaml").write_text(FILTERS.replace("0.95", "0.9"))
    now = load()
    assert now.digest != before.digest
    assert now.changes_since(before.identity) == [
        "filter.parameters.criteria.silence_ratio.below: 0.95 → 0.9"
    ]


def test_another_model_changes_the_digest_and_is_named(load: Load) -> None:
    before = load()
    earlier = pickle.loads(pickle.dumps(before.identity))
    earlier["models"]["separator"]["digest"] = "0" * 32
    assert any(change.startswith("models.separator.digest:") for change in before.changes_since(earlier))


def test_nothing_has_changed_since_itself(load: Load) -> None:
    assert load().changes_since(load().identity) == []


def test_models_on_a_gpu_put_the_stages_that_ask_them_there(load: Load) -> None:
    (group,) = load().worker_groups
    assert group.resources == Resources(1, 0)
    embedded = Path(str(resources.files(conf))) / "profiles" / "embedded.yaml"
    Path("gpu.yaml").write_text(embedded.read_text().replace("device: cpu", "device: cuda"))
    groups = load("profile=gpu.yaml").worker_groups
    assert [(group.name, group.resources.gpus) for group in groups] == [
        ("decode", 0),
        ("caption…separate", 1),
        ("silence_ratio…filter", 0),
    ]
    shared = load("profile=gpu.yaml", "engine.resources.caption.gpus=0.25").worker_groups
    assert [(group.name, group.resources.gpus) for group in shared] == [
        *(("decode", 0), ("caption", 0.25), ("separate", 1), ("silence_ratio…filter", 0))
    ]


def test_a_stage_that_asks_models_of_different_environments_is_refused(load: Load) -> None:
    embedded = Path(str(resources.files(conf))) / "profiles" / "embedded.yaml"
    of_its_own = "{adapter: silero, python: /opt/numpy1/bin/python}"
    Path("mixed.yaml").write_text(embedded.read_text().replace("{adapter: silero}", of_its_own))
    with pytest.raises(
        UserError, match=r"'caption' asks models that run in different environments .*/opt/numpy1"
    ):
        load("profile=mixed.yaml")


def test_resources_of_a_stage_that_there_is_not_are_refused(load: Load) -> None:
    with pytest.raises(UserError, match=r"no use for 'sepparate'; the stages are decode, caption"):
        load("engine.resources.sepparate.gpus=1")


def test_the_order_of_stages_is_a_change(load: Load) -> None:
    before = load("stages=[decode, caption, separate, silence_ratio, levels]")
    now = load("stages=[decode, caption, separate, levels, silence_ratio]")
    (change,) = now.changes_since(before.identity)
    assert change.startswith("the stages come in another order")


def test_the_resolved_file_gives_the_same_pipeline(load: Load) -> None:
    pipeline = load("stages.caption.max_prompts=2", "engine.slice_units=8", "seed=3")
    Path("resolved.yaml").write_text(pipeline.resolved_yaml())
    again = Pipeline.load("resolved.yaml")
    assert again.digest == pipeline.digest
    assert again.settings.engine == pipeline.settings.engine
    assert again.resolved_yaml() == pipeline.resolved_yaml()


def test_a_cascade_gives_up_where_more_criteria_can_be_evaluated(load: Load) -> None:
    Path("filters.yaml").write_text(
        "criteria:\n"
        "  - {score: silence_ratio, below: 0.95}\n"
        "  - {score: text_confidence, above: 0.3}\n"
        "  - {score: target_level_db, above: -20.0, when: speech_prompt}\n"
    )
    names = "decode, caption, separate, silence_ratio, scene_complexity, levels"
    stages = f"stages=[{names}, {{filter: {{criteria: filters.yaml}}}}]"
    assert load(stages).screens == {}
    assert list(load(stages, "scores=cascade").screens) == ["caption", "silence_ratio"]


def test_a_cascade_needs_criteria(load: Load) -> None:
    with pytest.raises(UserError, match="--set scores=cascade: a cascade needs a stage that gives verdicts"):
        load("stages=[decode, caption, separate, silence_ratio]", "scores=cascade")
    with pytest.raises(UserError, match="nowhere: not a run directory"):
        load("scores=cascade", "cascade.measured=nowhere")


def test_a_pipeline_travels(load: Load) -> None:
    pipeline = load()
    travelled = pickle.loads(pickle.dumps(pipeline))
    assert travelled.digest == pipeline.digest
    assert travelled.stages[0].context.sample_rate == 16000


def test_the_samples_table_has_every_column_once(load: Load) -> None:
    manifest = pa.schema([*MANIFEST_SCHEMA, pa.field("city", pa.string())])
    schema = load().sample_schema(manifest)
    assert len(schema.names) == len(set(schema.names))
    wanted = {"unit_id", "sample_id", "uri", "start", "duration", "text", "text_source", "kind", "kept"}
    wanted |= {"failed_criteria", "status", "stage", "error_type", "error", "shard", "key"}
    wanted |= {"silence_ratio", "city", "pipeline_digest", "models", "round"}
    assert wanted <= set(schema.names)
    assert not {"mixture", "target", "residual"} & set(schema.names)
    assert schema.field("silence_ratio").type == pa.float32()
    assert SCHEMA_KEY in schema.metadata


def test_a_column_of_the_manifest_may_not_have_a_name_that_is_taken(load: Load) -> None:
    schema = versioned([*MANIFEST_SCHEMA, pa.field("kept", pa.string())])
    pq.write_table(schema.empty_table(), "manifest.parquet")
    with pytest.raises(UserError, match=r"pipeline.yaml:1: the manifest's column 'kept'"):
        load()


def test_missing_weights_are_named_with_the_stage_that_needs_them(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Another entry in the profile, so that no card of an earlier test is found.
    (tmp_path / "profile.yaml").write_text(
        "name: without weights\nsample_rate: 16000\nmodels: {voice_activity_detector: {adapter: silero}}\n"
    )

    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("dataengine.models.adapter.metadata.distribution", missing)
    (tmp_path / "needs.py").write_text(
        dedent(
            """
            from dataengine import Stage

            class Needs(Stage):
                "Needs a model."

                roles = ("voice_activity_detector",)

                def process(self, batch):
                    return batch
            """
        )
    )
    with pytest.raises(
        UserError, match=r"^--set stages=.*: the weights in package .* are missing; run: pip install"
    ):
        load("stages=[decode, needs]", "profile=profile.yaml", sources=("needs.py",))


def stage_file(path: Path, body: str) -> str:
    header = "import pyarrow as pa\nfrom dataengine import Stage\n\n"
    path.write_text(header + dedent(body))
    return str(path)


PEAK = """
class Peak(Stage):
    "Highest level."

    reads = ("mixture",)
    adds = {"peak": pa.float32()}
    gain: float = 1.0

    def process(self, batch):
        return batch.with_columns(peak=[self.gain * abs(each).max() for each in batch["mixture"]])
"""


def test_a_stage_from_a_file_works_where_the_file_is_not(load: Load, tmp_path: Path) -> None:
    source = stage_file(tmp_path / "mine.py", PEAK)
    pipeline = load("stages=[decode, peak: {gain: 2}]", sources=(source,))
    assert pipeline.stage_sources == (source,)
    assert "peak" in pipeline.sample_schema(MANIFEST_SCHEMA).names

    import cloudpickle

    from dataengine.stage_catalogue import send_file_stages_by_value

    send_file_stages_by_value()
    (tmp_path / "stage.pickle").write_bytes(cloudpickle.dumps(pipeline.stages[-1]))
    Path(source).unlink()
    program = (
        "import pickle, numpy as np; from dataengine.engine.batch import Batch\n"
        "stage = pickle.load(open('stage.pickle', 'rb'))\n"
        "print(float(stage.process(Batch({'mixture': [np.array([0.25])]}))['peak'][0]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.5"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1", r"mine.py: defines no stage"),
        ("\n\nraise ValueError('broken')", r"mine.py:6: ValueError: broken"),
        ("\nclass Open(:", r"mine.py:5: SyntaxError"),
        (PEAK.replace("Peak", "Decode"), r"mine.py: stage 'decode' exists already"),
        (PEAK.replace("peak", "shard"), r"stage 'peak' writes 'shard', which belongs to the engine"),
        (PEAK.replace('"peak"', '"text"'), r"stage 'peak' writes 'text' as float, and it is string elsewhere"),
        (PEAK.replace('("mixture",)', '("mixtures",)'), r"stage 'peak' reads 'mixtures', .* did you mean 'mixture'\?"),
        (PEAK.replace('"peak": pa.float32()', '"mixture": pa.large_list(pa.float32())').replace('"mixture",', ""),
         r"stage 'peak' writes 'mixture', which stage 'decode' has written and it does not read"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_stage_of_ones_own_is_said(
    body: str, message: str, load: Load, tmp_path: Path
) -> None:
    source = stage_file(tmp_path / "mine.py", body)
    with pytest.raises(UserError, match=message):
        load("stages=[decode, peak]", sources=(source,))


def test_a_stage_from_a_module_that_cannot_be_imported(load: Load) -> None:
    with pytest.raises(UserError, match=r"^no_such_module: No module named 'no_such_module'; install it"):
        load(sources=("no_such_module",))


def test_an_installed_package_offers_stages(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "offering-1.0.dist-info").mkdir(parents=True)
    (site / "offering-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n"
    )
    (site / "offering-1.0.dist-info" / "entry_points.txt").write_text(
        "[dataengine.stages]\npeak = offering:Peak\ngone = offering:Gone\nno_stage = pathlib:Path\n"
    )
    stage_file(site / "offering.py", PEAK)
    monkeypatch.syspath_prepend(site)
    assert "peak" in load("stages=[decode, peak]").sample_schema(MANIFEST_SCHEMA).names
    with pytest.raises(UserError, match=r"stage 'gone' \(offering:Gone\) cannot be imported"):
        load("stages=[decode, gone]")
    with pytest.raises(UserError, match=r"'no_stage' is registered as a stage and is no subclass"):
        load("stages=[decode, no_stage]")


def test_a_pipeline_file_cannot_name_code(load: Load) -> None:
    with pytest.raises(UserError, match="unknown key 'stage_sources'"):
        load("stage_sources=[mine.py]")
    with pytest.raises(UserError, match=r"unknown stage 'os:system'"):
        load("stages=[os:system]")
