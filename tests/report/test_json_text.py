"""JSON as reports hold it: as Python's own module writes it, and in the canonical form that others compute."""

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from forensic.report.json_text import canonical, indented, one_line
from forensic.untrusted import Json
from samples.build import SOUND
from samples.kinds import KINDS
from tests.commands import qcowscope
from tests.json_values import numbers

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FRACTIONS = st.integers(-100_000, 100_000).map(lambda ten_thousandths: ten_thousandths / 10_000)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FRACTIONS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUES)
def test_it_is_what_the_standard_library_writes(value: Json) -> None:
    compact = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == compact.encode()
    assert one_line(value) == json.dumps(value, sort_keys=True, ensure_ascii=False) + "\n"
    assert indented(value) == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("write", [canonical, one_line, indented])
def test_half_of_a_surrogate_pair_is_refused(write: object) -> None:
    assert callable(write)
    with pytest.raises(ValueError, match="surrogates"):
        write({"a": ["\udc80"]})


def in_doubles(value: Json) -> Json:
    """The value with whole numbers above 2^53, which RFC 8785 leaves out, as texts."""
    if isinstance(value, dict):
        return {name: in_doubles(each) for name, each in value.items()}
    if isinstance(value, list):
        return [in_doubles(each) for each in value]
    return str(value) if isinstance(value, int) and not -(2**53) < value < 2**53 else value


@pytest.mark.parametrize("name", sorted(kind.name for kind in KINDS.values() if kind.committed))
@pytest.mark.parametrize("command", ["info", "check"])
def test_another_program_computes_the_digest_of_a_result(command: str, name: str) -> None:
    done = qcowscope(command, "--json", SOUND / KINDS[name].image)
    document = json.loads(done.out)
    result = document["result"]
    assert canonical(in_doubles(result)) == rfc8785.dumps(in_doubles(result))
    if all(-(2**53) < number < 2**53 for number in numbers(result)):
        assert document["result_digest"]["value"] == hashlib.sha256(rfc8785.dumps(result)).hexdigest()
