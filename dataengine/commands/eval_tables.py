"""What `dataengine eval` prints: the measure that decides, net win rates, silence. All else is on the page."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from dataengine.evaluation.benchmark.results import Results, Row, Wins
from dataengine.evaluation.benchmark.results import Table as Figures
from dataengine.evaluation.bootstrap import Estimate
from dataengine.report.formats import count, printable, share

LEAST_WIDTH = 125
"""Characters that the widest table may need."""


def told(results: Results) -> Iterator[RenderableType]:
    """The tables, and what a reader of them must know."""
    yield Text(printable(f"{results.separator} on the {results.benchmark}"), style="bold")
    yield from ("", _figures(results, results.tables[0]))
    for wins in results.wins[:1]:
        yield from ("", _wins(results, wins))
    if results.silences:
        yield from ("", _silences(results))
    yield ""
    left_out: dict[str, list[str]] = {}
    for task, prompts, why in results.left_out:
        left_out.setdefault(why, []).append(f"{task} by {prompts}")
    not_available: dict[str, list[str]] = {}
    for title, why in results.not_available.items():
        not_available.setdefault(why, []).append(title)
    for said, reasons in (("not asked", left_out), ("not available", not_available)):
        for why, what in reasons.items():
            yield Text(printable(f"{said}: {', '.join(what)} ({why})"), style="dim")
    for note in results.notes:
        yield Text(printable(note), style="dim")


def _figures(results: Results, figures: Figures) -> Table:
    """Means; of the separators that are put to the test with intervals."""
    measure, names = figures.measure, figures.contestants
    table = _table(
        f"{measure.title}{f', {measure.unit}' if measure.unit else ''}", "task", "by", "questions", *names
    )
    for row in figures.rows:
        cells = [_cell(results, row, name, measure.places) for name in names]
        table.add_row(row.task, row.prompts, count(row.questions), *cells, style="bold" if row.of_all else "")
    return table


def _cell(results: Results, row: Row, name: str, places: int) -> str:
    summary, own = row.figures[name], row.figures[results.separator]
    if summary is None:
        return "–"
    if name in (results.separator, results.against):
        return _estimate(summary.mean, places)
    fewer = f" on {summary.rows}" if own and summary.rows < own.rows else ""
    return _number(summary.mean.value, places) + fewer


def _wins(results: Results, wins: Wins) -> Table:
    title = f"Net win rate of {results.separator} over {results.against}, by {wins.measure.title}"
    table = _table(title, "task", "by", "won", "lost", "tied", "net win rate")
    for (task, prompts), each in wins.rates.items():
        rate = f"{each.rate.value:+.0%} [{each.rate.low:+.0%}, {each.rate.high:+.0%}]".replace("-", "−")
        table.add_row(task, prompts, *map(count, (each.wins, each.losses, each.ties)), rate)
    return table


def _silences(results: Results) -> Table:
    table = _table("Asked for what is not there", "contestant", "questions", "median level, dB", "silent")
    for name, each in results.silences.items():
        silent = f"{share(each.silent.value, 1)} [{share(each.silent.low, 1)}, {share(each.silent.high, 1)}]"
        table.add_row(printable(name), count(each.level.rows), _estimate(each.level.median, 1), silent)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(printable(title), style="bold"), title_justify="left", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        left = place == 0 or column == "by"
        table.add_column(
            Text(printable(column), style="dim"), justify="left" if left else "right", no_wrap=True
        )
    return table


def _estimate(each: Estimate, places: int) -> str:
    value, low, high = (_number(figure, places) for figure in (each.value, each.low, each.high))
    return f"{value} [{low}, {high}]"


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")
