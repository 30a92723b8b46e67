"""The sessions in README and docs/: run again, and compared with what is printed there.

A block marked `console` is a session: each line that begins with `$ ` is run by bash, what follows is what it prints on
standard output and error; a line `…` stands for any lines. A block marked `python` is run as it is, and a block marked
`text` right after it is what it prints. All blocks of a page share one folder, with the samples in it.

A comment `<!-- needs nbdinfo qemu-img -->` names the programs of others without which a page cannot be run.

`make transcripts` writes today's outputs into the pages (sessions with `…` are named instead).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_LINES = "…\n"


@dataclass(frozen=True)
class Session:
    """A block as it stands in a page, and as it would have to stand there today."""

    start: int
    end: int
    written: str
    ran: str
    replaceable: bool = True
    """Whether the output may be written into the page: not of a program that failed or an abridged session."""

    @property
    def holds(self) -> bool:
        """Whether the page says what is printed."""
        pattern = re.escape(self.written).replace(re.escape(ANY_LINES), r"(?:.*\n)*?")
        return re.fullmatch(pattern, self.ran) is not None


class Shell:
    """A folder with the samples, and `qcowscope` and `python` as those who installed the package have them."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "bin"
        self.work = folder / "work"
        programs.mkdir()
        self.work.mkdir()
        (self.work / "samples").symlink_to(ROOT / "samples")
        for name, arguments in (("qcowscope", " -m forensic.cli"), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "COLUMNS": "100",
        }  # fmt: skip
        self.status = 0

    def run(self, *command: str) -> str:
        """What a command prints, errors last as on a terminal; its status is kept for the next."""
        done = subprocess.run(
            command, cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        self.status = done.returncode
        return done.stdout + done.stderr

    def session(self, written: str) -> str:
        """A session as it goes today."""
        commands = [line.removeprefix("$ ") for line in written.splitlines() if line.startswith("$ ")]
        return "".join(
            f"$ {command}\n{self.run('bash', '-c', f'(exit {self.status}); {command}')}" for command in commands
        )


def sessions(text: str, folder: Path) -> Iterator[Session]:
    """Every session and program of a page, run in the order of the page."""
    shell = Shell(folder)
    printed: str | None = None
    for block in BLOCK.finditer(text):
        language, written = block[1], block[2]
        place = (block.start(2), block.end(2))
        if language == "console":
            yield Session(*place, written, shell.session(written), ANY_LINES not in written)
        elif language == "text" and printed is not None:
            yield Session(*place, written, printed)
        printed = shell.run(sys.executable, "-c", written) if language == "python" else None
        if language == "python" and shell.status:
            yield Session(*place, written, printed or "", replaceable=False)


def programs_needed(text: str) -> list[str]:
    """The programs of others that the sessions of a page run."""
    return [name for names in re.findall(r"^<!-- needs (.*) -->$", text, re.MULTILINE) for name in names.split()]


def unchecked_commands(text: str) -> list[str]:
    """Lines of blocks that look like commands of ours, but are not run."""
    return [
        line
        for block in BLOCK.finditer(text)
        if block[1] != "console"
        for line in block[2].splitlines()
        if re.match(r"(\$ )?qcowscope [a-z]", line)
    ]


def rewritten(text: str) -> tuple[str, list[str]]:
    """A page with today's outputs, and what only a human can mend."""
    by_hand: list[str] = []
    with TemporaryDirectory() as folder:
        changed = [session for session in sessions(text, Path(folder)) if not session.holds]
    for session in reversed(changed):
        if session.replaceable:
            text = text[: session.start] + session.ran + text[session.end :]
        else:
            by_hand.append(session.ran)
    return text, by_hand


def main() -> int:
    """Rewrite every page; 1 if something is left to do by hand."""
    left = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if missing := [name for name in programs_needed(text) if shutil.which(name) is None]:
            print(f"{page.relative_to(ROOT)}: left as it is, for want of {', '.join(missing)}")
            continue
        text, by_hand = rewritten(text)
        page.write_text(text, encoding="utf-8")
        for ran in by_hand:
            left = 1
            print(f"{page.relative_to(ROOT)}: to be mended by hand; it printed\n{ran}")
    return left


if __name__ == "__main__":
    sys.exit(main())
