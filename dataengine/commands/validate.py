"""`dataengine validate`."""

from __future__ import annotations

import json
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
    names = [stage.name() for stage in pipeline.stages]
    if as_json:
        print(
            json.dumps({"digest": pipeline.digest, "stages": names, "identity": pipeline.identity}, indent=2)
        )
        return
    print(f"{path} is sound: {', '.join(names)}")
    print(f"profile {pipeline.profile.name}, input {pipeline.input}, digest {pipeline.digest}")
