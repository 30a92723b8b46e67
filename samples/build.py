"""Rebuilds the small sound samples in `samples/sound/`: `python -m samples.build`, with QEMU's tools installed."""

import json
import shutil
import tempfile
from pathlib import Path

from samples import oracle
from samples.kinds import KINDS, Built, build

SOUND = Path(__file__).resolve().parent / "sound"


def description(built: Built) -> dict[str, object]:
    """Return what stands beside a committed sample in its JSON file."""
    kind = built.kind
    _fill_holes(built)
    companions = [{"role": "backing", "file": path.name} for path in built.backing]
    if built.data_file is not None:
        companions.append({"role": "data", "file": built.data_file.name})
    return {
        "title": kind.title,
        "image": kind.image,
        "format": kind.format,
        "made_by": " && ".join(built.commands),
        "virtual_size": built.virtual_size,
        "raw_sha256": built.raw_sha256,
        "passphrase": built.passphrase,
        "companions": companions,
        "expect": list(kind.expect),
        "map": oracle.extent_map(built.image, kind.format, kind.passphrase),
    }


def _fill_holes(built: Built) -> None:
    """Write every byte of the files, because git keeps no holes and `qemu-img map` tells them from written zeros."""
    for path in (built.image, *built.backing, *([built.data_file] if built.data_file else [])):
        path.write_bytes(path.read_bytes())


def dump(facts: dict[str, object]) -> str:
    """Return the facts as JSON with one extent a line, so that a changed map can be read in a diff."""
    extents = facts.pop("map")
    assert isinstance(extents, list)
    head = json.dumps(facts, indent=2).removesuffix("\n}")
    lines = ",\n".join(f"    {json.dumps(extent)}" for extent in extents)
    return f'{head},\n  "map": [\n{lines}\n  ]\n}}\n'


def main() -> None:
    """Make every committed kind again and replace the whole folder."""
    missing = oracle.missing_tools()
    if missing:
        raise SystemExit(f"to rebuild the samples, install {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for kind in KINDS.values():
            if kind.committed:
                facts = description(build(kind.name, folder))
                (folder / f"{kind.name}.json").write_text(dump(facts), encoding="utf-8")
                print(f"{kind.name}: {facts['raw_sha256']}")
        shutil.rmtree(SOUND, ignore_errors=True)
        shutil.copytree(folder, SOUND)


if __name__ == "__main__":
    main()
