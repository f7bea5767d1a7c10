"""SAM 2 (Ravi et al., 2024) as object tracker, by Meta's own package and checkpoints.

The package reads a clip from a folder of JPEGs or a video file; here it is given the frames themselves, resized as the
package does. Small holes in masks are filled only where its CUDA extension was built; here nowhere, so that masks do
not depend on how the package was installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args
from unittest.mock import patch

import numpy as np

from dataengine.errors import UserError
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
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.models.torch_inference import Precision, TorchInference, start_torch
from dataengine.models.weighted import Licence, WeightedAdapter

Network = Literal[
    "sam2_hiera_tiny",
    "sam2_hiera_small",
    "sam2_hiera_base_plus",
    "sam2_hiera_large",
    "sam2.1_hiera_tiny",
    "sam2.1_hiera_small",
    "sam2.1_hiera_base_plus",
    "sam2.1_hiera_large",
]
LETTERS = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
"""Size of a network → how the package's configuration of it is called."""
PUBLISHED = {
    "facebook/" + name.replace("_", "-"): Licence(name="Apache-2.0", commercial=True)
    for name in get_args(Network)
}
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
"""Of ImageNet's pixels, as the package's loaders have it."""
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


class Sam2Adapter(WeightedAdapter):
    """Options of the tracker."""

    role = "object_tracker"
    prompts = frozenset({"visual"})
    libraries = (Library("sam2", extra="sam2"),)
    wanted = ()
    published = PUBLISHED

    network: Network = "sam2.1_hiera_large"
    """Which network the checkpoint holds."""
    precision: Precision = "float32"

    def load(self, card: ModelCard, runtime: Runtime, parts: Mapping[str, Any]) -> ClipTracker[VisualPrompt]:
        """See Adapter. Raises UserError for a checkpoint of another network."""
        inference = start_torch(runtime, self.precision)
        predictor = build_predictor(self.network, inference)
        self._load_checkpoint(predictor)
        return ClipTracker(card, visual_of, Sam2(predictor, inference))

    def _load_checkpoint(self, predictor: Any) -> None:
        stored = read_checkpoint(self.weight_sets()[0].place(), self.weights)
        try:
            predictor.load_state_dict(stored.get("model", stored))
        except (RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{self.weights} is no checkpoint of {self.network}: {reason}") from error


class Sam2:
    """See Follower."""

    def __init__(self, predictor: Any, inference: TorchInference) -> None:
        self._predictor = predictor
        self._inference = inference
        memories = predictor.num_maskmem * predictor.memory_temporal_stride_for_eval
        self._reach = max(memories, predictor.max_obj_ptrs_in_encoder)

    def follow(
        self, clip: Frames, asked: Sequence[VisualPrompt], hop_seconds: float
    ) -> Iterator[tuple[int, int, Mask]]:
        """See Follower."""
        with self._inference(), _given_frames(clip, self._predictor.image_size):
            for place, prompt in enumerate(asked):
                shown = frame_at(prompt.seconds, hop_seconds, len(clip))
                for number, mask in self._follow(prompt, shown):
                    yield place, number, mask

    def _follow(self, prompt: VisualPrompt, shown: int) -> Iterator[tuple[int, Mask]]:
        """From the frame in which the object is shown to the end, and back to the start."""
        state = self._predictor.init_state("")
        self._predictor.add_new_points_or_box(
            state,
            frame_idx=shown,
            obj_id=0,
            box=prompt.box,
            points=prompt.points or None,
            labels=[1] * len(prompt.points) or None,
            normalize_coords=False,  # they are fractions of the frame already
        )
        remembered = state["output_dict_per_obj"][0]["non_cond_frame_outputs"]
        for reverse in (False, True):
            for number, _, logits in self._predictor.propagate_in_video(state, reverse=reverse):
                yield number, (logits[0, 0] > 0).cpu().numpy()
                forget_far_from((number, shown), self._reach, remembered)


def build_predictor(network: Network, inference: TorchInference) -> Any:
    """The package's video predictor on the inference's device, with random weights."""
    version, _, size = network.partition("_hiera_")
    with _hydra_left_alone():
        from sam2.build_sam import build_sam2_video_predictor

        predictor = build_sam2_video_predictor(
            f"configs/{version}/{version}_hiera_{LETTERS[size]}.yaml", device=inference.device
        )
    predictor.fill_hole_area = 0
    return predictor


@contextmanager
def _hydra_left_alone() -> Iterator[None]:
    """Hydra with the package's configurations, and afterwards as it was.

    Hydra has one configuration a process. The package would take it for good when it is imported, and where it is
    taken, find its own files no more.
    """
    from hydra import initialize_config_module, version
    from hydra.core.global_hydra import GlobalHydra

    place, versions = GlobalHydra.instance(), version.VersionBase.instance()
    before = place.hydra, versions.version_base
    place.clear()
    try:
        import sam2  # noqa: F401 - takes the place

        place.clear()
        initialize_config_module("sam2", version_base="1.2")
        yield
    finally:
        place = GlobalHydra.instance()
        place.hydra, versions.version_base = before


@contextmanager
def _given_frames(clip: Frames, size: int) -> Iterator[None]:
    """Have the package take a clip's frames where it would read files, and draw no bars of progress."""
    from sam2 import sam2_video_predictor

    frames = FramesOnDemand(clip, lambda frame: prepare(frame, size))
    with (
        patch.object(sam2_video_predictor, "load_video_frames", lambda **_: (frames, *clip.shape[1:3])),
        patch.object(sam2_video_predictor, "tqdm", lambda numbers, **_: numbers),
    ):
        yield


def prepare(frame: Frames, size: int) -> Any:
    """A frame as the package's loaders make it: resized to [3, size, size] without regard to its shape, normalised."""
    import torch
    from PIL import Image

    resized = np.asarray(Image.fromarray(frame).resize((size, size)))
    scaled = (resized / 255.0).astype(np.float32)
    return torch.from_numpy(((scaled - MEAN) / DEVIATION).transpose(2, 0, 1))
