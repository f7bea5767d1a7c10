"""A stage that logs and warns, as libraries do."""

from __future__ import annotations

import logging
import warnings

from dataengine import Stage
from dataengine.engine.batch import Batch

LOG = logging.getLogger("a_library")


class Talk(Stage):
    """Says something about every batch."""

    reads = ("unit_id",)

    def process(self, batch: Batch) -> Batch:
        LOG.warning("a strange header in %d files", len(batch))
        warnings.warn("slow path", stacklevel=1)
        return batch
