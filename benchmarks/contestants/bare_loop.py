"""The bare loop, in as many processes as the fourth argument says: nothing is handed to anyone."""

import sys
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from engine_work import CLIPS_A_TASK, Task, decode, encode, mask, pieces, score, write_tar


def work(paths: list[str], output: Path, process: int) -> None:
    """All clips of one process, one after the other; the table is written once, at the end."""
    scores: list[float] = []
    for number, some in enumerate(pieces(paths, CLIPS_A_TASK)):
        encoded = []
        for path in some:
            masked = mask(decode(path))
            scores.append(score(masked))
            encoded.append((path, encode(masked)))
        write_tar(output / f"{process}-{number:05d}.tar", encoded)
    pq.write_table(pa.table({"clip": paths, "score": scores}), output / f"{process}.parquet")


def main() -> None:
    """Share the clips evenly."""
    task = Task.from_arguments()
    processes = int(sys.argv[4])
    task.ready()
    if processes == 1:
        work(task.paths, task.output, 0)
        return
    context = get_context("fork")
    shares = [
        context.Process(target=work, args=(task.paths[n::processes], task.output, n))
        for n in range(processes)
    ]
    for share in shares:
        share.start()
    for share in shares:
        share.join()
    if any(share.exitcode for share in shares):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
