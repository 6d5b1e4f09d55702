"""The ``paperfeed`` command: one module per command or group of commands."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli import bench, db, keys, serve
from cli import run as schedule
from cli.batch import commands as batch
from cli.demo import command as demo
from cli.failures import run
from cli.imports import digests, fetch, files, libraries
from cli.mail import commands as mail
from cli.models import estimate, evaluate, train
from cli.output import show_text
from cli.queries import commands as queries
from cli.queries import reactions
from cli.users import commands as users

app = typer.Typer(
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
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Rank each day's new research papers for each user: serve feeds, import papers and likes, train, send mail."""


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
app.add_typer(users.app, name="users")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(batch.export)
app.add_typer(bench.app, name="bench")
app.add_typer(batch.app, name="batch")
app.command("estimate")(estimate.estimate)
app.add_typer(mail.app, name="mail")
app.command("run")(schedule.run)
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")
app.command("audit")(keys.audit)
app.command("status")(queries.status)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line and end the process with its exit code: 0 done, 1 failed, 2 wrong usage."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
