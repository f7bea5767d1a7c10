"""What is said in the target."""

from __future__ import annotations

import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.roles import Transcriber


class Transcribe(Stage):
    """The words of the target of a prompt for speech, and their language; null for any other prompt.

    No criterion needs them: they are there to choose speech by, with a query of `samples/`.
    """

    reads = ("target", "speech_prompt")
    adds = {"transcript": pa.string(), "language": pa.string()}
    roles = ("transcriber",)

    _transcriber: Transcriber | None = PrivateAttr(default=None)

    def setup(self) -> None:
        """Load the transcriber."""
        self._transcriber = self.context.models.load("transcriber")

    def process(self, batch: Batch) -> Batch:
        """Add `transcript` and `language`."""
        assert self._transcriber is not None
        spoken = [place for place, speech in enumerate(batch["speech_prompt"]) if speech]
        targets = [batch["target"][place] for place in spoken]
        transcripts = self._transcriber.transcribe(targets, self.context.sample_rate)
        found = dict(zip(spoken, transcripts, strict=True))
        rows = [found.get(place) for place in range(len(batch))]
        return batch.with_columns(
            transcript=[each and each.text for each in rows],
            language=[each and each.language for each in rows],
        )
