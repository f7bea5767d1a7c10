"""A stage that leaves a trace of every unit it works on, to count what is done twice, and that can be held up."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dataengine import Stage
from dataengine.engine.batch import Batch

FOLDER = "DATAENGINE_TEST_COUNT_FOLDER"
"""Environment variable: where the traces go, a file a process."""
HOLD = "hold"
"""A file in that folder: as long as it is there, nothing goes on."""


class Count(Stage):
    """Notes the units that come by, once nothing holds them up."""

    reads = ("unit_id",)

    def process(self, batch: Batch) -> Batch:
        folder = Path(os.environ[FOLDER])
        while (folder / HOLD).exists():
            time.sleep(0.05)
        with (folder / str(os.getpid())).open("a") as file:
            file.writelines(f"{unit}\n" for unit in batch["unit_id"])
        return batch


def counted(folder: Path) -> list[str]:
    """The units of all traces, once for each time they came by."""
    return [line for path in folder.iterdir() for line in path.read_text().split()]
