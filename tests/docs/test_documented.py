"""The documents name every command, setting and recipe, with the defaults of the code."""

import dataclasses
import json
import re

import pytest
import typer

from cli.imports.personal import LibrarySettings, ScheduleSettings, SourceSettings
from cli.main import app
from mailer.config import PREFIX as MAIL_PREFIX
from mailer.config import MailSettings
from service.config import PREFIX, Settings
from tests.cli.conftest import Run
from tests.process.running import ROOT
from training.recipes import RECIPES

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLASSES = {
    PREFIX: Settings,
    MAIL_PREFIX: MailSettings,
    "PAPERFEED_LIBRARY_": LibrarySettings,
    "PAPERFEED_SOURCES_": SourceSettings,
    "PAPERFEED_SCHEDULE_": ScheduleSettings,
}
FIELDS = {prefix + field.name.upper(): field for prefix, cls in CLASSES.items() for field in dataclasses.fields(cls)}
ROW = re.compile(r"^\| *`(PAPERFEED_[A-Z_]+)` *\| *([^|]*?) *\| *([^|]*?) *\|$", re.MULTILINE)


def commands() -> list[str]:
    """Return every command as it is typed."""

    def walk(command: object, words: tuple[str, ...]) -> list[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [" ".join(words)]
        return [name for word, each in inner.items() for name in walk(each, (*words, word))]

    return walk(typer.main.get_command(app), ("paperfeed",))


def text() -> str:
    """Return the text of all documents."""
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS if path.exists())


@pytest.mark.parametrize("command", commands())
def test_command_is_documented(command: str) -> None:
    """README.md or a page of docs/ names every command."""
    assert re.search(rf"\b{re.escape(command)}\b", text())


@pytest.mark.parametrize("variable", FIELDS)
def test_setting_is_documented(variable: str) -> None:
    """The tables of docs/settings.md, and no other page, list every setting once, with the code's default and help."""
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [row for row in ROW.findall(page) if row[0] == variable]

    assert len(rows) == 1
    assert len([row for row in ROW.findall(text()) if row[0] == variable]) == 1
    default = FIELDS[variable].default
    default = ", ".join(default) if isinstance(default, tuple) else default
    assert rows[0][1].strip("`") == (str(default) if default != "" else "(empty)")
    assert rows[0][2] == FIELDS[variable].metadata["help"]


def test_nothing_else_is_documented() -> None:
    """No document names a PAPERFEED_ variable that does not exist."""
    named = set(re.findall(r"PAPERFEED_[A-Z]+(?:_[A-Z]+)*", text()))
    # PAPERFEED_CONFIG names the file of settings. Only the tests read PAPERFEED_REQUIRE; "PAPERFEED_KEEP" is the common
    # part of several names.
    assert named - FIELDS.keys() - {"PAPERFEED_REQUIRE", "PAPERFEED_CONFIG"} <= {"PAPERFEED_KEEP"}


def test_every_recipe_is_named() -> None:
    """The help of --recipe names every recipe, and the table of docs/train.md lists exactly the recipes."""
    group = typer.main.get_command(app)
    page = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|", page.partition("| `--recipe` |")[2].partition("\n\n")[0], re.MULTILINE)

    helps = [
        parameter.help
        for name in ("train", "evaluate")
        for parameter in group.commands[name].params  # type: ignore[attr-defined]
        if parameter.name == "recipe"
    ]

    assert sorted(rows) == sorted(RECIPES)
    assert len(helps) == 2
    assert all(re.search(rf"\b{name}\b", words) for name in RECIPES for words in helps)


def test_readme_is_short() -> None:
    """README.md has at most 1,200 words."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1_200


def test_batches_rank_the_digest_of_the_readme(paperfeed: Run) -> None:
    """The import command of README.md creates the digest that the commands of docs/batch.md rank."""
    readme, batches = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/batch.md"))
    (words,) = re.findall(r"^paperfeed (digest import \S+ --date \S+)", readme, re.MULTILINE)
    asked = re.findall(r"^paperfeed batch rerank.* --digest (\S+)", batches, re.MULTILINE)

    done = paperfeed(*words.replace("cli/", f"{ROOT}/cli/").split(), "--json")

    assert done.code == 0, done.err
    assert set(asked) == {json.loads(done.out)["digest_id"]}


def test_every_command_explains_itself() -> None:
    """Every command and command group has a help text."""

    def walk(command: object, name: str) -> list[str]:
        inner = getattr(command, "commands", {})
        here = [] if getattr(command, "help", None) else [name]
        return here + [missing for word, each in inner.items() for missing in walk(each, f"{name} {word}")]

    assert walk(typer.main.get_command(app), "paperfeed") == []
