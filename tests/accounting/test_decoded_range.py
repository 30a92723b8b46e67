"""A judgement that leaves out what an extraction has decoded is the judgement that decodes all of it."""

import random
import re
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from forensic import reporting
from forensic.accounting.streams import DecodedRange
from forensic.checking import check
from forensic.errors import ForensicError
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image, open_any
from samples import recipes
from samples.bench import prose
from samples.kinds import KINDS
from tests.accounting.test_streams import CLUSTER, DATA, ZEROS, descriptor, image
from tests.images import SOUND, sample

COMPRESSED = re.compile("deflate|zstd|compressed|streams")
RECIPES = [recipe for recipe in recipes.all_recipes() if COMPRESSED.search(recipe.base)]
PACKED = ("deflate-512", "deflate-4k", "zstd-512", "zstd-4k")


def judged_both_ways(path: Path, folder: Path, settings: Settings) -> DecodedRange | None:
    """Hold the judgement that is told what was decoded against the one that is not; what was decoded."""
    with open_any(path) as image:
        if not isinstance(image, Qcow2Image):
            return None
        try:
            with image.disk() as disk:
                if settings.guest_range and sum(settings.guest_range) > disk.size:
                    settings = Settings(hashes=())
                extraction = extract(disk, folder / "out.raw", settings)
                decoded = reporting._decoded(image, disk, extraction)
        except ForensicError:
            return None
        plain = check(image, strict=True)
        again = check(image, strict=True, decoded=decoded)
        assert (again.findings, again.checks, again.measured) == (plain.findings, plain.checks, plain.measured)
        assert replace(again, findings=(), checks=()) == replace(plain, findings=(), checks=())
        return decoded


@pytest.mark.parametrize("path", sorted(SOUND.glob("*.qcow2")), ids=lambda path: path.stem)
def test_nothing_is_judged_otherwise(path: Path, tmp_path: Path) -> None:
    judged_both_ways(path, tmp_path, Settings(hashes=()))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_nothing_is_judged_otherwise_of_a_damaged_image(recipe: recipes.Recipe, tmp_path: Path) -> None:
    judged_both_ways(recipes.apply(recipe, tmp_path / "image.qcow2"), tmp_path, Settings(hashes=()))


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_judged_otherwise_after_damage(name: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    content = bytearray(sample(KINDS[name]).read_bytes())
    for _ in range(rng.randrange(1, 9)):
        at = rng.randrange(len(content) // 4, len(content))
        content[at] ^= 1 << rng.randrange(8)
    image = tmp_path / "image.qcow2"
    image.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content) // 2, len(content))])])
    wanted = rng.choice([None, (0, 8192), (4096, 12288)])
    judged_both_ways(image, tmp_path, Settings(hashes=(), guest_range=wanted))


@pytest.mark.parametrize("name", PACKED)
def test_an_extraction_says_what_it_has_decoded(name: str, tmp_path: Path) -> None:
    decoded = judged_both_ways(sample(KINDS[name]), tmp_path, Settings(hashes=()))
    assert decoded is not None and decoded.guest_start == 0 and not decoded.missing


def test_a_stream_that_only_the_slow_codec_takes_is_judged_by_itself(tmp_path: Path) -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -12)
    without_end = stream.compress(prose(CLUSTER)) + stream.flush(zlib.Z_SYNC_FLUSH)
    begins = DATA + len(without_end)
    entries = [descriptor(DATA, len(without_end)), descriptor(begins, len(ZEROS))]
    with image(tmp_path, entries, without_end + ZEROS) as found:
        path = Path(found.evidence.path)
    assert judged_both_ways(path, tmp_path, Settings(hashes=())) is None
    with open_any(path) as opened:
        assert "compressed-stream-too-long" in [finding.rule for finding in check(opened).findings]
