"""``paperfeed init``: the file that it writes, the questions that it asks, and what it refuses."""

import configparser
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.home.plan import open_home
from cli.home.suggest import suggested_categories
from mailer.config import MailSettings
from service.config import Settings
from service.domain.papers import Paper
from settings.reader import chosen_file
from tests.cli.command import Run
from tests.cli.home.homes import LIBRARY, change, environment, run

ENOUGH = ("--no-library", "--hf-daily", "--no-mail")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a library in it, where commands run."""
    (tmp_path / "refs.bib").write_text(LIBRARY, encoding="utf-8")
    return tmp_path


def tables(folder: Path) -> dict[str, Any]:
    """Return what the settings file says."""
    return tomllib.loads((folder / "paperfeed.toml").read_text(encoding="utf-8"))


def test_flags(paperfeed: Run, folder: Path) -> None:
    """Flags answer all questions, and the file says what they chose, with paths relative to it."""
    (folder / "sub").mkdir()
    words = [
        "init",
        "--library",
        "refs.bib",
        "--category",
        "cs.IR,cs.LG",
        "--biorxiv",
        "cell_biology",
        "--medrxiv",
        "all",
    ]
    words += ["--feed", "https://j.example/rss", "--hf-daily", "--at", "06:30", "--zone", "Europe/Vienna"]
    words += ["--mail", "ada@example.org", "--smtp", "smtp.example.org:465", "--smtp-user", "ada@example.org"]
    done = paperfeed(*words, "--smtp-password-file", "sub/password")

    assert done.code == 0, done.err
    found = tables(folder)
    assert found["library"] == {"file": "refs.bib"}
    assert found["sources"] == {
        "arxiv": ["cs.IR", "cs.LG"],
        "hf_daily": True,
        "biorxiv": ["cell_biology"],
        "medrxiv": ["all"],
        "feeds": ["https://j.example/rss"],
    }
    assert found["schedule"] == {"at": "06:30", "zone": "Europe/Vienna", "mail_to": "ada@example.org"}
    assert found["service"] == {"db": "sqlite:///paperfeed.db"}
    assert found["mail"] == {
        "db": "sqlite:///paperfeed.db",
        "sender_address": "ada@example.org",
        "smtp_host": "smtp.example.org",
        "smtp_port": 465,
        "smtp_security": "tls",
        "smtp_user": "ada@example.org",
        "smtp_password_file": "sub/password",
    }


def test_every_default_in_the_file_is_one(paperfeed: Run, folder: Path) -> None:
    """The file shows every setting; with all comments removed it is valid and changes nothing but the paths."""
    assert paperfeed("init", *ENOUGH).code == 0
    path = folder / "paperfeed.toml"
    text = re.sub(r"^# ([a-z_]+ = )", r"\1", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")

    assert set(tables(folder)["service"]) == set(Settings.__dataclass_fields__)
    assert set(tables(folder)["mail"]) == set(MailSettings.__dataclass_fields__)
    with chosen_file(path):
        read = Settings.read()
    defaults = Settings()
    changed = {name for name in Settings.__dataclass_fields__ if getattr(read, name) != getattr(defaults, name)}
    # The test's environment names the encoder, the cache and the database.
    assert changed <= {"db", "data", "encoder", "embedding_cache"}


def test_missing_answers(paperfeed: Run, folder: Path) -> None:
    """Without a terminal, the missing flags are named, with suggestions from the library; nothing is written."""
    nothing = paperfeed("init")
    assert nothing.code == 2
    for words in ("--library FILE", "--category", "--mail ADDRESS or --no-mail"):
        assert words in nothing.err
    some = paperfeed("init", "--library", "refs.bib", "--mail", "ada@example.org")
    assert "the library suggests --category cs.IR" in some.err
    assert "--smtp HOST:PORT" in some.err
    assert not (folder / "paperfeed.toml").exists()


def test_steps_of_the_library(paperfeed: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file and a Zotero library are synced, also before each fetch; papers that were named are added at the start."""
    (folder / "key").write_text("secret", encoding="utf-8")
    words = ("--library", "refs.bib", "--zotero", "groups/7", "--zotero-key-file", "key", "--like", "2310.12345")
    assert paperfeed("init", *words, "--hf-daily", "--no-mail").code == 0
    monkeypatch.chdir(folder)
    home = open_home()
    zotero = ["library", "sync", "zotero", "--user", "me", "--library", "groups/7", "--key-file", str(folder / "key")]
    assert [shlex.split(step) for step in home.sync_steps] == [
        ["library", "sync", "file", str(folder / "refs.bib"), "--user", "me"],
        [*zotero, "--no-collections-as-interests"],
    ]
    change(folder, library__zotero_collections=True)
    assert shlex.split(open_home().sync_steps[1]) == [*zotero, "--collections-as-interests"]
    added = shlex.join(["library", "add", "--from", str(folder / "likes.txt"), "--user", "me"])
    assert home.library_steps == [*home.sync_steps, added]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--library", "none-such.bib"), "none-such.bib: there is no such file"),
        (("--category", "cs LG!"), "'LG!' is not a category"),
        (("--feed", "ftp://x"), "does not begin with http"),
        (("--at", "25:00"), "time"),
        (("--zone", "Mars/Base"), "'Mars/Base' is not a time zone"),
        (("--zotero", "ada"), "'ada' is not users/ID"),
        (("--mail", "ada"), "is not an e-mail address"),
        (("--mail", "a@example.org", "--smtp", "x:y"), "is not HOST or HOST:PORT"),
        (("--mail", "a@example.org", "--no-mail"), "cannot be combined with --no-mail"),
    ],
)
def test_wrong_answers(paperfeed: Run, folder: Path, words: tuple[str, ...], problem: str) -> None:
    """A wrong flag is named, and nothing is written."""
    done = paperfeed("init", *words)
    assert done.code in {1, 2}
    assert problem in done.err
    assert not (folder / "paperfeed.toml").exists()


