"""Writing a calibrated filter file, with everything that says where its thresholds come from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataengine.evaluation.calibration import Calibration, CurvePoint, Group
from dataengine.evaluation.labelled import LabelledSamples
from dataengine.yaml_source import dump_yaml
from stages.criteria import Criterion, FilterFile

CURVE_DIGITS = 4


def provenance(
    calibration: Calibration,
    labelled: LabelledSamples,
    tables: Sequence[Path],
    pipeline_digest: str,
    models: Mapping[str, Any],
) -> dict[str, Any]:
    """The `calibration:` section: what was asked, of which labels and models, and the curve of each group.

    `tables` are the files that said what is right, as they were named. `models` are the cards in the run's
    provenance, by role. It holds no date: the same labels give the same file.
    """
    return {
        "asked": {"precision": calibration.goal.precision, "confidence": calibration.goal.confidence},
        "labels": {
            "tables": [table.as_posix() for table in tables],
            "digest": labelled.digest,
            "candidates": len(labelled),
            "right": int(labelled.right.sum()),
            "clips": len({clip for clips in labelled.clips for clip in clips}),
        },
        "pipeline_digest": pipeline_digest,
        "models": {
            role: {key: card[key] for key in ("adapter", "version", "digest")}
            for role, card in models.items()
        },
        "reached": calibration.reached,
        "overall": _point(calibration.overall),
        "curve_columns": list(_point(calibration.overall)),
        "groups": [_group(group) for group in calibration.groups],
    }


def write_filter_file(path: Path, filters: FilterFile) -> None:
    """Write a filter file; it appears whole, or the old one stays."""
    assert filters.calibration is not None
    text = "\n".join(
        [
            "# Thresholds chosen by `dataengine calibrate`, and what they are worth on clips that had no part in it.",
            *(f"# {remark}" for remark in _remarks(filters.calibration)),
            "criteria:",
            *map(_line, filters.criteria),
            *(["retain:", *map(_line, filters.retain)] if filters.retain else []),
            f"audit_share: {filters.audit_share}",
            dump_yaml({"calibration": filters.calibration}),
        ]
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _group(group: Group) -> dict[str, Any]:
    return {
        "when": group.when,
        "candidates": group.rows,
        "right": group.right,
        "chosen": None if group.chosen is None else _point(group.chosen),
        "unused": list(group.unused),
        "curve": [list(_point(point).values()) for point in group.curve],
    }


def _point(point: CurvePoint) -> dict[str, float]:
    return {
        "asked_yield": round(point.asked, CURVE_DIGITS),
        "kept": round(point.kept, 1),
        "precision": round(point.precision, CURVE_DIGITS),
        "bound": round(point.bound, CURVE_DIGITS),
        "effective": round(point.effective, 1),
        "yield": round(point.kept_of_right, CURVE_DIGITS),
    }


def _remarks(calibration: Mapping[str, Any]) -> Iterator[str]:
    asked = calibration["asked"]
    short = (
        ""
        if calibration["reached"]
        else f"; the bound that was asked, {asked['precision']:g}, is not reached"
    )
    yield f"All: {_figures(calibration['overall'])}{short}."
    for group in calibration["groups"]:
        if group["when"] is not None:
            found = _figures(group["chosen"]) if group["chosen"] else "nothing is kept"
            yield f"Where {group['when']}: {found}."


def _figures(point: Mapping[str, float]) -> str:
    return (
        f"{point['precision']:.1%} of the kept are right (lower bound {point['bound']:.1%}), "
        f"{point['yield']:.0%} of the right are kept"
    )


def _line(criterion: Criterion) -> str:
    """A criterion on one line, as a person writes it; JSON strings are YAML."""
    fields: dict[str, Any] = {"score": criterion.score, criterion.comparison: criterion.threshold}
    if criterion.when is not None:
        fields["when"] = criterion.when
    if criterion.name != criterion.score:
        fields["name"] = criterion.name
    return "  - {" + ", ".join(f"{key}: {_scalar(value)}" for key, value in fields.items()) + "}"


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) and _is_plain(value) else json.dumps(value)


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes in a flow mapping of YAML."""
    return text.replace("_", "").replace(" ", "").isalnum() and not text[0].isdigit()


def models_of(rows: Sequence[str]) -> dict[str, Any]:
    """The cards of the models that a run's provenance column names; all its rows name the same."""
    cards: dict[str, Any] = json.loads(rows[0])
    return cards
