"""The `recsys` command. Everything heavy is imported inside the commands, so that --help answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.command import Speech, command

app = typer.Typer(
    name="recsys",
    help="Compare recommenders honestly, and keep the best one fresh.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file, such as conf/demo.yaml.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=v", help="Set one value of the spec; may be repeated.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; the rest on standard error.")]


@app.callback()
def about() -> None:
    """Compare recommenders honestly, and keep the best one fresh."""


@app.command()
def compare(
    spec: Spec,
    set_: Set = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where results go.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute everything anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The main job: train models on one split and compare them."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.compare import run

        run(spec, set_ or [], out, fresh, dry_run, speech)


@app.command()
def recommend(
    spec: Spec,
    user: Annotated[list[str] | None, typer.Option("--user", metavar="U", help="A user; may be repeated.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", metavar="ITEM", help="An item a new user has taken; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="LABEL", help="A row of the spec; default: all.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Items a list.")] = 5,
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What the models of a spec recommend to given users, side by side."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.recommend import run
        from recsys.experiment.ask import Question

        run(spec, set_ or [], Question(tuple(user or ()), tuple(history or ()), k), model or [], speech)


@app.command()
def init(
    events: Annotated[str, typer.Argument(metavar="EVENTS", help="csv, tsv or parquet; a file, folder, glob or URI.")],
    items: Annotated[
        str | None, typer.Option("--items", metavar="F", help="A table of items and their features.")
    ] = None,
    users: Annotated[
        str | None, typer.Option("--users", metavar="F", help="A table of users and their features.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The spec; default: <events>.yaml here.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a ready spec for one's own table."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.init import run

        run(events, items, users, out, speech)


@app.command()
def models(quiet: Quiet = False, as_json: Json = False) -> None:
    """The models there are, and their settings."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.models import run

        run(speech)


@app.command()
def doctor(
    spec: Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="Estimate what this spec takes.")] = None,
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check the installation; with a spec, estimate its memory and time."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.doctor import run

        run(spec, set_ or [], speech)


@app.command()
def gc(
    days: Annotated[float, typer.Option("--days", min=0, help="Remove what was not used for so long.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Free the space of stored stages, checkpoints and logs that can be made again."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.gc import run

        run(days, dry_run, speech)


@app.command()
def up(quiet: Quiet = False, as_json: Json = False) -> None:
    """Prefect server, MLflow server and worker on this machine, until Ctrl-C."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.up import run

        run(speech)


@app.command()
def deploy(
    write: Annotated[bool, typer.Option("--write", help="Write prefect.yaml from conf/ and stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Register the deployments with a Prefect server."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.deploy import run

        run(write, speech)


def main() -> None:
    """The entry point."""
    from flows.command import run_app

    run_app(app)