def test_nothing_is_overwritten(paperfeed: Run, folder: Path) -> None:
    """Existing files stay unless --force is given."""
    (folder / "paperfeed.toml").write_text("# mine\n")
    done = paperfeed("init", *ENOUGH)
    assert done.code == 2
    assert "paperfeed.toml exists; --force overwrites it" in done.err
    assert (folder / "paperfeed.toml").read_text() == "# mine\n"
    assert paperfeed("init", "--force", *ENOUGH).code == 0
    assert "hf_daily = true" in (folder / "paperfeed.toml").read_text()


def test_named_papers(paperfeed: Run, folder: Path) -> None:
    """Papers that are named become a list beside the settings; another folder is made."""
    words = ("--like", "2310.12345", "--like", "Attention is all you need", "--hf-daily", "--no-mail")
    assert paperfeed("init", "new/home", *words).code == 0
    assert tables(folder / "new" / "home")["library"] == {"list": "likes.txt"}
    lines = (folder / "new" / "home" / "likes.txt").read_text().splitlines()
    assert lines[1:] == ["2310.12345", "Attention is all you need"]


def test_suggestions() -> None:
    """Categories of the entries count most; without any, words of titles do."""
    papers = [Paper("a", "Anything", categories=("cs.SE", "Software Engineering")), Paper("b", "Deep learning")]
    assert suggested_categories(papers) == ["cs.SE"]
    titles = ["Protein language models", "Single-cell gene expression", "Drug design"]
    assert suggested_categories([Paper(str(number), title) for number, title in enumerate(titles)])[0] == "q-bio.BM"
    assert suggested_categories([]) == []
    assert suggested_categories([Paper("a", "Untitled")]) == []


