"""What the benchmark looks at: six tasks, each by the prompts that apply, as in SAM Audio-Bench.

Its fourteen settings: all tasks by text, all but "instrument (pro)" by text and spans, and three by what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Task(StrEnum):
    """What is to be taken out, and of what."""

    SPEECH = "speech"
    SPEAKER = "speaker"
    MUSIC = "music"
    INSTRUMENT_WILD = "instrument-wild"
    INSTRUMENT_PRO = "instrument-pro"
    SOUND = "sound"


class PromptKind(StrEnum):
    """How it is asked for."""

    TEXT = "text"
    SPAN = "span"
    """Text, and when it sounds."""
    VISUAL = "visual"
    """A mask over the frames of a video, and no text."""


TITLES = {
    Task.SPEECH: "speech extraction",
    Task.SPEAKER: "speaker extraction",
    Task.MUSIC: "music extraction",
    Task.INSTRUMENT_WILD: "instrument in the wild",
    Task.INSTRUMENT_PRO: "instrument pro",
    Task.SOUND: "general sound events",
}

TASKS_OF = {
    PromptKind.TEXT: tuple(Task),
    PromptKind.SPAN: tuple(task for task in Task if task != Task.INSTRUMENT_PRO),
    PromptKind.VISUAL: (Task.SPEAKER, Task.INSTRUMENT_WILD, Task.SOUND),
}
"""The tasks that each kind of prompt applies to."""


@dataclass(frozen=True)
class Setting:
    """A task by one kind of prompt."""

    task: Task
    prompts: PromptKind

    @property
    def title(self) -> str:
        """For tables."""
        return TITLES[self.task]


SETTINGS = tuple(Setting(task, kind) for kind in PromptKind for task in TASKS_OF[kind])
"""All fourteen, in the order of tables."""
