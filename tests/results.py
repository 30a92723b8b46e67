"""What the commands find in every sample, boiled down to digests: `python -m tests.results` writes them anew.

A change of structure or of words alone leaves them as they are. Nothing that is prose goes in, nor the versions, times
and paths of a run; everything a program would read does.
"""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from forensic.untrusted import Json
from samples.build import SOUND
from samples.kinds import KINDS
from tests.commands import RECIPES, Finished, damaged, qcowscope

RECORDED = Path(__file__).resolve().parent / "results.json"

PROSE = frozenset(
    [
        "title",
        "reason",
        "observation",
        "interpretation",
        "spec",
        "qemu",
        "next_step",
        "description",
        "summary",
        "caveats",
        "not_known",
    ]
)
"""Keys of the JSON whose text is for people; `summary` of the result, an object, is kept."""

MOST_EXTRACTED = 1 << 24
"""Bytes of the largest disk that is written; some damaged images claim exabytes."""

Results = dict[str, dict[str, str]]

SAMPLES = [
    *(f"sound/{kind.name}" for kind in KINDS.values() if kind.committed),
    *(f"damaged/{recipe.name}" for recipe in RECIPES),
]


def results_of(sample: str) -> dict[str, str]:
    """The digests of one of `SAMPLES`, by what they are of."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        return dict(_digests(*_made(sample)))


def recorded() -> Results:
    """What was found when it was last written down."""
    found: Results = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def _made(sample: str) -> tuple[Path, list[str], bool]:
    """The image in the working directory, the options that supply what lies beside it, and whether it is sound."""
    folder, name = sample.split("/")
    if folder == "damaged":
        return damaged(name, Path()), [], False
    kind = KINDS[name]
    options = []
    for path in (kind.image, *_companions(name)):
        Path(path).write_bytes((SOUND / path).read_bytes())
    for path in _companions(name):
        role = "--data-file" if kind.data_file and path.endswith(kind.data_file) else "--backing"
        options += [role, path]
    if kind.passphrase:
        Path("key").write_text(kind.passphrase, encoding="utf-8")
        options += ["--key-file", "key"]
    return Path(kind.image), options, True


def _companions(name: str) -> list[str]:
    return [one["file"] for one in json.loads((SOUND / f"{name}.json").read_text(encoding="utf-8"))["companions"]]


def _digests(image: Path, options: list[str], is_sound: bool) -> Iterator[tuple[str, str]]:
    checked = qcowscope("check", "--json", image)
    result = checked.json()["result"]
    yield "check", _digest(checked.status, result)
    without_key = [option for option in options if option not in ("--key-file", "key")]
    mapped = qcowscope("map", "--json", image, *without_key)
    yield "map", _digest(mapped.status, mapped.out)
    size = image.stat().st_size
    owners = [qcowscope("owner", "--json", "--at", str(at), image) for at in (0, size // 2, size - 1)]
    yield "owner", _digest(*map(_said, owners))
    assert isinstance(result, dict)
    description = result.get("image")
    virtual_size = description.get("virtual_size") if isinstance(description, dict) else None
    if isinstance(virtual_size, int) and virtual_size <= MOST_EXTRACTED:
        yield from _extracted(image, options, is_sound)


def _extracted(image: Path, options: list[str], with_report: bool) -> Iterator[tuple[str, str]]:
    reports = ["--report", "ledger:ledger", "--report", "map:ddrescue"]
    reports += ["--report", "json:report"] if with_report else []
    done = qcowscope("extract", image, "-o", "out.raw", *reports, *options)
    raw = Path("out.raw")
    yield "bytes", _digest(done.status, hashlib.sha256(raw.read_bytes()).hexdigest() if raw.exists() else "")
    if raw.exists():
        # The first line names the files that were read, the head of the other one the version.
        yield "ledger", _digest(*map(json.loads, Path("ledger").read_text(encoding="utf-8").splitlines()[1:]))
        lines = Path("ddrescue").read_text(encoding="utf-8").splitlines()
        yield "ddrescue map", _digest([line for line in lines if not line.startswith("#")])
    if with_report:
        report = json.loads(Path("report").read_text(encoding="utf-8"))
        yield "extraction report", _digest(report["result"])


def _said(finished: Finished) -> Json:
    return [finished.status, json.loads(finished.out) if finished.out else None]


def _digest(*parts: Json) -> str:
    """A short digest of values without their prose; the order of keys, which a reader may rely on, goes in."""
    text = json.dumps([_without_prose(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_prose(value: Json) -> Json:
    if isinstance(value, dict):
        return {
            name: _without_prose(inner)
            for name, inner in value.items()
            if name not in PROSE or (name == "summary" and isinstance(inner, dict))
        }
    if isinstance(value, list):
        return [_without_prose(inner) for inner in value]
    return value


def main() -> None:
    """Write what is found today, one sample a line, and say what was found otherwise before."""
    before = recorded() if RECORDED.exists() else {}
    now = {sample: results_of(sample) for sample in SAMPLES}
    for sample in sorted(before.keys() | now.keys()):
        old, new = before.get(sample, {}), now.get(sample, {})
        changed = sorted(what for what in old.keys() | new.keys() if old.get(what) != new.get(what))
        if changed:
            print(f"{sample}: {', '.join(changed)}")
    lines = ",\n".join(f"  {json.dumps(sample)}: {json.dumps(found)}" for sample, found in now.items())
    RECORDED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
