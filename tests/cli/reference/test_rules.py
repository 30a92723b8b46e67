"""The list of rules in its three forms."""

import re

from forensic.rules import all_rules
from tests.commands import qcowscope


def test_the_plain_list_has_one_line_a_rule() -> None:
    lines = qcowscope("rules").out.splitlines()
    assert [line.split()[2] for line in lines] == [rule.code for rule in all_rules()]


def test_json_has_every_rule_with_its_documentation() -> None:
    listed = qcowscope("rules", "--json").json()["rules"]
    assert listed == [rule.as_json() for rule in all_rules()]


def test_markdown_has_one_row_of_five_cells_a_rule_below_the_heading_of_its_family() -> None:
    text = qcowscope("rules", "--markdown").out
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    assert rows == [rule.code for rule in all_rules()]
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == list(dict.fromkeys(rule.family for rule in all_rules()))
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")} == {6}
