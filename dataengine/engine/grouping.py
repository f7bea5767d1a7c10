"""Worker groups: consecutive stages that run in one worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from dataengine.engine.stage import Resources, Stage
from dataengine.errors import UserError


@dataclass(frozen=True)
class WorkerGroup:
    """Stages between which arrays pass by reference."""

    stages: tuple[Stage, ...]
    resources: Resources
    """The most that any of its stages needs."""
    python: str | None = None
    """The interpreter of the environment that its models run in; None: that of the command."""

    @property
    def name(self) -> str:
        """First and last stage, as `plan` and the logs call the group."""
        first, last = self.stages[0].name(), self.stages[-1].name()
        return first if len(self.stages) == 1 else f"{first}…{last}"


def group_stages(
    stages: Sequence[Stage],
    by_hand: Sequence[Sequence[str]] | None = None,
    needs: Mapping[str, Resources] = MappingProxyType({}),
    pythons: Mapping[str, str] = MappingProxyType({}),
) -> list[WorkerGroup]:
    """Fuse consecutive stages with the same resources and environment, or as `by_hand` lists them by name.

    `needs` says by name what a worker of a stage needs, where that is not what its class says; `pythons` the
    interpreter of its environment, where that is not the command's.

    Raises:
        UserError: the lists by hand are not the pipeline's stages in their order, or mix environments.
    """

    def of(stage: Stage) -> Resources:
        return needs.get(stage.name(), stage.resources)

    def python_of(stage: Stage) -> str | None:
        return pythons.get(stage.name())

    if by_hand is None:
        alike = groupby(stages, key=lambda stage: (of(stage), python_of(stage)))
        return [WorkerGroup(tuple(same), resources, python) for (resources, python), same in alike]
    wanted = [name for group in by_hand for name in group]
    actual = [stage.name() for stage in stages]
    if wanted != actual or not all(by_hand):
        raise UserError(
            f"engine.groups must list every stage once, in order: {', '.join(actual)}; it lists {', '.join(wanted)}"
        )
    rest = iter(stages)
    groups = [tuple(next(rest) for _ in group) for group in by_hand]
    for group in groups:
        if other := next((stage for stage in group if python_of(stage) != python_of(group[0])), None):
            raise UserError(
                f"engine.groups has {group[0].name()!r} and {other.name()!r} in one group, and their models run in "
                "different environments (`python` in the profile); list them apart"
            )
    return [
        WorkerGroup(group, _most([of(stage) for stage in group]), python_of(group[0])) for group in groups
    ]


def _most(needs: Sequence[Resources]) -> Resources:
    return Resources(cpus=max(each.cpus for each in needs), gpus=max(each.gpus for each in needs))


def workers_that_fit(
    groups: Sequence[WorkerGroup], cpus: float, gpus: float, wanted: int | None
) -> list[int]:
    """Workers of each group on a cluster of this size.

    Every group gets at least one, though they may have to share a GPU. What is left over is shared evenly; a
    group that needs a GPU gets as many workers as there are GPUs for it.

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
