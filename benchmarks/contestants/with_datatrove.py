"""datatrove: four steps over documents, which hand each other NumPy arrays within a process."""

from pathlib import Path

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers import ParquetWriter
from engine_work import CLIPS_A_TASK, WORKERS, Task, decode, encode, mask, pieces, score, write_tar


class Clips(PipelineStep):
    """Yields every WORKERS-th clip, decoded."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self.paths = paths

    def run(self, data, rank: int = 0, world_size: int = 1):
        """Of this rank."""
        for path in self.paths[rank::world_size]:
            yield Document(text="", id=path, metadata={"waveform": decode(path)})


class Mask(PipelineStep):
    """Replaces the waveform."""

    def run(self, data, rank: int = 0, world_size: int = 1):
        """Document by document."""
        for document in data:
            document.metadata["waveform"] = mask(document.metadata["waveform"])
            yield document


class Score(PipelineStep):
    """Adds the score."""

    def run(self, data, rank: int = 0, world_size: int = 1):
        """Document by document."""
        for document in data:
            document.metadata["score"] = score(document.metadata["waveform"])
            yield document


class Store(PipelineStep):
    """Encodes into tars; the waveforms go."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.output = output

    def run(self, data, rank: int = 0, world_size: int = 1):
        """A tar's worth of documents at a time."""
        encoded = ((document, encode(document.metadata.pop("waveform"))) for document in data)
        for number, some in enumerate(pieces(encoded, CLIPS_A_TASK)):
            write_tar(self.output / f"{rank}-{number:05d}.tar", ((d.id, flac) for d, flac in some))
            yield from (document for document, _ in some)


def main() -> None:
    """One task a worker: each costs a start."""
    task = Task.from_arguments()
    steps = [
        Clips(task.paths),
        Mask(),
        Score(),
        Store(task.output),
        ParquetWriter(str(task.output), expand_metadata=True),
    ]
    task.ready()
    LocalPipelineExecutor(steps, tasks=WORKERS, logging_dir=str(task.output / "logs")).run()


if __name__ == "__main__":
    main()
