"""How often a kept label is right: scenes of splits `gate` and `pool`, whose truth is known.

    python benchmarks/label_quality.py [--scenes 2300] [--seed 0] [--filters conf/filters/embedded.yaml]

Builds the scenes, indexes them, runs stages/pseudolabel.yaml so that the audio of every candidate stays, judges each
against the truth (`dataengine.evaluation.truth`), and decides by the filter file. Whatever exists is used
again: an interrupted call goes on where it stopped, and another filter file takes a minute. Writes
`label_quality.md` and `label_quality.json` into the folder of the scenes. Intervals are at 95 % and know which
candidates share a clip. Goal: kept ≥ 0.90 right (lower end ≥ 0.85, ≥ 150 kept) while ≥ 30 % of the
right ones are kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataengine import Pipeline, run
from dataengine.engine.database import quoted
from dataengine.evaluation.proportion import Clusters, Mask, Share, share
from dataengine.evaluation.truth import judge_run
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from manifests.catalogue.demo import build_demo
from manifests.indexing import IndexOptions, index
from stages.criteria import NOT, Criterion, FilterFile, decide, load_filter_file

SPLITS = ("gate", "pool")
PIPELINE = "stages/pseudolabel.yaml"
RETAIN_ALL = "conf/filters/retain_all.yaml"
SCORES = (
    "expected_gain_db",
    "stem_overlap",
    "speech_target",
    "speech_residual",
    "text_audio_target",
    "text_audio_residual",
    "text_audio_mixture",
    "text_confidence",
    "scene_complexity",
    "silence_ratio",
    "target_level_db",
    "residual_level_db",
    "spikiness",
)


@dataclass(frozen=True)
class Row:
    """A line of a table: what the candidates of one kind come to."""

    name: str
    candidates: int
    right: Share
    kept: int
    kept_right: Share
    kept_of_right: Share


class Judged:
    """Candidates with scores and verdicts, and what a choice of them comes to."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self.samples = samples
        self.right: Mask = samples["right"].to_numpy(dtype=bool)
        self.clusters = Clusters(samples["clips"].tolist())

    def __len__(self) -> int:
        return len(self.right)

    def row(self, name: str, kept: Mask, among: Mask | None = None) -> Row:
        """The line for the rows `among` all, of which `kept` are kept."""
        among = np.ones(len(self), dtype=bool) if among is None else among
        return Row(
            name,
            int(among.sum()),
            share(self.right, self.clusters, among=among),
            int((kept & among).sum()),
            share(self.right, self.clusters, among=kept & among),
            share(kept, self.clusters, among=self.right & among),
        )

    def columns(self, criteria: Sequence[Criterion]) -> dict[str, Any]:
        """The columns that criteria need."""
        return {name: self.samples[name].to_numpy() for c in criteria for name in c.columns}

    def passed(self, criteria: Sequence[Criterion]) -> Mask:
        """[rows], which pass all of the criteria."""
        return decide(tuple(criteria), self.columns(criteria), len(self)).passed

    def where(self, when: str | None) -> Mask:
        """[rows], where a criterion's condition holds."""
        if when is None:
            return np.ones(len(self), dtype=bool)
        return self.samples[when.removeprefix(NOT).strip()].to_numpy(dtype=bool) ^ when.startswith(NOT)


