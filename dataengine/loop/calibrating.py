"""Thresholds for the separator that labels in a round: a threshold belongs to the model that made the score."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import conf
from dataengine.evaluation.calibrated_run import write_calibrated_filters
from dataengine.evaluation.calibration import Goal
from dataengine.evaluation.truth import judge_run
from dataengine.loop.configuration import CalibrateSettings
from dataengine.pipeline import Pipeline
from dataengine.report.run_directory import RunDirectory

CALIBRATION_FOLDER = "calibration"
FILTER_FILE = "filters.yaml"


def calibrated_filters(
    settings: CalibrateSettings, pipeline: str, changes: list[str], folder: Path, address: str | None
) -> Path:
    """The filter file of a round, chosen on scenes whose sources are known, unless it is there already.

    Args:
        settings: the scenes, and what is asked of the thresholds.
        pipeline: pipeline file of the round.
        changes: made to it, profile included.
        folder: of the round; takes the run over the scenes, and the filter file.
        address: of a Ray cluster.
    """
    from dataengine.runner import run  # the engine takes a second to import

    out = folder / FILTER_FILE
    if not out.is_file():
        place = folder / CALIBRATION_FOLDER
        run(calibration_pipeline(settings, pipeline, changes), place, address=address)
        labelled, truth = RunDirectory.at(place), [Path(settings.truth)]
        write_calibrated_filters(
            labelled,
            judge_run(labelled, truth),
            truth,
            Path(settings.criteria),
            settings.scores,
            Goal(settings.precision, settings.confidence),
            out,
        )
    return out


def calibration_pipeline(settings: CalibrateSettings, pipeline: str, changes: list[str]) -> Pipeline:
    """The round's pipeline on the scenes, with the audio of every candidate kept to be judged."""
    retain_all = Path(str(resources.files(conf))) / "filters" / "retain_all.yaml"
    own = [f"input={json.dumps(settings.input)}", f"stages.filter.criteria={json.dumps(str(retain_all))}"]
    return Pipeline.load(pipeline, [*changes, *own])
