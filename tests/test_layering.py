"""The floors of the house: who may import whom, who may open files, who may decode text out of an image."""

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import SOUND

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for folder in ("forensic", "tui") for path in (ROOT / folder).rglob("*.py"))
FORMAT = ROOT / "forensic" / "format"
GENERATED = [
    FORMAT / "qcow2.py",
    *(FORMAT / "guest" / f"{name}.py" for name in ("partitions", "ext", "ntfs", "fat", "xfs")),
]
WRITTEN = [path for path in FILES if path not in GENERATED]

FLOORS = {
    "What needs nothing of ours: the compiled format, untrusted text, limits, numbers": (
        "forensic.format", "forensic.untrusted", "forensic.budget", "forensic.measured", "forensic.numbers",
        "forensic.version", "forensic.exit_status", "forensic.lazy_names", "forensic.unread",
    ),
    "Errors, whose messages are shown by `untrusted`": ("forensic.errors", "forensic.finding"),
    "What a report holds, object by object": ("forensic.records",),
    "Files that are opened, what identifies them, who holds them": ("forensic.files",),
    "Where bytes come from, and processes that may crash on them": ("forensic.evidence", "forensic.processes"),
    "Pieces of evidence: an excerpt, a parsed structure; which of it a copy lacks": (
        "forensic.excerpt", "forensic.structure", "forensic.bad_sectors",
    ),
    "Bytes → structures; what is written; how a report looks; the reader that shares no code with the others": (
        "forensic.qcow2", "forensic.output", "forensic.report", "forensic.second_reader", "forensic.volumes",
    ),
    "Guest offset → host offset; the files that an image names": (
        "forensic.mapping", "forensic.references", "forensic.e01",
    ),
    "The virtual disk and what it takes to read it": (
        "forensic.disk",
    ),
    "One facade for images of all versions; what was supplied beside one; an image as report values": (
        "forensic.image", "forensic.inputs", "forensic.description",
    ),
    "Who owns each host cluster; how the disk gets out": (
        "forensic.accounting", "forensic.extraction", "forensic.nbd",
    ),
    "What is left where nothing lies; how tables that lost their place fit together; files inside the disk": (
        "forensic.residue", "forensic.recovery", "forensic.filesystems",
    ),
    "All structures of a version 1 image": ("forensic.walk_v1",),
    "All structures in order, once; what is wrong with each": ("forensic.walk", "forensic.rules"),
    "Structures × rules → findings; what interface and maps look through": ("forensic.checking", "forensic.explore"),
    "A report with a map of the file": ("forensic.mapped_report",),
    "The report of an extraction; a disk under new tables; whether an image may be let in": (
        "forensic.reporting", "forensic.rebuilding", "forensic.gate",
    ),
    "The public interface": ("forensic",),
    "The terminal interface": ("tui",),
    "The command line": ("forensic.cli",),
}  # fmt: skip
"""From the ground up; the longest name that fits a module is its place."""

MOST_MODULES = 25
MOST_LINES = 300

JUDGING = (
    "forensic.qcow2",
    "forensic.mapping",
    "forensic.disk",
    "forensic.accounting",
    "forensic.residue",
    "forensic.explore",
    "forensic.volumes",
    "forensic.walk",
    "forensic.walk_v1",
    "forensic.rules",
    "forensic.checking",
    "forensic.structure",
)
"""Modules that get bytes handed to them and never fetch them."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> tuple[int, str]:
    """The floor a module stands on, and the name it stands there under."""
    places = [(name, floor) for floor, names in enumerate(FLOORS.values()) for name in names]
    fitting = [(len(name), floor, name) for name, floor in places if f"{module}.".startswith(f"{name}.")]
    _, floor, name = max(fitting)
    return floor, name


def is_within(module: str, *packages: str) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_a_module(inner) else node.module


def imported_at_the_top(path: Path) -> Iterator[str]:
    """Every module that is loaded with a file; not what only types need."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_a_module(inner) else node.module


def types_only(module: str) -> set[str]:
    """What a file imports for types alone."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    blocks = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    found = [node for block in blocks for node in ast.walk(block) if isinstance(node, ast.ImportFrom) and node.module]
    return {node.module for node in found if node.module} | {
        f"{node.module}.{alias.name}" for node in found for alias in node.names
    }


def is_a_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """What a file calls, as written (`os.open`, `open`, `.decode`), and how many arguments it gives."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            count = len(node.args) + len(node.keywords)
            if isinstance(node.func, ast.Name):
                yield node.func.id, count
            elif isinstance(node.func, ast.Attribute):
                yield f".{node.func.attr}", count
                if isinstance(node.func.value, ast.Name):
                    yield f"{node.func.value.id}.{node.func.attr}", count


