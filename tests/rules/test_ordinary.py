"""What QEMU writes in ordinary work is called clean, whatever was done with the image."""

import random
from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.finding import Severity
from forensic.image import identify
from forensic.records.judgement import Verdict
from samples import kinds
from samples.bench import Bench, prose
from tests.oracles import require

BUILT = [kind for kind in kinds.KINDS.values() if not kind.committed and kind.format == "qcow2"]
DISK = 4 << 20


def worse_than_low(path: Path) -> list[str]:
    with Evidence(path) as evidence:
        judgement = check(identify(evidence), strict=True)
    found = [f"{each.rule}: {each.observation}" for each in judgement.findings if each.severity.rank > 1]
    assert bool(found) or judgement.verdict(Severity.MEDIUM) in (Verdict.CLEAN, Verdict.LEAKS)
    return found


@pytest.mark.parametrize("kind", BUILT, ids=lambda kind: kind.name)
def test_a_kind_too_large_to_commit_is_sound(kind: kinds.Kind, tmp_path: Path) -> None:
    require(*kind.needs)
    found = worse_than_low(kinds.build(kind.name, tmp_path).image)
    # e2image counts clusters that it then does not use; qemu-img check calls them leaks as well.
    assert [each for each in found if kind.qemu != "leaks" or not each.startswith("refcount-too-high")] == []


@pytest.mark.parametrize("codec", ["zlib", "zstd"])
@pytest.mark.parametrize("cluster", [512, 4096, 65536])
def test_a_compressed_image_that_a_guest_has_used_is_sound(codec: str, cluster: int, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "used", "used.qcow2")
    source = bench.file("source", prose(DISK))
    bench.convert(source, f"cluster_size={cluster},compression_type={codec}")
    pick = random.Random(cluster)
    commands = []
    for _ in range(60):
        place, length = pick.randrange(DISK - 65536) // 512 * 512, pick.choice([512, 4096, 36864])
        write = pick.random() < 0.8
        commands.append(f"write -P {pick.randrange(256)} {place} {length}" if write else f"discard {place} 65536")
    bench.io(*commands)
    bench.run("qemu-img", "snapshot", "-c", "one", bench.image)
    bench.io("discard 0 128k", f"write -c -P 7 0 {cluster}", f"write -c -P 8 64k {cluster}", "write -P 9 1M 1M")
    bench.run("qemu-img", "snapshot", "-d", "one", bench.image)
    assert worse_than_low(bench.path(bench.image)) == []
