"""An object tracker on top of a library that follows objects through one clip at a time.

A clip is followed alone, so that its masks do not depend on what else is in the call. What a library holds of a clip
while it follows it is bounded here, whatever the clip's length: frames are prepared as they are asked for, and the
memory of frames that no later one looks back to is let go. What grows with the clip is the masks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from dataengine.models.roles import Frames, ModelCard, Prompt, VisualPrompt
from dataengine.models.waveforms import distinct

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Asked = TypeVar("Asked", bound=Hashable)
Asks = TypeVar("Asks", bound=Hashable, contravariant=True)


class Follower(Protocol[Asks]):
    """A library with its network."""

    def follow(
        self, clip: Frames, asked: Sequence[Asks], hop_seconds: float
    ) -> Iterator[tuple[int, int, Mask]]:
        """Place among what is asked, number of a frame, and the mask [height, width] there, true = the object.

        In any order; a frame that does not come has no object. The clip has at least one frame, and nothing is asked
        twice.
        """
        ...


class ClipTracker(Generic[Asked]):
    """An ObjectTracker; candidates of one clip that ask for the same are followed once."""

    def __init__(
        self, card: ModelCard, goes_by: Callable[[Prompt], Asked], follower: Follower[Asked]
    ) -> None:
        """`goes_by` takes what the follower is asked from a prompt. It raises ValueError where there is nothing."""
        self.card = card
        self._goes_by = goes_by
        self._follower = follower

    def track(self, frames: Sequence[Frames], prompts: Sequence[Prompt], hop_seconds: float) -> list[Frames]:
        """See ObjectTracker."""
        asked = [self._goes_by(prompt) for prompt in prompts]
        clips, places = distinct(frames)
        masks: dict[tuple[int, Asked], Frames] = {}
        for number, clip in enumerate(clips):
            of_clip = [each for each, place in zip(asked, places, strict=True) if place == number]
            different = list(dict.fromkeys(of_clip))
            followed = self._follow(clip, different, hop_seconds)
            masks |= {(number, each): mask for each, mask in zip(different, followed, strict=True)}
        return [masks[key] for key in zip(places, asked, strict=True)]

    def _follow(self, clip: Frames, asked: Sequence[Asked], hop_seconds: float) -> list[Frames]:
        masks: list[Frames] = [np.zeros(clip.shape[:3], dtype=np.uint8) for _ in asked]
        if len(clip):
            for place, number, mask in self._follower.follow(clip, asked, hop_seconds):
                masks[place][number] = mask
        return masks


def visual_of(prompt: Prompt) -> VisualPrompt:
    """The visual prompt. Raises ValueError if there is none."""
    if prompt.visual is None:
        raise ValueError("this tracker follows what a box or points show, and the prompt has neither")
    return prompt.visual


def text_of(prompt: Prompt) -> str:
    """The text. Raises ValueError if there is none."""
    if not prompt.text:
        raise ValueError("this tracker finds what a text names, and the prompt has none")
    return prompt.text


def frame_at(seconds: float, hop_seconds: float, frames: int) -> int:
    """Number of the frame that is nearest in time; the last one for what is later."""
    return min(round(seconds / hop_seconds), frames - 1)


class FramesOnDemand(Sequence[Any]):
    """A clip's frames as a network takes them, each prepared when it is asked for; the last one is kept."""

    def __init__(self, clip: Frames, prepare: Callable[[Frames], Any]) -> None:
        """`prepare` turns a frame [height, width, 3] into a tensor."""
        self._clip = clip
        self._prepare = prepare
        self._last: tuple[int, Any] | None = None

    def __len__(self) -> int:
        return len(self._clip)

    def __getitem__(self, number: Any) -> Any:
        if self._last is None or self._last[0] != number:
            self._last = number, self._prepare(self._clip[number])
        return self._last[1]


def forget_far_from(frames: Sequence[int], reach: int, remembered: dict[int, Any]) -> None:
    """Take out of `remembered` (by number of frame) what is farther than `reach` from all of `frames`."""
    for number in list(remembered):
        if all(abs(number - frame) > reach for frame in frames):
            del remembered[number]
