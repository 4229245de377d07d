"""The `recsys` command. Everything heavy is imported inside the commands, so that --help answers at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

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
RunId = Annotated[
    str, typer.Argument(metavar="RUN_ID", help="Of a finished run in MLflow, as leaderboard.csv names it.")
]
Form = Literal["parquet", "csv"]
Allow = Annotated[
    Path | None, typer.Option("--allow", metavar="FILE", help="The items that may be listed, an id a line.")
]
MaxAge = Annotated[
    str | None, typer.Option("--max-age", metavar="AGE", help="Of an item, such as 30d; with --age-column.")
]
AgeColumn = Annotated[
    str | None, typer.Option("--age-column", metavar="COLUMN", help="The column of the items that holds their time.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; the rest on standard error.")]


@app.callback()
def about() -> None:
    """Compare recommenders honestly, and keep the best one fresh."""


@app.command()
def compare(
    named: Annotated[
        list[str],
        typer.Argument(metavar="SPEC", help="A spec file, such as conf/demo.yaml; under --runs, ids of finished runs."),
    ],
    runs: Annotated[
        bool, typer.Option("--runs", help="Hold finished runs against one another, by their MLflow ids; fit nothing.")
    ] = False,
    set_: Set = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="a.b=v", help="Compare under this setting too, such as split.kind=temporal."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where results go.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute everything anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The main job: train models on one split and compare them."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.compare import one_spec, run

        if runs:
            from flows.commands.compare_runs import run as compare_runs

            compare_runs(named, out, bool(set_ or also or fresh or dry_run), speech)
        else:
            run(one_spec(named), set_ or [], out, fresh, dry_run, speech, also or [])


@app.command()
def rerun(
    run_id: RunId,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where results go.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a finished comparison again from its record and the data; print how far each number is from what it was."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.rerun import run

        run(run_id, out, speech)


@app.command()
def log(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `recsys compare` has written.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Log a result to MLflow that was away while it was made; once, however often it is asked for."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.log import run

        run(folder, speech)


metrics = typer.Typer(name="metrics", help="What the numbers mean.", no_args_is_help=True)
app.add_typer(metrics)


@metrics.command("explain")
def metrics_explain(run_id: RunId, quiet: Quiet = False, as_json: Json = False) -> None:
    """The lists of a finished run under the definitions of other libraries, and the spread."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.metrics import explain

        explain(run_id, speech)


@app.command()
def tune(
    spec: Spec,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="Settings tried of each model; default: 20.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=1, help="Of work for each model; default: 600.")
    ] = None,
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The tuned spec; default: <spec>-tuned.yaml here.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search the settings of every model on the validation part, each with the same budget."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.tune import run

        run(spec, set_ or [], trials, seconds, out, speech)


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
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why: what of the user's history speaks for each item.")
    ] = False,
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What the models of a spec recommend to given users, side by side."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.recommend import run
        from recsys.experiment.ask import Question

        run(spec, set_ or [], Question(tuple(user or ()), tuple(history or ()), k, explain), model or [], speech)


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
def retrain(
    spec: Spec,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="Rows up to then; default: up to the newest.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="The nights from then on, as they would have been.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The last of these nights.")] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="What lies between two nights; default: 1d.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Promote on the way; else nothing changes.")] = False,
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit a challenger; it serves if it is better, or as good and fresher."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.retrain import backfill, nights_of, run

        nights = nights_of(as_of, since, until, every, promote)
        if nights:
            backfill(spec, set_ or [], nights, promote, speech)
        else:
            run(spec, set_ or [], as_of, speech)


champion = typer.Typer(name="champion", help="Who serves, what was decided, and a person's word.", no_args_is_help=True)
app.add_typer(champion)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The `name` of the spec.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="WHY", help="Stands in the logbook.")]
Number = Annotated[int | None, typer.Option("--version", min=1, metavar="N", help="Another version than the usual.")]


