"""SAM 2 (Ravi et al., 2024) as object tracker, by transformers' `Sam2VideoModel`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataengine.models.adapter import Runtime
from dataengine.models.clip_tracker import (
    ClipTracker,
    FramesOnDemand,
    Mask,
    forget_far_from,
    frame_at,
    visual_of,
)
from dataengine.models.libraries import Library
from dataengine.models.roles import Frames, ModelCard, VisualPrompt
from dataengine.models.sam2 import PUBLISHED
from dataengine.models.torch_inference import Precision, TorchInference, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.weighted import WeightedAdapter


class Sam2TransformersAdapter(WeightedAdapter):
    """Options of the tracker."""

    role = "object_tracker"
    prompts = frozenset({"visual"})
    libraries = (
        Library("transformers", extra="sam2-transformers"),
        Library("torchvision", extra="sam2-transformers"),
    )
    wanted = (
        ("config.json",),
        ("model.safetensors",),
        ("processor_config.json",),
        ("preprocessor_config.json", ""),
        ("video_preprocessor_config.json", ""),
    )
    published = PUBLISHED

    precision: Precision = "float32"

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ClipTracker[VisualPrompt]:
        """See Adapter."""
        folder = self.weight_sets()[0].place()
        return ClipTracker(card, visual_of, load_sam2(folder, self.weights, runtime, self.precision))


class TransformersSam2:
    """See Follower."""

    def __init__(self, model: Any, processor: Any, inference: TorchInference) -> None:
        self._model = model
        self._processor = processor
        self._inference = inference
        self._reach = max(model.config.num_maskmem, model.config.max_object_pointers_in_encoder)

    def follow(
        self, clip: Frames, asked: Sequence[VisualPrompt], hop_seconds: float
    ) -> Iterator[tuple[int, int, Mask]]:
        """See Follower."""
        frames = frames_for(self._processor, clip)
        with self._inference():
            for place, prompt in enumerate(asked):
                session = start_session(self._processor, frames, clip, self._inference)
                shown = frame_at(prompt.seconds, hop_seconds, len(clip))
                self._show(session, prompt, shown)
                for number, mask in self._follow(session, shown):
                    yield place, number, mask

    def _show(self, session: Any, prompt: VisualPrompt, shown: int) -> None:
        size = (session.video_width, session.video_height)
        points = [[x * size[0], y * size[1]] for x, y in prompt.points]
        box = None if prompt.box is None else [each * size[axis % 2] for axis, each in enumerate(prompt.box)]
        self._processor.add_inputs_to_inference_session(
            session,
            frame_idx=shown,
            obj_ids=0,
            input_boxes=[[box]] if box else None,
            input_points=[[points]] if points else None,
            input_labels=[[[1] * len(points)]] if points else None,
        )

    def _follow(self, session: Any, shown: int) -> Iterator[tuple[int, Mask]]:
        """From the frame in which the object is shown to the end, and back to the start."""
        outputs = session.output_dict_per_obj[0]
        size = [[session.video_height, session.video_width]]
        for reverse in (False, True):
            for found in self._model.propagate_in_video_iterator(session, shown, reverse=reverse):
                masks = self._processor.post_process_masks([found.pred_masks], size)
                yield found.frame_idx, masks[0][0, 0].cpu().numpy()
                forget_masks(outputs, found.frame_idx)
                forget_far_from((found.frame_idx, shown), self._reach, outputs["non_cond_frame_outputs"])


def load_sam2(folder: Path, source: str, runtime: Runtime, precision: Precision) -> TransformersSam2:
    """The network in a folder that `save_pretrained` wrote; nothing is fetched."""
    from transformers import Sam2VideoModel, Sam2VideoProcessor

    inference = start_torch(runtime, precision)
    processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
    model = load_pretrained(Sam2VideoModel, folder, source).to(inference.device)
    return TransformersSam2(model, processor, inference)


def frames_for(processor: Any, clip: Frames) -> FramesOnDemand:
    """The clip's frames as the library's video processor makes them."""

    def prepare(frame: Frames) -> Any:
        return processor.video_processor(videos=frame[None], return_tensors="pt").pixel_values_videos[0, 0]

    return FramesOnDemand(clip, prepare)


def start_session(processor: Any, frames: FramesOnDemand, clip: Frames, inference: TorchInference) -> Any:
    """The library's own session for a clip; it would hold all frames, prepared."""
    session = processor.init_video_session(inference_device=inference.device)
    session.processed_frames = frames
    session.video_height, session.video_width = clip.shape[1:3]
    return session


def forget_masks(outputs: Mapping[str, Mapping[int, dict[str, Any]]], number: int) -> None:
    """Let go of a frame's mask at the size of the network: megabytes that nothing reads again."""
    for of_kind in outputs.values():
        of_kind.get(number, {}).pop("high_res_masks", None)
