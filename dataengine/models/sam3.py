"""SAM 3 (Carion et al., 2025) as object tracker, by transformers' `Sam3VideoModel`.

A text finds every instance of what it names, in each frame anew, and those found are followed from there on. The mask
is the union of the instances. The library would fetch compiled code from the hub to suppress duplicates and to fill
small holes; here it works as it does without that code, so that masks are the same on every machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from dataengine.models.adapter import Runtime
from dataengine.models.clip_tracker import ClipTracker, Mask, forget_far_from, text_of
from dataengine.models.libraries import Library
from dataengine.models.roles import Frames, ModelCard
from dataengine.models.sam2_transformers import forget_masks, frames_for, start_session
from dataengine.models.tokenizer_file import check_vocabulary
from dataengine.models.torch_inference import Precision, TorchInference, start_torch
from dataengine.models.transformers_model import load_pretrained
from dataengine.models.weighted import Licence, WeightedAdapter

SAM_LICENCE = Licence(name="SAM License", commercial=True)
"""It allows commercial use, and forbids military, nuclear and espionage ones, and weapons."""


class Sam3Adapter(WeightedAdapter):
    """Options of the tracker."""

    role = "object_tracker"
    prompts = frozenset({"text"})
    libraries = (Library("transformers", extra="sam3"), Library("torchvision", extra="sam3"))
    wanted = (
        ("config.json",),
        ("model.safetensors",),
        ("processor_config.json",),
        ("tokenizer.json", "vocab.json merges.txt"),
        ("tokenizer_config.json", ""),
        ("special_tokens_map.json", ""),
    )
    published = {"facebook/sam3": SAM_LICENCE}

    precision: Precision = "float32"
    instances: int = Field(default=64, ge=1)
    """How many instances of a text are followed at most, the surest of those found first; it bounds the memory."""

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ClipTracker[str]:
        """See Adapter. Raises UserError for a tokenizer of another network."""
        folder = self.weight_sets()[0].place()
        follower = load_sam3(folder, self.weights, runtime, self.precision, self.instances)
        return ClipTracker(card, text_of, follower)


class Sam3:
    """See Follower. All texts of a clip are looked for at once: the image encoder sees a frame once."""

    def __init__(self, model: Any, processor: Any, inference: TorchInference) -> None:
        self._model = model
        self._processor = processor
        self._inference = inference
        self._seeing = SeeingOnce(model.detector_model.get_vision_features)
        model.detector_model.get_vision_features = self._seeing

    def follow(
        self, clip: Frames, asked: Sequence[str], hop_seconds: float
    ) -> Iterator[tuple[int, int, Mask]]:
        """See Follower."""
        frames = frames_for(self._processor, clip)
        with self._inference():
            sessions = [
                Sam3Session(
                    self._model,
                    self._processor,
                    self._asking(text, start_session(self._processor, frames, clip, self._inference)),
                )
                for text in asked
            ]
            for number in range(len(clip)):
                self._seeing.look_again()
                for place, session in enumerate(sessions):
                    for seen, mask in session.go_on(number):
                        yield place, seen, mask
            self._seeing.look_again()

    def _asking(self, text: str, session: Any) -> Any:
        """The session with its text; the library's own way does not cut texts that are too long for the network."""
        tokens = self._processor.tokenizer(
            text,
            padding="max_length",
            truncation=True,
            max_length=self._model.config.detector_config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._inference.device)
        prompt = session.add_prompt(text)
        session.prompt_input_ids[prompt] = tokens.input_ids
        session.prompt_attention_masks[prompt] = tokens.attention_mask
        return session


class Sam3Session:
    """The instances of one text in one clip."""

    def __init__(self, model: Any, processor: Any, session: Any) -> None:
        self._model = model
        self._processor = processor
        self._session = session
        self._held_back: list[Any] = []

    def go_on(self, number: int) -> Iterator[tuple[int, Mask]]:
        """Take the next frame, and give the masks of those that are settled.

        Frames are held back, for an instance that does not prove itself in its first ones is taken back: as
        `propagate_in_video_iterator` does it.
        """
        found = self._model(self._session, frame_idx=number)
        self._session.hotstart_removed_obj_ids.update(found.removed_obj_ids)
        self._held_back.append(found)
        last = number == len(self._session.processed_frames) - 1
        while self._held_back and (last or len(self._held_back) >= self._model.config.hotstart_delay):
            settled = self._held_back.pop(0)
            masks = self._processor.postprocess_outputs(self._session, settled)["masks"]
            yield settled.frame_idx, masks.any(dim=0).cpu().numpy()
        for outputs in self._session.output_dict_per_obj.values():
            self._forget(outputs, number)

    def _forget(self, outputs: dict[str, dict[int, dict[str, Any]]], number: int) -> None:
        """Let go of what the next frames will not look back to.

        Of frames in which the detector confirmed an instance, the last few are looked at, and the pointers of all.
        """
        tracker = self._model.config.tracker_config
        reach = max(tracker.num_maskmem, tracker.max_object_pointers_in_encoder)
        forget_masks(outputs, number)
        forget_far_from((number,), reach, outputs["non_cond_frame_outputs"])
        confirmed = outputs["cond_frame_outputs"]
        if tracker.max_cond_frame_num > 0:
            for frame in sorted(confirmed)[: -tracker.max_cond_frame_num]:
                if number - frame > reach:
                    confirmed[frame] = {"object_pointer": confirmed[frame]["object_pointer"]}


class SeeingOnce:
    """What the image encoder makes of a frame, kept for all who ask before the next."""

    def __init__(self, see: Callable[..., Any]) -> None:
        self._see = see
        self._seen: Any = None

    def __call__(self, pixel_values: Any) -> Any:
        """See `Sam3Model.get_vision_features`."""
        if self._seen is None:
            self._seen = self._see(pixel_values=pixel_values)
        return self._seen

    def look_again(self) -> None:
        """The next that is asked about is another frame."""
        self._seen = None


def load_sam3(folder: Path, source: str, runtime: Runtime, precision: Precision, instances: int) -> Sam3:
    """The network in a folder that `save_pretrained` wrote; nothing is fetched."""
    from transformers import Sam3VideoModel, Sam3VideoProcessor
    from transformers.models.sam3_video import modeling_sam3_video

    modeling_sam3_video.cv_utils_kernel = False  # type: ignore[assignment] # as where it cannot be loaded
    # It would warn in every frame with more instances than are followed.
    modeling_sam3_video.logger.setLevel(logging.ERROR)
    inference = start_torch(runtime, precision)
    processor = Sam3VideoProcessor.from_pretrained(folder, local_files_only=True)
    model = load_pretrained(Sam3VideoModel, folder, source).to(inference.device)
    rows = model.config.detector_config.text_config.vocab_size
    check_vocabulary(len(processor.tokenizer), rows, source, "text encoder")
    model.max_num_objects = instances
    return Sam3(model, processor, inference)
