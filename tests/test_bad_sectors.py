"""Maps of ddrescue: what is not copied is bad, and what is no map is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.bad_sectors import bad_ranges
from forensic.errors import WrongSupply
from forensic.evidence import Evidence, ReadFailed

MAP = """# Mapfile. Created by GNU ddrescue version 1.27
# current_pos  current_status  current_pass
0x00120000     ?               1
#      pos        size  status
0x00000000  0x00001000  +
0x00001000  0x00000200  -
0x00001200  0x00000200  *
0x00001400  0x00000C00  +
0x00002000  0x00001000  ?
0x00003000  0x00001000  /
0x00004000  0x00000000  -
"""


def written(folder: Path, text: str) -> str:
    path = folder / "map"
    path.write_text(text)
    return str(path)


def test_what_is_not_copied_is_bad_and_neighbours_are_one_range(tmp_path: Path) -> None:
    assert bad_ranges(written(tmp_path, MAP)) == [(0x1000, 0x1400), (0x2000, 0x4000)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0x00005000  0x1000", "line 12"),
        ("0x00005000  0x1000  X", "line 12"),
        ("0x00005000  -5  +", "line 12"),
        ("five  0x1000  +", "line 12"),
        ("0x00002000  0x1000  +", "overlaps"),
    ],
)
def test_what_is_no_map_is_refused_with_the_line(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSupply, match=said):
        bad_ranges(written(tmp_path, MAP + line + "\n"))


def test_a_file_without_a_range_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(WrongSupply, match="no map"):
        bad_ranges(written(tmp_path, "# nothing\n0x0 ? 1\n"))


def test_known_bad_ranges_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 16)
    with Evidence(path, bad=[(512, 1024), (2048, 2049)]) as evidence:
        assert evidence.read_at(0, 512) == bytes(range(256)) * 2
        assert evidence.read_at(1024, 1024) == bytes(range(256)) * 4
        assert len(evidence.read_up_to_bad(0, 4096)) == 512
        for start, length in ((0, 513), (1023, 1), (600, 10), (2048, 1), (0, 4096)):
            with pytest.raises(ReadFailed):
                evidence.read_at(start, length)
        assert (evidence.unread[0].host_offset, evidence.unread[0].length) == (512, 1)
