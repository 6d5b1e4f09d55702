from pathlib import Path

import pytest

from mailer.domain.subscription import Schedule, SubscriptionState, SuppressionReason
from mailer.errors import InvalidFile
from mailer.storage import MailStore, subscribers
from mailer.subscribers.csv_file import Imported, export_csv, import_csv
from mailer.subscribers.subscriptions import Subscriptions
from testing.mailer.builders import NOW, FixedClock


def imported(store: MailStore, file: Path, content: str) -> Imported:
    """Import a file with this content."""
    file.write_text(content, encoding="utf-8")
    return import_csv(Subscriptions(store, FixedClock()), file, "a signed form")


def test_import(store: MailStore, tmp_path: Path) -> None:
    """All columns are read, empty ones get their defaults, and importing again adds nothing."""
    content = (
        "\ufeffuser_id,address,name,weekdays,time,zone,papers\n"
        'u1,ada@example.org,"Lovelace, Ada",,,,\nu2,emmy@example.org,,"5,1",06:30,Europe/Berlin,20\n'
    )
    assert imported(store, tmp_path / "people.csv", content) == Imported(2, 2, ())
    assert imported(store, tmp_path / "people.csv", content) == Imported(2, 0, ())

    with store.read() as connection:
        first, second = (subscribers.find_by_user(connection, user) for user in ("u1", "u2"))
    assert first is not None
    assert second is not None
    assert (first.name, first.schedule, first.paper_count) == ("Lovelace, Ada", Schedule(), 10)
    weekly = Schedule((1, 5), Schedule().local_time.replace(6, 30), "Europe/Berlin")
    assert (second.name, second.schedule, second.paper_count) == ("", weekly, 20)


def test_an_export_is_an_import(store: MailStore, tmp_path: Path) -> None:
    """The form of the issues is read too, and exported subscribers are imported as they were."""
    content = (
        "user_id,address,name,weekdays,time,zone,papers,sections,min_probability\n"
        'u1,ada@example.org,"Lovelace, Ada","1,5",06:30,Europe/Berlin,20,yes,0.05\n'
        'u2,emmy@example.org,,"1,2,3,4,5,6,7",07:00,UTC,10,no,\n'
        'u3,grace@example.org,,"1,2,3,4,5,6,7",07:00,UTC,10,no,0.0\n'
    )
    imported(store, tmp_path / "people.csv", content)

    with store.read() as connection:
        found = [subscribers.find_by_user(connection, f"u{number}") for number in (1, 2, 3)]
    assert [(each.has_sections, each.min_probability) for each in found if each] == [
        (True, 0.05),
        (False, None),
        (False, 0.0),
    ]
    assert export_csv(each for each in found if each) == content


def test_stopped_addresses_are_skipped(store: MailStore, tmp_path: Path) -> None:
    """An address to which mail is stopped is skipped with its line and reason; the others are added."""
    with store.write() as connection:
        subscribers.stop(connection, "ada@example.org", SuppressionReason.BOUNCE, "", NOW)
    content = "user_id,address\nu1,ada@example.org\nu2,emmy@example.org\n"

    found = imported(store, tmp_path / "people.csv", content)

    assert found == Imported(2, 1, ((2, "ada@example.org", SuppressionReason.BOUNCE),))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("user_id,mail\n", "line 1: has no column address"),
        ("user_id;address\n", "line 1: has no column user_id, address: it has semicolons between the columns; save"),
        ("user_id\taddress\n", "line 1: has no column user_id, address: it has tabs between the columns; save"),
        ("User_ID,address\n", "line 1: has no column user_id: column names must be written in small letters"),
        ("user_id,address\nu1,ada\n", "line 2: address: is not an e-mail address"),
        ("user_id,address,zone\nu1,a@example.org,Mars/Base\n", "line 2: time_zone: 'Mars/Base'"),
        (
            "user_id,address,papers\nu0,b@example.org,\nu1,a@example.org,many\n",
            "line 3: papers: 'many' is not a number",
        ),
        ("user_id,address,sections\nu1,a@example.org,maybe\n", "line 2: sections: 'maybe' is neither yes nor no"),
        ("user_id,address,min_probability\nu1,a@example.org,5\n", "line 2: min_probability: is 5.0; must be 0 to 1"),
        ("user_id,address,min_probability\nu1,a@example.org,few\n", "min_probability: 'few' is not a number"),
        ("user_id,address,weekdays\nu1,a@example.org,Mondays\n", "line 2: weekdays: 'Mondays' is neither"),
        ('user_id,address\n"u1,a@example.org\n', "cannot be read"),
    ],
)
def test_an_invalid_file(store: MailStore, tmp_path: Path, content: str, problem: str) -> None:
    """The error names the file, the line and the field, and nobody is added."""
    with pytest.raises(InvalidFile, match=problem) as caught:
        imported(store, tmp_path / "people.csv", content)

    assert str(tmp_path / "people.csv") in str(caught.value)
    assert not list(subscribers.pages(store, 1, SubscriptionState))


def test_a_missing_file(store: MailStore, tmp_path: Path) -> None:
    """A file that cannot be opened is an invalid file."""
    with pytest.raises(InvalidFile, match="cannot be read"):
        import_csv(Subscriptions(store, FixedClock()), tmp_path / "none.csv", "a signed form")
