"""The settings file: where it is found, how it is read, and how its mistakes are named."""

import os
from pathlib import Path

import pytest

from cli.imports.personal import LibrarySettings
from mailer.config import MailSettings
from service.config import Settings
from service.domain.errors import InvalidField
from settings.reader import chosen_file


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder without settings of the developer's own."""
    for name in [name for name in os.environ if name.startswith("PAPERFEED_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """Write a settings file into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "paperfeed.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problem(text: str, folder: Path) -> str:
    """Return the error of a settings file."""
    write(folder, text)
    with pytest.raises(InvalidField) as caught:
        Settings.read()
    return str(caught.value)


def test_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats a variable, which beats the file, which beats the default."""
    write(folder, "[service]\nport = 1\nthreads = 1\nworkers = 1\ndiversity = 0\nallow_cosine = true\n")
    monkeypatch.setenv("PAPERFEED_THREADS", "2")
    monkeypatch.setenv("PAPERFEED_PORT", "2")

    found = Settings.read(port=3)

    assert (found.port, found.threads, found.workers, found.diversity, found.allow_cosine) == (3, 2, 1, 0.0, True)
    assert found.max_waiting_calls == Settings().max_waiting_calls
    assert Settings.given(port=3) == {"port", "threads", "workers", "diversity", "allow_cosine"}
    assert Settings.read({}) == Settings()


def test_paths_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file counts in the folders below its own too, and the paths in it are relative to it; words are no paths."""
    write(
        folder,
        '[service]\ndb = "sqlite:///papers.db"\nbundle = "bundles/mine"\nembedding_cache = "none"\ntls_ca = "system"\n'
        'encoder = "BAAI/bge"\napi_key_file = "~/key"\n[mail]\nsmtp_password_file = "/run/secret"\n',
    )
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")

    found = Settings.read()

    assert found.db == f"sqlite:///{folder}/papers.db"
    assert found.bundle == str(folder / "bundles" / "mine")
    assert (found.embedding_cache, found.tls_ca, found.encoder) == ("none", "system", "BAAI/bge")
    assert found.api_key_file == str(Path("~/key").expanduser())
    assert MailSettings.read().smtp_password_file == "/run/secret"
    assert Settings.read(bundle="here").bundle == "here"
    write(folder, '[service]\nencoder = "./model"\ndb = "postgresql://me@host/papers"\n')
    assert Settings.read().encoder == str(folder / "model")
    assert Settings.read().db == "postgresql://me@host/papers"


def test_a_file_can_be_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that --config or PAPERFEED_CONFIG names beats the one of the folder, and must be there."""
    write(folder, "[service]\nport = 1\n")
    other = write(folder / "other", "[service]\nport = 2\n")
    with chosen_file(Path("other/paperfeed.toml")):
        monkeypatch.chdir("/")
        assert Settings.read().port == 2
    assert "PAPERFEED_CONFIG" not in os.environ
    assert Settings.read({"PAPERFEED_CONFIG": str(other)}).port == 2
    with pytest.raises(InvalidField, match="none-such: cannot be read"):
        Settings.read({"PAPERFEED_CONFIG": str(folder / "none-such")})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]\n\nprot = 1\n", "paperfeed.toml, line 3, [service] prot: is no setting; the nearest is 'port'"),
        ("[mail]\n[serivce]\nport = 1\n", "line 2, [serivce]: is no table; the nearest is 'service'"),
        ("port = 1\n", "paperfeed.toml, port: stands outside of a table; tables: service, mail"),
        ("service = 1\n", "paperfeed.toml, service: is a table, which begins with [service]"),
        ("[service]\nport = \n", "paperfeed.toml: is not TOML: Invalid value (at line 2, column 8)"),
        ("[service]\nport = true\n", "line 2, [service] port: 'True' is not a whole number"),
        ("[service]\nport = 1.5\n", "[service] port: '1.5' is not a whole number"),
        ("[service]\nport = [1]\n", "[service] port: '[1]' is not a whole number"),
        ("[service]\nport = 70000\n", "line 2, [service] port: is 70000; must be at least 0 and at most 65535"),
        ("[service]\nhost = 7\n", "line 2, [service] host: 7 is not a text"),
        ("[service]\nallow_cosine = 2\n", "'2' is not true or false"),
        ("service = {prot = 1}\n", "paperfeed.toml, [service] prot: is no setting"),
        ('[service]\ndb = "postgresql://me:pw@host/x"\n', "[service] db: holds a password, which must not stand in"),
        ('[service]\ndb = "postgresql://host/x?user=me&password=pw"\n', "set the variable PAPERFEED_DB"),
    ],
)
def test_mistakes(folder: Path, text: str, said: str) -> None:
    """A mistake is named with the file, the line and the key, and a password is never repeated."""
    found = problem(text, folder)
    assert said in found
    assert "pw" not in found


def test_the_file_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a parent folder that belongs to another user is refused; in the working folder it counts."""
    path = write(folder, "[service]\nport = 1\n")
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert Settings.read().port == 1
    if owner == 0:
        os.chown(path, 12345, -1)
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    with pytest.raises(InvalidField, match="belongs to another user; name it with --config"):
        Settings.read()


def test_every_path_is_relative() -> None:
    """Each setting that names a file or folder by its help is relative to the settings file."""
    words = ("file", "folder", "path", "sqlite")
    for cls in (Settings, MailSettings, LibrarySettings):
        for name, each in cls.__dataclass_fields__.items():
            first = each.metadata["help"].split(".")[0].lower()
            names_one = any(word in first.split()[:4] or f"{word}:" in first for word in words) or first.startswith(
                "pem"
            )
            assert not names_one or each.metadata["is_path"]("./x"), f"{name} needs is_path"
