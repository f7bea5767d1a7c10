"""A stage that leaves a trace of every unit it works on, to count what is done twice."""

from __future__ import annotations

import os
from pathlib import Path

from dataengine import Stage
from dataengine.engine.batch import Batch

FOLDER = "DATAENGINE_TEST_COUNT_FOLDER"
"""Environment variable: where the traces go, a file a process."""


class Count(Stage):
    """Notes the units that come by."""

    reads = ("unit_id",)

    def process(self, batch: Batch) -> Batch:
        with (Path(os.environ[FOLDER]) / str(os.getpid())).open("a") as file:
            file.writelines(f"{unit}\n" for unit in batch["unit_id"])
        return batch


def counted(folder: Path) -> list[str]:
    """The units of all traces, once for each time they came by."""
    return [line for path in folder.iterdir() for line in path.read_text().split()]
