"""Where the time of a run went."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.report.run_directory import RunDirectory


@dataclass(frozen=True)
class StageSpeed:
    """One stage, over all workers."""

    stage: str
    rows: int
    seconds: float
    model_seconds: float
    rejected: int
    failed: int

    @property
    def rows_per_second(self) -> float:
        """Rows a second of one worker."""
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Speed:
    """A run's time, in seconds of workers but for `wall_seconds`."""

    stages: tuple[StageSpeed, ...]
    wall_seconds: float
    """From start to end of labelling, over all starts of the run."""
    worker_seconds: float
    """The same, times the workers."""
    audio_seconds: float
    """Of the windows that the first stage was given."""

    @property
    def stage_seconds(self) -> float:
        """Time inside stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def model_seconds(self) -> float:
        """Time inside models."""
        return sum(stage.model_seconds for stage in self.stages)

    @property
    def other_seconds(self) -> float:
        """Time of workers outside stages: start of Ray, loading of models, writing of parts, waiting."""
        return max(0.0, self.worker_seconds - self.stage_seconds)

    @property
    def speed_of_light(self) -> float | None:
        """Time inside models ÷ time of the workers: 1 where nothing but models costs time; None without models."""
        if not self.worker_seconds or not self.model_seconds:
            return None
        return self.model_seconds / self.worker_seconds

    @property
    def times_real_time(self) -> float | None:
        """Seconds of audio labelled in a second."""
        return self.audio_seconds / self.wall_seconds if self.wall_seconds else None


def speed_of(run: RunDirectory) -> Speed:
    """Time by stage, in the order of the pipeline."""
    found = run.query(
        """
        SELECT stage, sum(rows_in)::BIGINT, sum(seconds), sum(model_seconds),
               sum(rejected)::BIGINT, sum(failed)::BIGINT, sum(audio_seconds)
        FROM work GROUP BY stage
        """
    )
    order = {name: place for place, name in enumerate(run.stage_names)}
    rows = sorted(found, key=lambda row: order.get(row[0], len(order)))
    # A driver that was killed left no log; its workers' spans, which lack the start-up, stand in for it.
    ((wall_of_work, spans),) = run.query(
        """
        SELECT max(last) - min(first), sum(last - first)
        FROM (SELECT min(started) AS first, max(started + busy) AS last FROM (
                SELECT host, pid, started, sum(seconds) AS busy FROM work GROUP BY ALL)
              GROUP BY host, pid)
        """
    )
    logged = sum(each.seconds * each.workers for each in run.drivers)
    return Speed(
        stages=tuple(StageSpeed(*row[:-1]) for row in rows),
        wall_seconds=sum(each.seconds for each in run.drivers) or wall_of_work or 0.0,
        worker_seconds=max(logged, spans or 0.0),
        audio_seconds=rows[0][-1] if rows else 0.0,
    )
