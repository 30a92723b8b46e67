"""What was measured, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

Cell = str | float | None


@dataclass
class Table:
    """Rows under a title; `note` says how to read them."""

    title: str
    columns: Sequence[str]
    note: str = ""
    rows: list[Sequence[Cell]] = field(default_factory=list)

    def head(self) -> str:
        """Title, note and the head of the table."""
        note = f"{self.note}\n\n" if self.note else ""
        return f"### {self.title}\n\n{note}{_line(self.columns)}\n|{'---|' * len(self.columns)}"

    def add(self, *row: Cell) -> str:
        """Add a row, and give it as a line."""
        self.rows.append(row)
        return _line(row)

    def markdown(self) -> str:
        """The whole table."""
        return "\n".join([self.head(), *map(_line, self.rows)]) + "\n"


def _line(cells: Iterable[Cell]) -> str:
    return f"| {' | '.join('–' if cell is None else str(cell) for cell in cells)} |"


def machine() -> str:
    """What the figures were measured on, in a line."""
    return (
        f"{os.cpu_count()} processors ({_processor()}), {_memory_gib()} GiB of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def write(tables: Sequence[Table], size: int, markdown: Path | None, as_json: Path | None) -> None:
    """Write the tables to the files that were asked for."""
    for path in filter(None, (markdown, as_json)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if markdown:
        markdown.write_text("\n".join([machine() + "\n", *(table.markdown() for table in tables)]), encoding="utf-8")
    if as_json:
        document = {"machine": machine(), "size": size, "tables": [asdict(table) for table in tables]}
        as_json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
