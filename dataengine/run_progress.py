"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dataengine.engine.messages import SliceReport
from dataengine.engine.parts import Counts
from dataengine.engine.slice_work import StageWork
from dataengine.report.formats import span_of_time
from manifests.progress import QUIET_SECONDS


@dataclass
class StageTotals:
    """What a stage has done since the driver started."""

    rows_in: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0

    def add(self, work: StageWork) -> None:
        """Count one slice."""
        self.rows_in += work.rows_in
        self.rejected += work.rejected
        self.failed += work.failed
        self.seconds += work.seconds
        self.model_seconds += work.model_seconds


@dataclass
class RunProgress:
    """Figures of a run as reports come in: a live table on a terminal, elsewhere a line now and then."""

    stages: Sequence[str]
    units: int
    done_before: Counts
    console: Console = field(default_factory=lambda: Console(stderr=True))
    counts: Counts = field(default_factory=Counts)
    postponed: int = 0

    def __post_init__(self) -> None:
        self.totals = {name: StageTotals() for name in self.stages}
        self.started = self._printed = monotonic()
        self._since_first = Counts()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task: TaskID = self._bar.add_task(
            "windows", total=self.units, completed=self.done_before.units, rate=""
        )
        self._other: dict[str, TaskID] = {}

    @contextmanager
    def shown(self) -> Iterator[RunProgress]:
        """Draw while the block runs, where somebody watches."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(self, console=self.console, refresh_per_second=4):
            yield self

    def add(self, report: SliceReport) -> None:
        """Count a slice that is committed or postponed."""
        if report.counts is None:
            self.postponed += 1
            return
        if not self.counts.units:  # all before it was Ray's start, and the workers'
            self.started = monotonic()
        else:
            self._since_first += report.counts
        self.counts += report.counts
        for work in report.work:
            self.totals[work.stage].add(work)
        self._bar.update(self._task, completed=self._done.units, rate=f"{self._rate:.1f}/s")
        if not self.console.is_terminal and monotonic() - self._printed >= QUIET_SECONDS:
            self._printed = monotonic()
            with suppress(OSError):  # whoever reads it may have gone away
                self.console.file.write(f"{self.line()}\n")

    @property
    def _done(self) -> Counts:
        return self.done_before + self.counts

    @property
    def _rate(self) -> float:
        """Windows a second of this driver, once its workers have started."""
        return self._since_first.units / max(monotonic() - self.started, 1e-3)

    def line(self) -> str:
        """How far the run is, for a log."""
        done = self._done.units
        missing = max(self.units - done, 0)
        left = f", about {span_of_time(missing / self._rate)} left" if self._rate else ""
        return f"run: {done:,}/{self.units:,} windows, {self._rate:.1f} windows/s{left}; {self.verdicts()}"

    def verdicts(self) -> str:
        """What became of the windows and candidates so far, by earlier drivers too."""
        done = self._done
        return (
            f"kept {done.kept:,}, rejected {done.rejected:,} ({done.retained:,} retained), failed {done.failed:,}, "
            f"{done.empty:,} windows without candidates"
        )

    def writing(self, what: str, done: int, total: int) -> None:
        """Show that tables or shards are being written."""
        if what not in self._other:
            self._other[what] = self._bar.add_task(what, total=total, rate="")
        self._bar.update(self._other[what], completed=done, total=total)

    def __rich__(self) -> RenderableType:
        return Group(self.stage_table(), "", Text(self.verdicts()), self._bar)

    def stage_table(self) -> Table:
        """One line a stage."""
        table = Table(box=None, header_style="dim", pad_edge=False)
        table.add_column("stage")
        for heading in ("rows", "rows/s", "stopped", "failed", "time"):
            table.add_column(heading, justify="right")
        spent = sum(total.seconds for total in self.totals.values()) or 1.0
        for name, total in self.totals.items():
            rate = f"{total.rows_in / total.seconds:.1f}" if total.seconds else "–"
            table.add_row(
                name,
                f"{total.rows_in:,}",
                rate,
                f"{total.rejected:,}",
                f"[red]{total.failed:,}" if total.failed else "0",
                f"{total.seconds / spent:.0%}",
            )
        return table