def importers_of(package: str) -> set[str]:
    return {module_of(path) for path in FILES if any(is_within(name, package) for name in imports(path))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_a_file_imports_only_from_floors_below_its_own_or_from_its_own_folder(path: Path) -> None:
    module = module_of(path)
    floor, place = floor_of(module)
    ours = [name for name in imports(path) if is_within(name, "forensic", "tui")]
    upward = [name for name in ours if floor_of(name)[0] >= floor and not is_within(name, place)]
    assert upward == []


def test_no_file_imports_itself_in_a_circle() -> None:
    """Imports inside functions and for types count as well."""
    below = {module_of(path): set(imports(path)) - {module_of(path)} for path in FILES}
    while free := {module for module, needed in below.items() if not needed & set(below)}:
        for module in free:
            del below[module]
    assert below == {}


def test_a_function_imports_only_what_its_file_would_not_load_anyway() -> None:
    """An import in a function pays by what is not loaded at start; where nothing is saved, it belongs at the top.

    The one exception is a part of the command line that needs the whole, which loads its parts.
    """
    top = {module_of(path): set(imported_at_the_top(path)) for path in FILES}

    def loaded(module: str) -> set[str]:
        found, waiting = set(), {module}
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting |= top.get(one, set()) - found
        return found

    inside = {module_of(path): set(imports(path)) - set(top[module_of(path)]) for path in FILES}
    useless = {
        (module, name)
        for module, names in inside.items()
        for name in names & top.keys()
        if name in loaded(module) and name not in types_only(module)
    }
    assert useless - {("forensic.cli.reference.completion", "forensic.cli")} == set()


def test_no_folder_has_more_files_than_one_can_look_through() -> None:
    counts = Counter(path.parent.relative_to(ROOT) for path in WRITTEN if path.name != "__init__.py")
    assert {str(folder): count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_no_file_is_longer_than_one_can_keep_in_mind() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in WRITTEN}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_library_draws_no_screen() -> None:
    assert {module for module in importers_of("textual") if not is_within(module, "tui")} == set()
    assert {module for module in importers_of("tui") if not is_within(module, "tui", "forensic.cli")} == set()


def test_the_screens_stand_on_the_public_api_alone() -> None:
    used = {name for path in FILES if is_within(module_of(path), "tui") for name in imports(path)}
    assert {name for name in used if is_within(name, "forensic")} <= {"forensic", "forensic.explore"}


def test_rich_is_used_only_where_something_is_printed() -> None:
    allowed = ("tui", "forensic.cli", "forensic.report")
    assert {module for module in importers_of("rich") if not is_within(module, *allowed)} == set()


def test_kaitai_objects_are_turned_into_ours_in_one_place() -> None:
    second_reader = {"forensic.second_reader.entries", "forensic.second_reader.header"}
    generated = {module_of(path) for path in GENERATED}
    assert importers_of("kaitaistruct") == generated | {"forensic.structure"} | second_reader


def test_the_second_reader_shares_no_code_with_the_first() -> None:
    shared = ("forensic.evidence", "forensic.format.qcow2", "forensic.errors", "forensic.untrusted")
    used = {
        name
        for path in FILES
        if is_within(module_of(path), "forensic.second_reader")
        for name in imports(path)
        if is_within(name, "forensic", "tui")
    }
    assert {name for name in used if not is_within(name, "forensic.second_reader", *shared)} == set()


def test_the_library_loads_no_dataclasses() -> None:
    """Each class of theirs takes half a millisecond to load, and there are a hundred of ours."""
    assert {module for module in importers_of("dataclasses") if not is_within(module, "tui")} == set()


def test_the_library_does_not_load_what_arrays_are_annotated_with() -> None:
    """Annotations are not evaluated, and numpy.typing takes as long to load as thirty modules of ours."""
    assert importers_of("numpy.typing") - {"tui.map_cells"} == {"forensic.qcow2.arrays"}


def test_nothing_maps_a_file_or_starts_a_program() -> None:
    """But for the command that the examiner gives to `nbd --run`."""
    assert importers_of("subprocess") == set()
    starting = ("posix_spawn", "posix_spawnp", "system", "popen", "execv", "execve", "execvp", "spawnv", "startfile")
    started = {(module_of(path), name) for path in WRITTEN for name, _ in calls(path) if name in
               {f"{module}.{call}" for module in ("os", "posix") for call in starting}}  # fmt: skip
    assert started == {("forensic.nbd.command", "os.posix_spawn")}
    # All map memory without a file, which forks share.
    mapping = {"forensic.extraction.pipeline", "forensic.files.remote_files", "forensic.nbd.kept"}
    assert importers_of("mmap") == mapping
    mapped = [
        ast.unparse(node)
        for node in ast.walk(ast.parse((ROOT / "forensic" / "extraction" / "pipeline.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "mmap.mmap"
    ]
    assert [call.startswith("mmap.mmap(-1, ") for call in mapped] == [True, True]  # memory, and no file


def test_nothing_but_evidence_opens_evidence() -> None:
    openers = {"open", ".open", ".read_bytes", ".read_text", ".fromfile", ".memmap", ".load", ".fdopen", ".FileIO"}
    found = {
        (module_of(path), called)
        for path in WRITTEN
        if is_within(module_of(path), *JUDGING)
        for called, _ in calls(path)
        if called in openers
    }
    assert found == set()


def test_only_untrusted_turns_image_bytes_into_text() -> None:
    readers = [path for path in WRITTEN if is_within(module_of(path), *JUDGING, "forensic.extraction")]
    found = {
        (module_of(path), called)
        for path in readers
        for called, count in calls(path)
        if called in (".decode", ".tostring", "codecs.decode") or (called == "str" and count > 1)
    }
    assert found == set()


LOOK_AT_A_HEADER = """
import json, sys
from forensic.image import open_image
from forensic.description import describe
with open_image(sys.argv[1]) as image:
    described = describe(image)
heavy = {"numpy", "rich", "textual", "cryptography", "zstandard", "deflate"}
print(json.dumps([described.image.version, sorted(heavy & set(sys.modules))]))
"""


@pytest.mark.parametrize("name", ["data-512", "snapshots-512", "bitmaps-512", "luks-4k", "overlay-qcow2"])
def test_describing_an_image_loads_nothing_heavy(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_A_HEADER, str(SOUND / f"{name}.qcow2")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [3, []]