def label(folder: Path, run_dir: Path, scenes: int, seed: int) -> RunDirectory:
    """Build, index and label the scenes; what is there is used again."""
    counts = {split: -(-scenes // len(SPLITS)) for split in SPLITS}
    demos = build_demo(folder, counts, seed=seed, recordings=Path("data/recordings"))
    manifest = folder / f"scenes-{sum(counts.values())}.parquet"
    if not manifest.exists():
        index([str(demo.scenes) for demo in demos], str(manifest), IndexOptions())
    overrides = [f"input={manifest}", f"stages.filter.criteria={RETAIN_ALL}"]
    run(Pipeline.load(PIPELINE, overrides), run_dir)
    return RunDirectory.at(run_dir)


def judged_samples(labelled: RunDirectory, folder: Path) -> pd.DataFrame:
    """Every candidate with its scores and what the truth says of it."""
    truth = judge_run(labelled, [folder / "truth" / f"{split}.parquet" for split in SPLITS]).to_pandas()
    names = ["sample_id", "uri", "text", "speech_prompt", "remix_error_db", *SCORES]
    rows = labelled.query(f"SELECT {', '.join(map(quoted, names))} FROM samples WHERE {CANDIDATE}")
    samples = pd.DataFrame.from_records(rows, columns=names)
    samples["split"] = samples["uri"].map(lambda uri: Path(uri).parent.name)
    return samples.merge(truth, on="sample_id", validate="one_to_one").sort_values(
        "sample_id", ignore_index=True
    )


def by_kind(judged: Judged, kept: Mask) -> Iterator[Row]:
    """Lines for everything, each split, kind of prompt and type of scene."""
    yield judged.row("all", kept)
    for split in SPLITS:
        yield judged.row(split, kept, (judged.samples["split"] == split).to_numpy())
    speech = judged.where("speech_prompt")
    yield judged.row("prompts for speech", kept, speech)
    yield judged.row("other prompts", kept, ~speech)
    for scene_type in sorted(judged.samples["scene_type"].unique()):
        of_type = (judged.samples["scene_type"] == scene_type).to_numpy()
        for prompts, asked in (("speech", speech), ("other", ~speech)):
            yield judged.row(f"{scene_type}, {prompts} prompts", kept, of_type & asked)


def by_criterion(judged: Judged, filters: FilterFile) -> Iterator[Row]:
    """For each criterion, among the candidates it applies to: it alone, and all others without it."""
    for criterion in filters.criteria:
        concerned = judged.where(criterion.when)
        yield judged.row(f"{criterion.name}, alone", judged.passed([criterion]), concerned)
        others = [other for other in filters.criteria if other is not criterion]
        yield judged.row(f"{criterion.name}, left out", judged.passed(others), concerned)


def auc(scores: pd.Series, right: Mask) -> float:
    """Chance that a right candidate's score is above a wrong one's; 0.5 tells nothing."""
    known = scores.notna().to_numpy()
    ranks, right = scores[known].rank().to_numpy(), right[known]
    positive, negative = int(right.sum()), int((~right).sum())
    if not positive or not negative:
        return float("nan")
    return float((ranks[right].sum() - positive * (positive + 1) / 2) / (positive * negative))


def discrimination(judged: Judged) -> list[dict[str, Any]]:
    """AUC of every score for prompts for speech, for others, and for others in scenes that hold speech."""
    speech = judged.where("speech_prompt")
    spoken = judged.samples["scene_type"].str.startswith("speech").to_numpy()
    groups = {"speech": speech, "other": ~speech, "other, in scenes with speech": ~speech & spoken}
    return [
        {
            "score": name,
            **{g: auc(judged.samples[name][mask], judged.right[mask]) for g, mask in groups.items()},
        }
        for name in SCORES
    ]


def reasons(judged: Judged, kept: Mask) -> list[dict[str, Any]]:
    """Why candidates are right or wrong, all and kept, by type of scene."""
    table = judged.samples.assign(kept=kept).groupby(["scene_type", "reason"], as_index=False)["kept"]
    return table.agg(candidates="size", kept="sum").to_dict("records")


def markdown(result: dict[str, Any]) -> str:
    """The tables as a page."""
    parts = [
        f"Filter file `{result['filters']}`, {result['scenes']:,} scenes of known sources (seed {result['seed']}), "
        f"{result['judged']:,} candidates judged, "
        f"{result['not_judged']:,} not ({result['not_judged_kept']:,} of them kept).",
        _table_of_rows(result["kinds"]),
        _table_of_rows(result["criteria"]),
        _table(result["reasons"]),
        _table(result["auc"]),
        "\n".join(
            f"- {name}: {'reached' if met else '**not reached**'}" for name, met in result["goal"].items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table_of_rows(rows: Sequence[dict[str, Any]]) -> str:
    return _table(
        [
            {
                "": row["name"],
                "candidates": row["candidates"],
                "right": _percent(row["right"]),
                "kept": row["kept"],
                "right of the kept": _percent(row["kept_right"]),
                "kept of the right": _percent(row["kept_of_right"]),
            }
            for row in rows
        ]
    )


def _percent(found: dict[str, float]) -> str:
    if not found["count"]:
        return "–"
    return f"{found['value']:.1%} ({found['low']:.0%}–{found['high']:.0%})"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(map(_cell, row.values())) for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def goal(row: Row) -> dict[str, bool]:
    """The figures that are to be reached."""
    return {
        "kept at least 0.90 right": row.kept_right.value >= 0.90,
        "lower end at least 0.85": row.kept_right.low >= 0.85,
        "at least 150 kept": row.kept >= 150,
        "at least 30 % of the right ones kept": row.kept_of_right.value >= 0.30,
    }


def main() -> None:
    """Build, label, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scenes", type=int, default=2300, help="one in ten is a recording that nobody knows"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the scenes: which clips meet, when and how loud"
    )
    parser.add_argument("--filters", type=Path, default=Path("conf/filters/embedded.yaml"))
    parser.add_argument("--folder", type=Path, help="default: data/label_quality-SEED")
    parser.add_argument("--run-dir", type=Path, help="default: runs/label_quality-SEED-SCENES")
    options = parser.parse_args()
    folder = options.folder or Path(f"data/label_quality-{options.seed}")
    run_dir = options.run_dir or Path(f"runs/label_quality-{options.seed}-{options.scenes}")
    filters = load_filter_file(str(options.filters))
    samples = judged_samples(label(folder, run_dir, options.scenes, options.seed), folder)
    known = samples["right"].notna()
    judged, unknown = Judged(samples[known].reset_index(drop=True)), samples[~known].assign(right=False)
    kept = judged.passed(filters.criteria)
    kinds = list(by_kind(judged, kept))
    result = {
        "filters": str(options.filters),
        "seed": options.seed,
        "scenes": int(samples["scene"][known].nunique()),
        "judged": len(judged),
        "not_judged": len(unknown),
        "not_judged_kept": int(Judged(unknown.reset_index(drop=True)).passed(filters.criteria).sum()),
        "kinds": [asdict(row) for row in kinds],
        "criteria": [asdict(row) for row in by_criterion(judged, filters)],
        "reasons": reasons(judged, kept),
        "auc": discrimination(judged),
        "goal": goal(kinds[0]),
    }
    page = markdown(result)
    (folder / "label_quality.json").write_text(json.dumps(result, indent=2))
    (folder / "label_quality.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
