"""data-juicer: four mappers, fused, so that waveforms pass between them in memory and not through its cache."""

import json
from pathlib import Path

from data_juicer.config import init_configs
from data_juicer.core import DefaultExecutor
from data_juicer.ops.base_op import OPERATORS, Mapper
from engine_work import CLIPS_A_BATCH, WORKERS, Task, decode, encode, mask, score, write_tar


@OPERATORS.register_module("decode_clip_mapper")
class DecodeClip(Mapper):
    """Paths → waveforms."""

    _batched_op = True

    def process_batched(self, samples):
        """A batch."""
        samples["waveform"] = [decode(path) for path in samples["clip"]]
        return samples


@OPERATORS.register_module("mask_clip_mapper")
class MaskClip(Mapper):
    """Waveforms → the same, masked."""

    _batched_op = True

    def process_batched(self, samples):
        """A batch."""
        samples["waveform"] = [mask(waveform) for waveform in samples["waveform"]]
        return samples


@OPERATORS.register_module("score_clip_mapper")
class ScoreClip(Mapper):
    """Adds the scores."""

    _batched_op = True

    def process_batched(self, samples):
        """A batch."""
        samples["score"] = [score(waveform) for waveform in samples["waveform"]]
        return samples


@OPERATORS.register_module("store_clip_mapper")
class StoreClip(Mapper):
    """Encodes into a tar; the waveforms go."""

    _batched_op = True

    def __init__(self, output: str = "", **options) -> None:
        super().__init__(**options)
        self.output = output

    def process_batched(self, samples):
        """A batch."""
        encoded = [(p, encode(w)) for p, w in zip(samples["clip"], samples.pop("waveform"), strict=True)]
        write_tar(Path(self.output) / f"{Path(encoded[0][0]).stem}.tar", encoded)
        return samples


def main() -> None:
    """Read, map, export."""
    task = Task.from_arguments()
    source = task.output / "input" / "clips.jsonl"
    source.parent.mkdir()
    source.write_text("".join(json.dumps({"text": "", "clip": path}) + "\n" for path in task.paths))
    steps = [{f"{name}_clip_mapper": {}} for name in ("decode", "mask", "score")]
    steps.append({"store_clip_mapper": {"output": str(task.output)}})
    recipe = {
        "project_name": "clips",
        "dataset_path": str(source),
        "export_path": str(task.output / "scores.parquet"),
        "work_dir": str(task.output / "work"),
        "np": WORKERS,
        "process": [{"general_fused_op": {"batch_size": CLIPS_A_BATCH, "fused_op_list": steps}}],
    }
    file = task.output / "recipe.json"
    file.write_text(json.dumps(recipe))
    executor = DefaultExecutor(init_configs(["--config", str(file)]))
    task.ready()
    executor.run()


if __name__ == "__main__":
    main()
