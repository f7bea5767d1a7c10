"""`dataengine show`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataengine.errors import UserError
from dataengine.report.formats import printable, score, threshold
from dataengine.report.run_directory import RunDirectory
from dataengine.report.sample import Sample, find_samples, save_stems
from manifests.schema import KIND_UNIT, STATUS_EMPTY, STATUS_FAILED


def show(prefix: str, run_dir: str, play_to: Path | None, as_json: bool) -> None:
    """Print what a run knows of a sample, or of all samples of a unit. Raises UserError."""
    run = RunDirectory.at(run_dir)
    samples = find_samples(run, prefix)
    if play_to is not None and len(samples) > 1:
        raise UserError(f"{prefix!r} is a unit with {len(samples)} samples; --play-to takes one of them")
    if as_json:
        print(json.dumps([sample.as_plain() for sample in samples], indent=2))
    else:
        console = Console()
        console.print(_candidates(samples) if len(samples) > 1 else _sample(samples[0]))
    if play_to is not None:
        for path in save_stems(samples[0], play_to):
            print(path)


def _sample(sample: Sample) -> RenderableType:
    parts: list[RenderableType] = [_facts(sample)]
    if sample.checks:
        parts += ["", _checks(sample)]
    if sample.row["kind"] != KIND_UNIT:
        parts += ["", _provenance(sample)]
    if sample.row["traceback"]:
        parts += ["", Text(printable(sample.row["traceback"].rstrip()))]
    return Group(*parts)


def _facts(sample: Sample) -> Table:
    row = sample.row
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")

    def add(name: str, value: str | Text | None) -> None:
        if value:
            table.add_row(name, Text(printable(value)) if isinstance(value, str) else value)

    if row["kind"] != KIND_UNIT:
        add("prompt", Text(printable(row["text"] or "(no text)"), style="bold"))
        add("proposed by", _proposer(sample))
    add("verdict", _verdict(sample))
    add("sample", row["sample_id"])
    add("unit", row["unit_id"])
    add("recording", row["uri"])
    add("window", _window(sample))
    add("licence", row["licence"] or "not stated")
    if row["kind"] != KIND_UNIT:
        add("spans", _spans(sample))
        add("audio", _place(sample))
    if sample.run.selections:
        add("selections", f"{', '.join(sample.run.selections)}; the verdict above is the run's own")
    return table


def _provenance(sample: Sample) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for role, model in sample.models.items():
        table.add_row(
            role.replace("_", " "), Text(f"{model['adapter']} {model['version']}, {model['licence']}")
        )
    table.add_row("pipeline", sample.row["pipeline_digest"])
    return table


def _proposer(sample: Sample) -> str:
    confidence = sample.row["text_confidence"]
    sure = f", confidence {score(confidence)}" if confidence is not None else ""
    return f"{sample.row['text_source'] or '?'}{sure}"


def _window(sample: Sample) -> str:
    start, duration = sample.row["start"], sample.row["duration"]
    return "" if start is None or duration is None else f"{start:g} s to {start + duration:g} s"


def _verdict(sample: Sample) -> Text:
    row = sample.row
    if row["status"] == STATUS_FAILED:
        why = printable(f"{row['error_type']}: {row['error']}")
        return Text.assemble(("failed", "red"), f" at {row['stage']}: {why}")
    if row["status"] == STATUS_EMPTY:
        return Text("no candidates: nothing was proposed for this window")
    if row["kept"]:
        return Text.assemble(
            ("kept", "green"), f", but in no shard: {row['left_out']}" if row["left_out"] else ""
        )
    criteria = printable(", ".join(row["failed_criteria"] or []))
    retained = " (audio retained for a later selection)" if row["retained"] else ""
    return Text.assemble(("rejected", "red"), f" by {criteria}{retained}")


def _spans(sample: Sample) -> str:
    spans = sample.row["spans"]
    if spans is None:
        return ""
    listed = ", ".join(f"{span['start']:.2f} to {span['end']:.2f} s" for span in spans)
    return f"{sample.row['event_type'] or '?'}; {listed or 'no spans'}"


def _place(sample: Sample) -> str:
    if sample.row["shard"] is None:
        return "not stored"
    return f"{sample.run.storage.path(sample.row['shard'])}, {sample.row['key']}.*.flac"


def _checks(sample: Sample) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("criterion")
    table.add_column("score", justify="right")
    table.add_column("threshold")
    for check in sample.checks:
        decided = check.applies and check.evaluated
        mark, style = ("–", "dim") if not decided else ("✓", "green") if check.passed else ("✕", "red")
        asked = f"{check.comparison} {threshold(check.threshold)}" + (
            f" when {check.when}" if check.when else ""
        )
        row_style = "" if style == "green" else style
        shown = score(check.value) if check.evaluated else "not evaluated"
        table.add_row(Text(mark, style), Text(check.name), shown, Text(asked), style=row_style)
    for name, value in sample.other_scores.items():
        table.add_row("", Text(name), score(value), "no criterion", style="dim")
    return table


def _candidates(samples: list[Sample]) -> RenderableType:
    first = samples[0]
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("sample", "prompt", "verdict"):
        table.add_column(heading)
    for sample in samples:
        table.add_row(
            sample.row["sample_id"][:12], Text(printable(sample.row["text"] or "")), _verdict(sample)
        )
    about = f"unit {first.row['unit_id']}\n{printable(first.row['uri'])}, {_window(first)}"
    return Group(Text(about), "", table)
