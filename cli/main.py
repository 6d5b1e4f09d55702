"""The ``paperfeed`` command: one module per command or group of commands."""

import sys

import typer

from cli import bench, db, serve
from cli import run as schedule
from cli.batch import commands as batch
from cli.demo import command as demo
from cli.failures import run
from cli.imports import fetch, files, libraries
from cli.mail import commands as mail
from cli.models import estimate, evaluate, train
from cli.queries import commands as queries

app = typer.Typer(
    name="paperfeed",
    help="Rank each day's new research papers for each user: serve feeds, import papers and likes, train, send mail.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.add_typer(files.digests, name="digest")
app.add_typer(fetch.app, name="fetch")
app.add_typer(files.papers, name="papers")
app.add_typer(files.events, name="events")
app.add_typer(libraries.app, name="library")
app.command("feed")(queries.feed)
app.command("similar")(queries.similar)
app.command("profile")(queries.profile)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(batch.export)
app.add_typer(bench.app, name="bench")
app.add_typer(batch.app, name="batch")
app.command("estimate")(estimate.estimate)
app.add_typer(mail.app, name="mail")
app.command("run")(schedule.run)
app.add_typer(db.app, name="db")
app.command("status")(queries.status)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line and end the process with its exit code: 0 done, 1 failed, 2 wrong usage."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
