"""Settings of the service."""

from dataclasses import fields
from pathlib import Path

import pytest

from service.config import Settings, without_password
from service.domain.errors import InvalidField
from service.resources import cache_file


def test_flags_beat_environment_beats_default() -> None:
    """A flag wins over the environment, and the environment over the default; None is not given."""
    environment = {"PAPERFEED_PORT": "7000", "PAPERFEED_THREADS": "3"}

    settings = Settings.read(environment, port=7001, threads=None)

    assert (settings.port, settings.threads, settings.host) == (7001, 3, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "no"),
        ("PORT", "70000"),
        ("THREADS", "0"),
        ("DIVERSITY", "1.5"),
        ("DIVERSITY", "nan"),
        ("STALE_DIGEST_DAYS", "inf"),
        ("LOG_LEVEL", "LOUD"),
        ("SERVER", "localhost"),
        ("SERVER", ":50051"),
        ("SERVER", "localhost:many"),
        ("SERVER", "localhost:0"),
        ("SERVER", "localhost:65536"),
        ("SERVER", "::1:50051"),
        ("SERVER", "http://localhost:50051"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    """The error of an invalid setting names its variable."""
    with pytest.raises(InvalidField) as caught:
        Settings.read({f"PAPERFEED_{name}": value})

    assert caught.value.field == f"PAPERFEED_{name}"


@pytest.mark.parametrize(
    "address", ["paperfeed:50051", "10.0.0.1:1", "[::1]:65535", "dns:///paperfeed:50051", "unix:/run/paperfeed.sock"]
)
def test_addresses_that_grpc_knows(address: str) -> None:
    """A server's address is a host and a port, or another name that gRPC knows."""
    assert Settings.read({}, server=address).server == address


def test_a_password_is_never_shown() -> None:
    """The repr shows neither the database's password nor the key of Zotero."""
    settings = Settings(db="postgresql://me:secret@host:5432/papers")

    assert "secret" not in repr(settings)
    assert without_password(settings.db) == "postgresql://me:***@host:5432/papers"
    assert "P9Ni" not in repr(Settings(zotero_key="P9Ni"))
    in_query = "postgresql://host/papers?user=me&password=secret&sslpassword=secret&sslmode=require"
    assert without_password(in_query) == "postgresql://host/papers?user=me&password=***&sslpassword=***&sslmode=require"


def test_every_setting_is_explained() -> None:
    """Each setting has a help text that ends like a sentence."""
    assert [each.name for each in fields(Settings) if not each.metadata["help"].endswith(".")] == []


def test_vectors_are_kept_in_the_cache_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By default commands keep vectors in the user's cache folder, which is made; the server and 'hashing' do not."""
    for variable in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    settings = Settings.read({})
    file = cache_file(settings)

    assert file is not None
    assert file.parent.is_dir()
    assert file.is_relative_to(tmp_path)
    assert file.parent.name == "paperfeed"
    assert settings.cache_path is None
    assert cache_file(Settings.read({}, encoder="hashing")) is None


def test_without_a_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the user's cache folder cannot be made, as in a read-only container, vectors are not kept."""
    (tmp_path / "file").touch()
    for variable in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "file"))

    assert cache_file(Settings()) is None


@pytest.mark.parametrize("value", ["", "none"])
def test_no_file_of_vectors(value: str) -> None:
    """An empty variable or flag, or the word none, keeps no vectors; a path names the file."""
    environment = {"PAPERFEED_EMBEDDING_CACHE": value}
    for settings in (Settings.read(environment), Settings.read({}, embedding_cache=value)):
        assert (cache_file(settings), settings.cache_path) == (None, None)
    assert cache_file(Settings.read(environment, embedding_cache="~/v")) == Path("~/v").expanduser()


def test_an_empty_variable_is_not_set() -> None:
    """An empty variable of any other setting counts as not set."""
    assert Settings.read({"PAPERFEED_ENCODER": "", "PAPERFEED_PORT": ""}) == Settings()
