"""``paperfeed keys`` and ``audit``, and commands that call a server which requires a key and TLS."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paperfeed.v1.profile_pb2 import DeleteUserRequest
from service.domain.callers import key_hash
from service.domain.events import user_id_hash
from testing.calls import make_digest, make_papers, upsert
from testing.certificates import Authority
from testing.servers import serving
from tests.cli.command import Run, in_process
from tests.requirements import require


def create(paperfeed: Run, *arguments: object) -> str:
    """Create a key; return its text."""
    done = paperfeed("keys", "create", *arguments)
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    return done.out.strip()


def test_the_life_of_a_key(paperfeed: Run) -> None:
    """A key is created in a new database, printed alone on stdout, listed without its text, and revoked."""
    key = create(paperfeed, "mailer", "--scope", "feeds:read", "--scope", "events:write", "--days", "30")
    granted = create(paperfeed, "operator", "--scope", "users:admin", "--certificate", "ops.example.org")
    listed = [json.loads(paperfeed("keys", "list", "--json").out)["keys"]]
    revoked = paperfeed("keys", "revoke", key.split("_")[1])
    listed.append(json.loads(paperfeed("keys", "list", "--json").out)["keys"])
    as_text = paperfeed("keys", "list").out
    audit = json.loads(paperfeed("audit", "--json").out)["entries"]

    assert revoked.code == 0
    assert [each["name"] for each in listed[0]] == ["mailer", "operator"]
    assert listed[0][0]["scopes"] == ["events:write", "feeds:read"]
    assert listed[0][1]["certificate"] == "ops.example.org"
    assert [bool(keys[0]["revoked_at"]) for keys in listed] == [False, True]
    assert f"{key.split('_')[1]}  revoked  mailer  key  events:write,feeds:read" in as_text
    assert f"{granted}  valid  operator  certificate ops.example.org  users:admin  no expiry  never used" in as_text
    assert key.split("_")[2] not in as_text + json.dumps(listed)
    assert key_hash(key) not in json.dumps(listed)
    assert [(each["action"], each["actor"]) for each in audit] == [
        ("keys revoke", "command line"),
        ("keys create", "command line"),
        ("keys create", "command line"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("create", "mailer"), 2, "scope: name at least one of feeds:read"),
        (("create", "mailer", "--scope", "all"), 2, "scope: 'all' is none of feeds:read"),
        (("create", "", "--scope", "feeds:read"), 2, "name: must have 1 to 100 printable characters"),
        (("revoke", "00c0ffee"), 1, "no key '00c0ffee'"),
    ],
)
def test_wrong_usage(paperfeed: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Unknown scopes and keys are named in one line."""
    paperfeed("db", "upgrade")
    done = paperfeed("keys", *arguments)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"paperfeed: {message}")


def test_a_bad_day(paperfeed: Run) -> None:
    """A day that is none is wrong usage."""
    done = paperfeed("audit", "--since", "soon")

    assert (done.code, done.err) == (2, "paperfeed: since: 'soon' is not a day such as 2026-03-11\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_refuses_to_be_insecure(workers: str, db_path: Path) -> None:
    """A server that others can reach must identify its callers; the message names the options."""
    done = in_process("serve", "--host", "0.0.0.0", "--port", "0", "--workers", workers, db=f"sqlite:///{db_path}")

    assert (done.code, done.out) == (2, "")
    assert "paperfeed: host: '0.0.0.0' can be reached from other machines" in done.err
    assert "--insecure" in done.err


@dataclass(frozen=True)
class Guarded:
    """A server with TLS that requires keys, and the settings of its clients."""

    target: str
    settings: dict[str, str]
    papers: list[str]
    key_file: Path


@pytest.fixture
def guarded(paperfeed: Run, tmp_path: Path, db_path: Path) -> Iterator[Guarded]:
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    authority = Authority(tmp_path)
    pair, url = authority.issue("server"), f"sqlite:///{db_path}"
    with serving(url) as service:
        papers = upsert(service.client, make_papers(3))
        make_digest(service.client, papers)
    key_file = tmp_path / "key"
    key_file.write_text(create(paperfeed, "reader", "--scope", "feeds:read", "--scope", "events:write") + "\n")
    with serving(url, auth="keys", server_tls_cert=str(pair.certificate), server_tls_key=str(pair.key)) as service:
        target = f"localhost:{service.port}"
        settings = {"PAPERFEED_SERVER": target, "PAPERFEED_TLS_CA": str(authority.root)}
        yield Guarded(target, settings | {"PAPERFEED_API_KEY_FILE": str(key_file)}, papers, key_file)


def test_commands_call_with_key_and_tls(guarded: Guarded, paperfeed: Run, tmp_path: Path) -> None:
    """Every command that calls a server does so over TLS, with the key of the file."""
    user, paper = "ada", guarded.papers[0]
    by_option = ("--server", guarded.target, "--tls-ca", guarded.settings["PAPERFEED_TLS_CA"])
    mail = {
        "PAPERFEED_MAIL_SERVER": guarded.target,
        "PAPERFEED_MAIL_DB": f"sqlite:///{tmp_path / 'mail.db'}",
    }

    for words in (
        ("like", user, paper),
        ("dislike", user, guarded.papers[1]),
        ("dismiss", user, guarded.papers[2]),
        ("feed", user),
        ("similar", paper),
        ("profile", user),
        ("status",),
        ("status", "--ready"),
        ("mail", "send"),
    ):
        done = paperfeed(*words, **guarded.settings, **mail)
        assert done.code == 0, (words, done)
    liked = paperfeed("like", user, paper, *by_option, PAPERFEED_API_KEY_FILE=str(guarded.key_file))
    assert liked.code == 0, liked
    shown = paperfeed("mail", "preview", "--user", "bob", "--out", tmp_path / "out", **guarded.settings, **mail)
    assert shown.code == 0, shown


def test_commands_without_a_key(guarded: Guarded, paperfeed: Run) -> None:
    """Without a key a command fails and says why; whether the server is ready may be asked without one."""
    tls = {name: value for name, value in guarded.settings.items() if name != "PAPERFEED_API_KEY_FILE"}

    status, ready = paperfeed("status", **tls), paperfeed("status", "--ready", "--json", **tls)

    assert (status.code, status.out) == (1, "")
    assert status.err.startswith("paperfeed: the server answered UNAUTHENTICATED: the call needs an API key")
    assert (ready.code, json.loads(ready.out)) == (0, {"is_ready": True})


def test_audit_lists_what_was_done_to_a_user(paperfeed: Run, db_path: Path) -> None:
    """A user's deletion is found by the id, of which the log keeps a hash only."""
    with serving(f"sqlite:///{db_path}") as service:
        for user in ("ada", "bob"):
            service.client.profiles.DeleteUser(DeleteUserRequest(user_id=user))

    found = json.loads(paperfeed("audit", "--user", "ada", "--since", "2020-01-01", "--json").out)["entries"]
    shown = paperfeed("audit", "--action", "ProfileService/DeleteUser", "--limit", "1").out

    assert [each["target"] for each in found] == [f"user:{user_id_hash('ada')}"]
    assert shown.endswith(f"127.0.0.1  ProfileService/DeleteUser  user:{user_id_hash('bob')}  OK\n")
