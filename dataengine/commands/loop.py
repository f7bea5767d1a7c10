"""`dataengine loop` and its subcommands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dataengine.commands.run import engine_errors
from dataengine.evaluation.bootstrap import Estimate
from dataengine.loop.configuration import LoopConfig
from dataengine.loop.promotion import ALL, in_words
from dataengine.loop.state import (
    EVALUATION_FILE,
    LABEL_FOLDER,
    LoopDirectory,
    LoopState,
    RoundState,
    separator_name,
)
from dataengine.report.formats import printable
from dataengine.run_files import SUMMARY_FILE
from dataengine.stopping import on_sigterm, stop_at_once


def run(path: Path, overrides: Sequence[str], address: str | None, as_json: bool) -> None:
    """Run the loop that a file describes, write its report, and print its rounds."""
    config = LoopConfig.load(path, overrides)
    from dataengine.loop.running import run_loop  # engine and trainer take seconds to import

    told = Console(stderr=True)

    def tell(state: LoopState) -> None:
        last = state.rounds[-1]
        told.print(printable(f"round {last.number}: {_progress(last)}"), highlight=False)

    with engine_errors(), on_sigterm(stop_at_once):
        run_loop(config, address=address, on_change=tell)
    status(Path(config.directory), as_json)


def status(place: Path, as_json: bool) -> None:
    """Print how far a loop is, and what its rounds came to."""
    directory = LoopDirectory(place)
    state = directory.state()
    rounds = [_facts(directory, state, each) for each in state.rounds]
    if as_json:
        rollbacks = [each.model_dump() for each in state.rollbacks]
        print(json.dumps({"promoted": state.promoted, "rounds": rounds, "rollbacks": rollbacks}))
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("round", "labelled by", "packed", "gain on the gate set", "outcome"):
        table.add_column(heading)
    for each, facts in zip(state.rounds, rounds, strict=True):
        gain = (facts["difference"] or {}).get(ALL)
        table.add_row(
            str(each.number),
            separator_name(each.labelled_by),
            "–" if facts["packed"] is None else str(facts["packed"]),
            in_words(Estimate(**gain)) if gain else "–",
            printable(_progress(each)),
        )
    Console().print(table)
    Console().print(f"promoted: {separator_name(state.promoted)}", highlight=False)


def report(place: Path) -> None:
    """Write a loop's report and print where it is."""
    from dataengine.loop.page import write_loop_report  # what draws takes a second to import

    print(write_loop_report(LoopDirectory(place)))


def rollback(place: Path, to: int) -> None:
    """Promote the separator of an earlier round again, and say so."""
    from dataengine.engine.lease import Lease

    directory = LoopDirectory(place)
    directory.state()
    with Lease(directory.storage):
        directory.save(directory.state().rolled_back(to))
    print(f"promoted: {separator_name(to)}")


def show_lineage(place: Path, number: int | None, as_json: bool) -> None:
    """Print which recordings shaped a separator."""
    from dataengine.loop.lineage import lineage  # the trainer takes seconds to import
    from dataengine.loop.separators import Separators

    directory = LoopDirectory(place)
    state = directory.state()
    config = LoopConfig.model_validate({**json.loads(state.settings), "directory": str(place), "rounds": 1})
    found = lineage(Separators(config, directory), state, number)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("recording", "licence", "through"):
        table.add_column(heading, overflow="fold")
    for each in found.recordings:
        through = "; ".join(
            f"{training}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            for training, kinds in each.through.items()
        )
        table.add_row(printable(each.uri), printable(each.licence or "not told"), printable(through))
    Console().print(table)
    facts = [
        f"{separator_name(found.separator)} was shaped by {len(found.recordings)} recordings",
        *(f"it goes back to {origin}, which does not say what it was trained on" for origin in found.origins),
        *([f"{found.untold} samples do not say which recording they are from"] if found.untold else []),
    ]
    Console().print(printable("; ".join(facts)), highlight=False)


def _facts(directory: LoopDirectory, state: LoopState, of_round: RoundState) -> dict[str, Any]:
    labels = state.round_with_labels_of(of_round.labelled_by)
    summary = _read(directory, labels, f"{LABEL_FOLDER}/{SUMMARY_FILE}")
    evaluation = _read(directory, of_round.number, EVALUATION_FILE)
    counts = summary.get("counts", {})
    return {
        **of_round.model_dump(),
        "labels": str(directory.round(labels) / LABEL_FOLDER),
        "candidates": counts.get("candidates"),
        "kept": counts.get("kept"),
        "packed": summary.get("packed"),
        **{key: evaluation.get(key) for key in ("metric", "questions", "clips", "old", "new", "difference")},
    }


def _read(directory: LoopDirectory, number: int, file: str) -> dict[str, Any]:
    """A JSON file of a round; empty before it is there."""
    name = directory.name(number, file)
    found: dict[str, Any] = json.loads(directory.storage.read(name)) if directory.storage.exists(name) else {}
    return found


def _progress(state: RoundState) -> str:
    if state.decision is None:
        return f"next: {state.step}"
    return f"{'promoted' if state.decision.promoted else 'kept back'}: {state.decision.reason}"
