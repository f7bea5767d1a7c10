"""From a window of a recording to its waveform."""

from __future__ import annotations

from collections import defaultdict

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from manifests.media import Waveform, open_recording
from manifests.schema import WAVEFORM


class Decode(Stage):
    """Reads each window as mono float32 at the profile's rate; channels are averaged.

    A bad recording raises `manifests.media.MediaError`; storage that fails raises OSError.
    """

    reads = ("uri", "start", "duration")
    adds = {"mixture": WAVEFORM}

    def process(self, batch: Batch) -> Batch:
        """Windows of one recording are read together, so that it is opened once."""
        uris, starts, durations = list(batch["uri"]), batch["start"], batch["duration"]
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row, uri in enumerate(uris):
            rows_of[uri].append(row)
        mixtures: list[Waveform | None] = [None] * len(batch)
        for uri, rows in rows_of.items():
            with open_recording(uri) as recording:
                for row in sorted(rows, key=lambda row: float(starts[row])):
                    mixtures[row] = recording.read(
                        float(starts[row]), float(durations[row]), self.context.sample_rate
                    )
        return batch.with_columns(mixture=mixtures)
