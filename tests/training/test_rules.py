"""Files of rules: what they may hold, and how mistakes are named."""

from pathlib import Path

import pytest

from training.gate.rules import GateRules
from training.judgement.rules import JudgementRules
from training.rules import RulesError


def test_own_rules_replace_shipped_ones(tmp_path: Path) -> None:
    """A file may name some rules only; a whole number may stand for a number."""
    file = tmp_path / "rules.toml"
    file.write_text("[latency]\nlargest_ratio = 2\n[held_out]\nrequired = false\n")

    rules = GateRules.read(file)

    assert (rules.latency.largest_ratio, rules.held_out.required) == (2.0, False)
    assert rules.size == GateRules.read().size
    assert rules.latency.rounds == GateRules.read().latency.rounds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[speed]\nfast = true\n", "there is no table 'speed'"),
        ("reactions = 3\n", "there is no table 'reactions'"),
        ("[reactions]\nusers = 3\n", "has no rule 'users'"),
        ("[reactions]\nleast_users = 'many'\n", "reactions.least_users must be a whole number"),
        ("[reactions]\nleast_users = true\n", "reactions.least_users must be a whole number"),
        ("[reactions]\nleast_days = -1\n", "must be 0 or more"),
        ("[reactions]\nleast_days = nan\n", "must be 0 or more"),
        ("[reactions]\nerror_chance = 1.0\n", "must be above 0 and below 1"),
        ("[reactions]\nexpected_gain = 0\n", "must be above 0"),
        ("[errors]\nrequired = 1\n", "must be true or false"),
        ("[errors\n", "is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, problem: str) -> None:
    """The message names the file and the rule."""
    file = tmp_path / "rules.toml"
    file.write_text(text)

    with pytest.raises(RulesError, match=problem) as caught:
        JudgementRules.read(file)

    assert str(file) in str(caught.value)
