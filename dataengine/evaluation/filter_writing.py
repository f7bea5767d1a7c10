"""Writing a calibrated filter file, with everything that says where its thresholds come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataengine.evaluation.calibration import REPEATS, Calibration, CurvePoint, Group
from dataengine.evaluation.labelled import LabelledSamples
from dataengine.yaml_source import dump_yaml
from stages.criteria import Criterion, FilterFile

CURVE_DIGITS = 4


def provenance(
    calibration: Calibration, labelled: LabelledSamples, pipeline_digest: str, models: Mapping[str, Any]
) -> dict[str, Any]:
    """The `calibration:` section: what was asked, of which labels and models, and the curve of each group.

    `models` are the cards in the run's provenance, by role. It holds no date: the same labels give the same
    file.
    """
    return {
        "asked": {"precision": calibration.goal.precision, "confidence": calibration.goal.confidence},
        "labels": {
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
        "groups": [_group(group) for group in calibration.groups],
    }


def write_filter_file(path: Path, filters: FilterFile) -> None:
    """Write a filter file; it appears whole, or the old one stays."""
    assert filters.calibration is not None
    groups = filters.calibration["groups"]
    text = "\n".join(
        [
            "# Thresholds chosen by `dataengine calibrate`; what they are worth on clips that had no part in",
            "# choosing them:",
            *(f"#   {_remark(group)}" for group in groups),
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
        "reached": group.reached,
        "closed": group.closed,
        "chosen": _point(group.chosen),
        "unused": list(group.unused),
        "repeats": REPEATS,
        "curve": [list(_point(point).values()) for point in group.curve],
        "curve_columns": list(_point(group.chosen)),
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


def _remark(group: Mapping[str, Any]) -> str:
    found = group["chosen"]
    figures = (
        f"{found['precision']:.3f} of the kept are right (bound {found['bound']:.3f}), "
        f"{found['yield']:.2f} of the right are kept"
    )
    name = group["when"] or "all candidates"
    if group["closed"]:
        return f"{name}: nothing is kept; the nearest would have been: {figures}"
    return f"{name}: {figures}" + ("" if group["reached"] else "; that is less than was asked")


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
