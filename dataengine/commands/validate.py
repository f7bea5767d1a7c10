"""`dataengine validate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dataengine.licences import refuse_non_commercial
from dataengine.pipeline import Pipeline


def validate(
    path: Path, overrides: Sequence[str], stage_sources: Sequence[str], commercial_only: bool, as_json: bool
) -> None:
    """Load a pipeline and say what it is. Raises UserError for the first thing that is wrong with it."""
    pipeline = Pipeline.load(path, overrides, stage_sources)
    if commercial_only:
        refuse_non_commercial(pipeline)
    warn_of_other_models(pipeline)
    names = [stage.name() for stage in pipeline.stages]
    if as_json:
        print(
            json.dumps({"digest": pipeline.digest, "stages": names, "identity": pipeline.identity}, indent=2)
        )
        return
    print(f"{path} is sound: {', '.join(names)}")
    print(f"profile {pipeline.profile.name}, input {pipeline.input}, digest {pipeline.digest}")


def warn_of_other_models(pipeline: Pipeline) -> None:
    """Say on one line of standard error that thresholds were chosen for other models than the profile has."""
    if roles := pipeline.roles_not_calibrated_for:
        print(
            f"dataengine: warning: the filter's thresholds were calibrated with another {' and '.join(roles)}; "
            "choose them anew for these models: dataengine calibrate",
            file=sys.stderr,
        )