@champion.command("show")
def champion_show(name: Name, quiet: Quiet = False, as_json: Json = False) -> None:
    """Who serves, and since when."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.champion import show_champion

        show_champion(name, speech)


@champion.command("history")
def champion_history(name: Name, quiet: Quiet = False, as_json: Json = False) -> None:
    """Every decision, oldest first."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.champion import show_history

        show_history(name, speech)


@champion.command("promote")
def champion_promote(
    name: Name, version: Number = None, reason: Reason = None, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Make the version that waits champion."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.champion import promote

        promote(name, version, reason, speech)


@champion.command("rollback")
def champion_rollback(
    name: Name, version: Number = None, reason: Reason = None, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Go back to the champion before this one."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.champion import rollback

        rollback(name, version, reason, speech)


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


@app.command("simulate-traffic")
def simulate_traffic(
    spec: Spec,
    into: Annotated[str, typer.Option("--into", metavar="FOLDER|sql:TABLE", help="The source that grows.")],
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="First day of arrival, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], metavar="DAY", help="Last day of arrival.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="At most so many that are not there yet.")] = None,
    poison: Annotated[
        list[str] | None,
        typer.Option("--poison", metavar="DAY=KIND[:SHARE]", help="A bad day: hammer or shuffle; may be repeated."),
    ] = None,
    late: Annotated[
        float, typer.Option("--late", min=0, max=0.99, help="Share of rows that come one to three days late.")
    ] = 0.0,
    repeat: Annotated[float, typer.Option("--repeat", min=0, max=0.99, help="Share of rows that come twice.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same traffic.")] = 0,
    form: Annotated[Form, typer.Option("--form", help="Of the files in a folder.")] = "parquet",
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Replay a data set day by day into a folder or table that grows, for demos and tests."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.traffic import Days, poisons, run
        from recsys.data.traffic import Traffic

        traffic = Traffic(seed=seed, late=late, duplicates=repeat, poison=poisons(poison or []))
        wanted = Days(start.date() if start else None, until.date() if until else None, days)
        run(spec, set_ or [], into, wanted, traffic, form, speech)


@app.command()
def publish(
    spec: Spec,
    to: Annotated[str, typer.Option("--to", metavar="FOLDER|sql:TABLE", help="Where the lists of all users go.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Items a list.")] = 20,
    allow: Allow = None,
    max_age: MaxAge = None,
    age_column: AgeColumn = None,
    set_: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Put the champion's lists for every user where others read them, all in one step."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.publish import run
        from recsys.serving.allow import AllowList

        run(spec, set_ or [], to, k, AllowList.parse(allow, max_age, age_column), speech)


@app.command()
def serve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name in the spec.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8080,
    host: Annotated[str, typer.Option("--host", help="Others than this machine need RECSYS_SERVE_KEY.")] = "127.0.0.1",
    allow: Allow = None,
    max_age: MaxAge = None,
    age_column: AgeColumn = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Serve the champion over HTTP and follow it to newer versions, until Ctrl-C."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.serve import run
        from recsys.serving.allow import AllowList

        run(name, host, port, AllowList.parse(allow, max_age, age_column), speech)


@app.command()
def backtest(
    spec: Spec,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="Of a period, such as 7d; default: by the data."),
    ] = None,
    periods: Annotated[int | None, typer.Option("--periods", min=2, help="How many, the newest; default: 8.")] = None,
    set_: Set = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where results go.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """How fast models age, and what retraining each day, week or month would have given."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.backtest import run

        run(spec, set_ or [], every, periods, out, speech)


@app.command()
def explore(
    spec: Spec,
    set_: Set = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where results go.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The data alone, before any model: what there is, what is missing, what each split would do."""
    speech = Speech(quiet, as_json)
    with command(speech):
        from flows.commands.explore import run

        run(spec, set_ or [], out, speech)


def main() -> None:
    """The entry point."""
    from flows.command import run_app

    run_app(app)
