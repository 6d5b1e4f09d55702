"""The ``paperfeed`` command: one module per command or group of commands."""

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from cli import bench, db, keys, serve
from cli import run as schedule
from cli.batch import commands as batch
from cli.demo import command as demo
from cli.failures import run
from cli.home import doctor, init, up
from cli.imports import digests, fetch, files, libraries
from cli.mail import commands as mail
from cli.models import check, due, estimate, evaluate, judge, registry, train
from cli.options import Commands
from cli.output import show_text
from cli.queries import commands as queries
from cli.queries import explain, interests, missed, reactions, signals
from cli.users import commands as users
from settings.reader import chosen_file

app = Commands(
    name="paperfeed",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        show_text(f"paperfeed {version('paperfeed')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file. Default: PAPERFEED_CONFIG, then paperfeed.toml here or in a parent folder."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Rank each day's new research papers for each user: serve feeds, import papers and likes, train, send mail.

    To start, run: paperfeed init
    """
    if config is not None:
        ctx.with_resource(chosen_file(config))


app.command("init")(init.init)
app.command("up")(up.up)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.add_typer(digests.app, name="digest")
app.add_typer(fetch.app, name="fetch")
app.add_typer(files.papers, name="papers")
app.add_typer(files.events, name="events")
app.add_typer(libraries.app, name="library")
app.command("feed")(queries.feed)
app.command("search")(queries.search)
app.command("similar")(queries.similar)
app.command("like")(reactions.like)
app.command("dislike")(reactions.dislike)
app.command("dismiss")(reactions.dismiss)
app.command("profile")(queries.profile)
app.command("explain")(explain.explain)
app.command("missed")(missed.missed)
app.add_typer(signals.app, name="signals")
app.add_typer(users.app, name="users")
app.add_typer(interests.app, name="interests")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(batch.export)
app.add_typer(bench.app, name="bench")
app.add_typer(batch.app, name="batch")
app.command("estimate")(estimate.estimate)
app.add_typer(registry.app, name="models")
registry.app.command("check")(check.check)
registry.app.command("judge")(judge.judge)
registry.app.command("due")(due.due)
app.add_typer(mail.app, name="mail")
app.command("run")(schedule.run)
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")
app.command("audit")(keys.audit)
app.command("status")(queries.status)
app.command("demo")(demo.demo)


@cache
def _command() -> Callable[[], object]:
    """Return the command line, which takes a tenth of a second to build; a process may run several commands."""
    return get_command(app)


def main() -> None:
    """Run the command line and end the process with its exit code: 0 done, 1 failed, 2 wrong usage."""
    sys.exit(run(_command()))


if __name__ == "__main__":
    main()
