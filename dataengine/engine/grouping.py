"""Worker groups: consecutive stages that run in one worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dataengine.engine.stage import Resources, Stage
from dataengine.errors import UserError


@dataclass(frozen=True)
class WorkerGroup:
    """Stages between which arrays pass by reference."""

    stages: tuple[Stage, ...]

    @property
    def name(self) -> str:
        """First and last stage, as `plan` and the logs call the group."""
        first, last = self.stages[0].name(), self.stages[-1].name()
        return first if len(self.stages) == 1 else f"{first}…{last}"

    @property
    def resources(self) -> Resources:
        """The most that any of its stages needs."""
        return Resources(
            cpus=max(stage.resources.cpus for stage in self.stages),
            gpus=max(stage.resources.gpus for stage in self.stages),
        )


def group_stages(
    stages: Sequence[Stage], by_hand: Sequence[Sequence[str]] | None = None
) -> list[WorkerGroup]:
    """Fuse consecutive stages with the same resources, or as `by_hand` lists them by name.

    Raises:
        UserError: the lists by hand are not the pipeline's stages in their order.
    """
    if by_hand is None:
        return [WorkerGroup(tuple(same)) for _, same in groupby(stages, key=lambda stage: stage.resources)]
    wanted = [name for group in by_hand for name in group]
    actual = [stage.name() for stage in stages]
    if wanted != actual or not all(by_hand):
        raise UserError(
            f"engine.groups must list every stage once, in order: {', '.join(actual)}; it lists {', '.join(wanted)}"
        )
    rest = iter(stages)
    return [WorkerGroup(tuple(next(rest) for _ in group)) for group in by_hand]


def workers_that_fit(
    groups: Sequence[WorkerGroup], cpus: float, gpus: float, wanted: int | None
) -> list[int]:
    """Workers of each group on a cluster of this size.

    Every group gets at least one. What is left over is shared evenly; a group that needs a GPU gets as
    many workers as there are GPUs for it.

    Raises:
        UserError: a group needs a GPU and the cluster has none.
    """
    for group in groups:
        if group.resources.gpus > gpus:
            raise UserError(
                f"stages {group.name} need {group.resources.gpus:g} GPU and the cluster has {gpus:g}; "
                "choose a CPU device in the profile or start Ray on a machine with GPUs"
            )
    if wanted is not None:
        return [wanted] * len(groups)
    on_gpu = [group.resources.gpus for group in groups if group.resources.gpus]
    on_cpu = [group.resources.cpus for group in groups if not group.resources.gpus]
    counts = []
    for group in groups:
        if group.resources.gpus:
            counts.append(max(1, int(gpus / sum(on_gpu))))
        else:
            counts.append(max(1, int(cpus / max(sum(on_cpu), 1e-9))))
    return counts
