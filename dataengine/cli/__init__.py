"""Every command, thin: options here, the work in the modules that each command imports when it is called.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

import typer

from dataengine.cli import checking, labelling, loop, models, recordings, training
from dataengine.cli.groups import Commands, LoopCommands, ModelCommands

app = typer.Typer(
    cls=Commands,
    help="Turn recordings into labelled, filtered training shards for promptable audio separation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo-data")(recordings.demo_data)
app.command("index")(recordings.index)
app.command("validate")(checking.validate)
app.command("plan")(checking.plan)
app.command("run")(labelling.run)
app.command("retry")(labelling.retry)
app.command("status")(labelling.status)
app.command("show")(labelling.show)
app.command("report")(labelling.report)
app.command("compare")(labelling.compare)
app.command("select")(labelling.select)
app.command("calibrate")(labelling.calibrate)
app.command("train")(training.train)
app.command("separate")(training.separate)
app.command("eval")(training.evaluate)
app.command("check-stage")(checking.check_stage)

loop_app = typer.Typer(
    cls=LoopCommands,
    no_args_is_help=True,
    help="Rounds of label, pack, train, evaluate, promote: `dataengine loop FILE` runs them, or goes on.",
)
loop_app.command("run")(loop.run)
loop_app.command("status")(loop.status)
loop_app.command("report")(loop.report)
loop_app.command("rollback")(loop.rollback)
loop_app.command("lineage")(loop.lineage)
app.add_typer(loop_app, name="loop")

models_app = typer.Typer(cls=ModelCommands, help="The models of a profile: list them, fetch their weights.")
models_app.command("list")(models.list_)
models_app.command("fetch")(models.fetch)
app.add_typer(models_app, name="models")


def main() -> None:
    """The `dataengine` command."""
    app(prog_name="dataengine")