def test_systemd_unit(paperfeed: Run, folder: Path) -> None:
    """The unit is a valid ini file, and its command exists and knows `up`."""
    assert paperfeed("init", *ENOUGH, "--systemd").code == 0
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(folder / "paperfeed.service")
    assert unit["Service"]["WorkingDirectory"] == str(folder)
    assert unit["Install"]["WantedBy"] == "default.target"
    command = shlex.split(unit["Service"]["ExecStart"])
    assert command[-1] == "up"
    asked = subprocess.run(
        [*command, "--help"], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert "--once" in asked.stdout
    if verify := shutil.which("systemd-analyze"):
        unit_file = str(folder / "paperfeed.service")
        said = subprocess.run([verify, "verify", unit_file], capture_output=True, text=True, check=False, timeout=60)
        assert (said.returncode, said.stderr) == (0, "")


def test_github_workflow(paperfeed: Run, folder: Path) -> None:
    """The workflow is valid YAML with the time in UTC; each of its steps has an action or a command of ours."""
    assert paperfeed("init", *ENOUGH, "--github", "--at", "06:30", "--zone", "Asia/Tokyo").code == 0
    text = (folder / ".github" / "workflows" / "paperfeed.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True]["schedule"] == [{"cron": "30 21 * * *"}]  # YAML reads the key `on` as true
    steps = workflow["jobs"]["feed"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    commands = [step["run"] for step in steps if step.get("run", "").startswith("paperfeed ")]
    assert [shlex.split(command)[1:3] for command in commands] == [["up", "--once"]]
    assert "@" not in text.replace("@v", "")

    (write,) = (step for step in steps if "SMTP_PASSWORD" in step.get("env", {}))
    values = environment() | {"SMTP_PASSWORD": "a 'quoted' %s $word"}
    subprocess.run(["bash", "-e", "-c", write["run"]], cwd=folder, env=values, check=True, timeout=60)
    password = folder / workflow["jobs"]["feed"]["env"]["PAPERFEED_MAIL_SMTP_PASSWORD_FILE"]
    assert password.read_text() == values["SMTP_PASSWORD"]
    assert password.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_questions(folder: Path) -> None:
    """On a terminal, init asks for what is missing, explains wrong answers, and writes the same file as flags do."""
    answers = ["1", "none-such.bib", "refs.bib", "cs LG!", "cs.IR", "y", "", "oncology", "", "7 o'clock", "06:15"]
    answers += ["Europe/Vienna", "not an address", ""]
    said = on_terminal(folder, answers)

    assert "none-such.bib: there is no such file" in said
    assert "[cs.IR" in said, "the library's categories are proposed"
    assert "is not an e-mail address" in said
    found = tables(folder)
    assert found["library"] == {"file": "refs.bib"}
    assert found["sources"] == {"arxiv": ["cs.IR"], "hf_daily": True, "medrxiv": ["oncology"]}
    assert found["schedule"] == {"at": "06:15", "zone": "Europe/Vienna"}


def on_terminal(folder: Path, answers: list[str]) -> str:
    """Run ``paperfeed init`` on a terminal, answer each question in turn, and return what it printed."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "init"],
        cwd=folder,
        env=environment() | {"COLUMNS": "200", "TERM": "dumb"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    ) as process:
        os.close(child)
        said, rest, ends_at = "", list(answers), time.monotonic() + 60
        while time.monotonic() < ends_at:
            try:
                ready = select.select([parent], [], [], 1.0)[0]
                said += os.read(parent, 4096).decode() if ready else ""
            except OSError:  # Linux: the terminal is closed
                break
            if rest and said.endswith(": "):
                os.write(parent, rest.pop(0).encode() + b"\n")
                said += "\n"
        assert process.wait(30) == 0, said
    os.close(parent)
    assert rest == []
    return said


def test_wrong_folder(tmp_path: Path) -> None:
    """Commands that need a database make none in a folder without settings, and say what to do."""
    for words in (("keys", "list"), ("mail", "status")):
        done = run(tmp_path, *words)
        assert done.returncode == 2, done.stderr
        assert "run `paperfeed init`, or name the database with --" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("library", "import", "refs.bib", "--user", "me"), ("library", "sync", "file", "refs.bib", "--user", "me")],
)
def test_a_library_may_make_a_database(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A library makes the default database and says so: for many people it is the first thing they have."""
    (tmp_path / "refs.bib").write_text("@article{a, title = {A title of a paper}}\n")
    done = run(tmp_path, *words, "--no-embed")

    assert done.returncode == 0, done.stderr
    assert f"a new database: {tmp_path}/paperfeed.db" in done.stderr


def test_first_papers_may_make_a_database(tmp_path: Path) -> None:
    """The import of a digest makes the default database and says so; in a folder with settings it takes theirs."""
    (tmp_path / "papers.jsonl").write_text('{"paper_id": "a", "title": "A title of a paper"}\n')
    words = ("digest", "import", "papers.jsonl", "--date", "2026-03-11", "--no-embed")
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert f"a new database: {tmp_path}/paperfeed.db" in done.stderr

    (tmp_path / "paperfeed.toml").write_text('[service]\ndb = "sqlite:///mine.db"\n')
    (tmp_path / "below").mkdir()
    elsewhere = run(tmp_path.parent, "--config", str(tmp_path / "paperfeed.toml"), "mail", "status")
    assert "mail-db: there is no mailer.db" in elsewhere.stderr
    (tmp_path / "papers.jsonl").rename(tmp_path / "below" / "papers.jsonl")
    done = run(tmp_path / "below", *words)
    assert done.returncode == 0, done.stderr
    assert "a new database" not in done.stderr
    assert (tmp_path / "mine.db").exists()
