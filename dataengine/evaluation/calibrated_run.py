"""From a run whose candidates were judged to a filter file with thresholds for its models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from dataengine.evaluation.calibration import Calibration, Goal
from dataengine.evaluation.calibration import calibrate as choose
from dataengine.evaluation.filter_writing import models_of, provenance, write_filter_file
from dataengine.evaluation.labelled import join_labels
from dataengine.report.run_directory import RunDirectory
from stages.criteria import load_filter_file


def write_calibrated_filters(
    run: RunDirectory,
    verdicts: pa.Table,
    tables: Sequence[Path],
    criteria: Path,
    scores: Sequence[str],
    goal: Goal,
    out: Path,
) -> Calibration:
    """Choose thresholds and write them to `out`, also if the goal cannot be reached.

    Args:
        run: holds the scores.
        verdicts: which samples are right, as `judge_run` and `read_labels` give them.
        tables: the files those come from, for the record.
        criteria: filter file that names scores, directions and conditions.
        scores: whose thresholds may move; none: all that the file names.
        goal: precision that is asked for.
        out: filter file; it appears whole, or the old one stays.

    Raises UserError if the filter file does not fit the run, or nothing of it was judged.
    """
    filters = load_filter_file(str(criteria), run.columns)
    asked = tuple(scores) or tuple(dict.fromkeys(criterion.score for criterion in filters.criteria))
    labelled = join_labels(run, verdicts, filters.columns)
    found = choose(labelled, filters, asked, goal)
    models = models_of([row for (row,) in run.query("SELECT models FROM samples LIMIT 1")])
    origin = provenance(found, labelled, tables, run.facts["pipeline_digest"], models)
    write_filter_file(out, found.filter_file(filters.audit_share, origin))
    return found
