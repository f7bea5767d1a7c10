"""Every command, thin: options here, the work in the modules that each command imports when it is called.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dataengine.errors import UserError

INTERRUPTED = 130


class _Commands(TyperGroup):
    """Turns the user's mistakes and Ctrl-C into one line; anything else is a bug and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"dataengine: {' '.join(str(error).splitlines())}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.echo("dataengine: interrupted; the same command goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from error


class _ModelCommands(TyperGroup):
    """`dataengine models PROFILE` says the same as `dataengine models list PROFILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)


class _LoopCommands(TyperGroup):
    """`dataengine loop FILE` says the same as `dataengine loop run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Turn recordings into labelled, filtered training shards for promptable audio separation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (YAML).")]
RunDirectory = Annotated[str, typer.Argument(metavar="RUN", help="A run directory: a path or URL.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: --set stages.caption.max_prompts=2"),
]
FileOverrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the file, with dots between keys."),
]
StageSources = Annotated[
    list[str] | None,
    typer.Option("--stages", metavar="FILE|MODULE", help="Python file or module with stages of your own."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CommercialOnly = Annotated[
    bool, typer.Option("--commercial-only", help="Refuse models whose licence does not allow commercial use.")
]


@app.command("demo-data")
def demo_data(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to build in; default: data/demo, or data/labelled."),
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", help="A split of the catalogue; default: pool, calibrate and gate."),
    ] = None,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Labelled clips and rendered music to train from, no scenes.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Scenes of each split (default: 440, 400 and 100), or pieces of music."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other scenes.")] = 0,
    recordings: Annotated[
        Path | None, typer.Option(help="Where downloaded clips are kept; default: beside the folder.")
    ] = None,
) -> None:
    """Fetch real recordings from Debian packages and build scenes of them, with their truth beside them."""
    from dataengine.commands.demo_data import demo_data, labelled_data

    if labelled:
        labelled_data(out or Path("data/labelled"), splits or ["seed"], count, recordings)
    else:
        demo_data(out or Path("data/demo"), splits or [], count, seed, recordings)


@app.command()
def index(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Files, folders or URLs.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="MANIFEST", help="The manifest to write.")],
    window_seconds: Annotated[float, typer.Option(help="Length of a window.")] = 10.0,
    minimum_seconds: Annotated[float, typer.Option(help="Shorter ends of recordings are left out.")] = 1.0,
    metadata: Annotated[
        str | None, typer.Option(help="CSV or Parquet with columns of your own, by `uri` or `file_name`.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of recordings whose metadata names none.")
    ] = None,
    stems: Annotated[
        bool, typer.Option("--stems", help="A folder is a track, its files are stems; see docs/stems.md.")
    ] = False,
    never_train: Annotated[
        str | None, typer.Option(metavar="LIST", help="Fingerprints of recordings to mark: benchmarks.")
    ] = None,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Store fingerprints, to make such a list.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find recordings and cut them into windows: the manifest."""
    from dataengine.commands.index import index
    from manifests.indexing import IndexOptions

    options = IndexOptions(
        window_seconds, minimum_seconds, metadata, licence, never_train, stems, fingerprint, workers
    )
    index(sources, out, options, as_json)


@app.command()
def validate(
    pipeline: PipelineFile,
    overrides: Overrides = None,
    stages: StageSources = None,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Check a pipeline file whole, without starting anything."""
    from dataengine.commands.validate import validate

    validate(pipeline, overrides or [], stages or [], commercial_only, as_json)


@app.command()
def plan(
    pipeline: PipelineFile,
    overrides: Overrides = None,
    stages: StageSources = None,
    probe: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Measure N windows and say how long it takes.")
    ] = None,
    measured: Annotated[
        str | None, typer.Option(metavar="RUN", help="Take what stages cost from a run done before.")
    ] = None,
    units: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="As if there were N windows; default: the input's.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Say what it takes on a cluster of so many nodes.")
    ] = None,
    cpus_per_node: Annotated[
        float | None, typer.Option(min=1, help="Of the cluster; default: as many as here.")
    ] = None,
    gpus_per_node: Annotated[float, typer.Option(min=0, help="Of the cluster.")] = 0,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a run would do: worker groups, slices, expected work; here or on a cluster."""
    from dataengine.commands.plan import ClusterShape, plan

    shape = ClusterShape(nodes, cpus_per_node, gpus_per_node)
    plan(pipeline, overrides or [], stages or [], probe, measured, units, shape, commercial_only, as_json)


@app.command()
def run(
    pipeline: PipelineFile,
    run_dir: Annotated[
        str | None, typer.Option(metavar="RUN", help="Path or URL of the run; default: runs/PIPELINE.")
    ] = None,
    overrides: Overrides = None,
    stages: StageSources = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Label about this many windows now.")] = None,
    max_failed: Annotated[
        float | None,
        typer.Option(min=0, help="Stop when more windows fail: a count, or below 1 a share of those done."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster; default: RAY_ADDRESS, else this machine.")
    ] = None,
    fork: Annotated[
        str | None,
        typer.Option(metavar="OLD_RUN", help="Take over from an earlier run what a changed pipeline leaves."),
    ] = None,
    delta: Annotated[
        str | None,
        typer.Option(
            metavar="OLD_RUN", help="With another model: label again only what is likely to flip since a run."
        ),
    ] = None,
    delta_margin: Annotated[
        float | None,
        typer.Option(min=0, help="With --delta: how far a score may move, in interquartile ranges of it."),
    ] = None,
    commercial_only: CommercialOnly = False,
    as_json: AsJson = False,
) -> None:
    """Run a pipeline, or go on with a run that was stopped."""
    from dataengine.commands.run import run

    limits = [] if max_failed is None else [f"engine.max_failed={max_failed!r}"]
    laid = [*(overrides or []), *limits], stages or []
    run(pipeline, run_dir, *laid, limit, address, fork, delta, delta_margin, commercial_only, as_json)


@app.command()
def retry(
    run_dir: RunDirectory,
    stages: StageSources = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster; default: RAY_ADDRESS, else this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try again what failed in a run, once the cause is mended."""
    from dataengine.commands.retry import retry

    retry(run_dir, stages or [], address, as_json)


@app.command()
def status(run_dir: RunDirectory, as_json: AsJson = False) -> None:
    """Tell how far a run is."""
    from dataengine.commands.status import status

    status(run_dir, as_json)


@app.command()
def show(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="An id, or how it begins.")],
    run_dir: Annotated[str, typer.Option(metavar="RUN", help="The run it is from: a path or URL.")],
    play_to: Annotated[
        Path | None, typer.Option(metavar="FILE|FOLDER", help="Write its stems: .wav, .flac or a folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell everything that is known of a sample: scores against thresholds, verdict, where its audio lies."""
    from dataengine.commands.show import show

    show(sample, run_dir, play_to, as_json)


@app.command()
def report(
    run_dir: RunDirectory,
    examples: Annotated[int, typer.Option(min=0, help="Samples to listen to in each group.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the draw of samples to listen to.")] = 0,
) -> None:
    """Write the report page of a run: RUN/report.html."""
    from dataengine.commands.report import report

    report(run_dir, examples, seed)


@app.command()
def select(
    run_dir: RunDirectory,
    filters: Annotated[Path, typer.Option(metavar="FILE", help="A filter file, as in conf/filters/.")],
    name: Annotated[
        str | None, typer.Option(help="Of the selection; default: the filter file's name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide anew what a run keeps, from its stored scores, and pack that: RUN/selections/NAME/."""
    from dataengine.commands.select import select

    select(run_dir, filters, name, as_json)


@app.command()
def calibrate(
    run_dir: Annotated[str, typer.Argument(metavar="RUN", help="A run whose candidates are labelled.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Filter file to write.")],
    truth: Annotated[
        list[Path] | None,
        typer.Option(metavar="TABLE", help="What its scenes hold: the table `demo-data` wrote."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="CSV or Parquet of your own: sample_id, right."),
    ] = None,
    criteria: Annotated[
        Path | None,
        typer.Option(help="Filter file that names scores, directions and conditions; default: the old OUT."),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(metavar="SCORE,…", help="Scores whose thresholds may move; default: all."),
    ] = None,
    precision: Annotated[float, typer.Option(min=0.0, max=0.999, help="Least share of right labels.")] = 0.9,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Of the lower bound on that share.")
    ] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Choose a filter's thresholds from labelled candidates: most yield at the precision you ask for."""
    from dataengine.commands.calibrate import Labels, calibrate
    from dataengine.evaluation.calibration import Goal

    moved = [each.strip() for each in scores.split(",")] if scores else []
    goal = Goal(precision, confidence)
    calibrate(run_dir, Labels(tuple(truth or ()), labels), out, criteria, moved, goal, as_json)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A training file (YAML).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoints and the log.")],
    overrides: FileOverrides = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Train in so many workers of a Ray cluster.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of that cluster; default: one on this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a separator from shards; the same command goes on where it stopped."""
    from dataengine.commands.train import train_command

    train_command(config, out, overrides or [], workers, address, as_json)


loop = typer.Typer(
    cls=_LoopCommands,
    no_args_is_help=True,
    help="Rounds of label, pack, train, evaluate, promote: `dataengine loop FILE` runs them, or goes on.",
)
app.add_typer(loop, name="loop")
LoopDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="A loop's directory.")]


@loop.command("run")
def loop_run(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="A loop file (YAML).")],
    overrides: FileOverrides = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster; default: RAY_ADDRESS, else this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a loop, or go on with one that was stopped."""
    from dataengine.commands.loop import run

    run(config, overrides or [], address, as_json)


@loop.command("status")
def loop_status(directory: LoopDirectory, as_json: AsJson = False) -> None:
    """Tell how far a loop is, what its rounds came to, and which separator is promoted."""
    from dataengine.commands.loop import status

    status(directory, as_json)


@loop.command("report")
def loop_report(directory: LoopDirectory) -> None:
    """Write the report page of a loop: DIR/report.html."""
    from dataengine.commands.loop import report

    report(directory)


@loop.command("rollback")
def loop_rollback(
    directory: LoopDirectory,
    to: Annotated[int, typer.Argument(metavar="ROUND", min=0, help="A promoted round; 0: the start.")],
) -> None:
    """Promote the separator of an earlier round again; further rounds begin with it."""
    from dataengine.commands.loop import rollback

    rollback(directory, to)


@loop.command("lineage")
def loop_lineage(
    directory: LoopDirectory,
    number: Annotated[
        int | None, typer.Argument(metavar="ROUND", min=0, help="Default: the promoted one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell every recording that shaped a round's separator, with its licence."""
    from dataengine.commands.loop import show_lineage

    show_lineage(directory, number, as_json)


@app.command()
def separate(
    recording: Annotated[str, typer.Argument(metavar="FILE", help="A recording: a path or URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for target.wav and residual.wav.")],
    text: Annotated[str | None, typer.Option(help="What to take out: 'dog barking'.")] = None,
    span: Annotated[
        list[str] | None, typer.Option(metavar="START,END", help="Seconds in which it sounds.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Write only what is left without it.")] = False,
    separator: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID", help="What `train` wrote, or a model on the hub; default: the bundled one."
        ),
    ] = "seed",
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; default: the separator's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise that the flow starts from.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Take a sound out of a recording: target and what is left, which add up to it."""
    from dataengine.commands.separate import separate

    separate(recording, out, text, span or [], remove, separator, steps, seed, as_json)


@app.command("check-stage")
def check_stage(
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="A stage's name, FILE.py:Class or MODULE:Class.")
    ],
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the stage.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Recordings to try it on; default: the pipeline's input.")
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option(help="Its stages write what the stage reads; default: the built-in one."),
    ] = None,
    windows: Annotated[int, typer.Option(min=2, help="Windows to try it on.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Try a stage on real rows: does it keep the contract of stages?"""
    from dataengine.commands.check_stage import check_stage

    check_stage(stage, parameters or [], manifest, pipeline, windows, as_json)


models_app = typer.Typer(cls=_ModelCommands, help="The models of a profile: list them, fetch their weights.")
app.add_typer(models_app, name="models")

ProfileName = Annotated[str, typer.Argument(help="Name of a profile, or path to a profile file.")]


@models_app.command("list")
def list_models(profile: ProfileName = "embedded", as_json: AsJson = False) -> None:
    """Role, adapter, licence, and where the weights are; and what else could be used."""
    from dataengine.commands.models import list_models

    list_models(profile, as_json)


@models_app.command("fetch")
def fetch_models(
    profile: ProfileName,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A mirror to carry along; default: the Hugging Face hub's own cache."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download the weights of a profile from the Hugging Face hub."""
    from dataengine.commands.models import fetch_models

    fetch_models(profile, to, as_json)


def main() -> None:
    """The `dataengine` command."""
    app(prog_name="dataengine")


if __name__ == "__main__":
    main()
