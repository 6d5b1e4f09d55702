"""Writes paperfeed.toml: every setting with its help; those that keep their default are commented out."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cli.imports.personal import LibrarySettings, ScheduleSettings, SourceSettings
from mailer.config import MailSettings
from service.config import Settings

_HEAD = """\
# Settings of paperfeed, read by every command in this folder and the folders below it. `paperfeed up` runs it all;
# `paperfeed doctor` checks it. A flag of a command beats a variable such as PAPERFEED_PORT, which beats this file.
# A line that begins with # shows a default. Paths are relative to this file. Passwords and keys never stand here:
# settings that end in _file name a file that holds one.
"""
_TABLES: tuple[tuple[str, type[Any], str], ...] = (
    ("library", LibrarySettings, "The papers that you like."),
    ("sources", SourceSettings, "Where new papers come from."),
    ("schedule", ScheduleSettings, "When new papers are fetched and mailed."),
    ("service", Settings, "The server and the commands."),
    ("mail", MailSettings, "The mailer and its web pages."),
)


def settings_text(chosen: Mapping[str, Mapping[str, object]]) -> str:
    """Return the text of the file.

    Args:
        chosen: Values by key, by table; all others keep their defaults.
    """
    return "\n".join([_HEAD, *(_table(name, cls, title, chosen.get(name, {})) for name, cls, title in _TABLES)])


def _table(name: str, cls: type[Any], title: str, chosen: Mapping[str, object]) -> str:
    lines = [f"# {title}", f"[{name}]"]
    for each in fields(cls):
        lines += textwrap.wrap(each.metadata["help"], 110, initial_indent="# ", subsequent_indent="# ")
        is_chosen = each.name in chosen
        value = chosen[each.name] if is_chosen else each.default
        lines.append(f"{'' if is_chosen else '# '}{each.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """Return a value as TOML writes it. JSON's texts, lists, numbers and booleans are TOML's too."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False).replace("\x7f", "\\u007f")
