"""Whether memory depends on how much there is to do.

    python benchmarks/memory.py [--windows 1000]

Runs one pipeline on so many 10-s clips and on ten times as many, and on a recording of twelve hours, and
indexes one clip and that recording. Measured is the highest memory of driver and workers together, sampled ten times a
second (process_tree.py); Ray's own processes are left out. Goals: ten times the windows take no more; the long
recording's share does not follow its length.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import soundfile
from engine import DATAENGINE, ENVIRONMENT, FOLDER, make_clips, write_pipeline
from engine_work import SAMPLE_RATE, clip_paths, decode
from process_tree import DRIVER, OTHER, WORKER, Measured, measure

HOURS = 12
MEGABYTE = 1e6
PROGRAM = str(Path(sys.executable).with_name(DATAENGINE))
STAGES = str(Path(__file__).resolve().parent / "contestants/dataengine_stages.py")


def long_recording(clips: Path) -> Path:
    """Clips one after the other, for twelve hours, as one FLAC file."""
    folder = FOLDER / "long"
    recording = folder / "long.flac"
    if recording.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    temporary = FOLDER / "long.incomplete.flac"
    sources = clip_paths(clips, 360)
    with soundfile.SoundFile(temporary, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for _ in range(HOURS):
            for source in sources:
                file.write(decode(source))
    temporary.rename(recording)
    return folder


def run(manifest: Path, name: str) -> Measured:
    """Decode and score every window, at the engine's own settings; the audio is stored."""
    pipeline = FOLDER / "memory.yaml"
    pipeline.write_text(f"input: {manifest}\nstages: [decode, score_clip]\n")
    output = FOLDER / "output"
    shutil.rmtree(output, ignore_errors=True)
    command = [PROGRAM, "run", str(pipeline), "--stages", STAGES, "--run-dir", str(output)]
    measured = measure(command, FOLDER / "logs" / f"memory-{name}.txt", ENVIRONMENT)
    shutil.rmtree(output)
    return measured


def index(source: Path, manifest: Path) -> Measured:
    """Index a file or folder; all its processes count."""
    manifest.unlink(missing_ok=True)
    return measure(
        [PROGRAM, "index", str(source), "-o", str(manifest)], FOLDER / "logs" / "index.txt", ENVIRONMENT
    )


def main() -> None:
    """Measure each, and compare with the smallest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=1_000)
    parser.add_argument("--recordings", type=Path, default=Path("data/demo/pool"))
    options = parser.parse_args()
    clips = make_clips(options.recordings, 10 * options.windows)
    long = long_recording(clips)
    ours = (DRIVER, WORKER)
    peaks: dict[str, int] = {}
    for count in (options.windows, 10 * options.windows):
        write_pipeline(clips, count)
        peaks[f"run, {count:,} clips"] = run(FOLDER / "clips.parquet", str(count)).peak_memory(*ours)
    one = FOLDER / "one"
    shutil.rmtree(one, ignore_errors=True)
    one.mkdir()
    os.link(clip_paths(clips, 1)[0], one / "clip.flac")
    every = (DRIVER, WORKER, OTHER)
    indexed = {
        "index, one clip": index(one, FOLDER / "one.parquet").peak_memory(*every),
        f"index, {HOURS} hours": index(long, FOLDER / "long.parquet").peak_memory(*every),
    }
    peaks[f"run, {HOURS} hours"] = run(FOLDER / "long.parquet", "long").peak_memory(*ours)
    for group in (peaks, indexed):
        first = next(iter(group.values()))
        for name, peak in group.items():
            print(f"{name:24} {peak / MEGABYTE:8,.0f} MB  ratio {peak / first:.2f}")


if __name__ == "__main__":
    main()
