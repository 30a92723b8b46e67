"""The options by which the examiner says what to read and supplies what an image needs: files, and a key."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from forensic.cli.parser import Parser, UsageError
from forensic.untrusted import is_url, shown, without_query

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.disk.opening import Supplied
    from forensic.evidence import Evidence
    from forensic.image import Identified, Qcow1Image, Qcow2Image

SOURCE_FORMATS = ("raw", "qcow2", "qcow")


def add_snapshot(parser: Parser) -> None:
    """`--snapshot`."""
    parser.add_argument(
        "--snapshot", metavar="ID|NAME|INDEX", help="a snapshot instead of the active disk: its id, name, or #index"
    )


def add_bitmap(parser: Parser) -> None:
    """`--bitmap`."""
    parser.add_argument(
        "--bitmap",
        metavar="NAME",
        help="only what this dirty bitmap marks of the active disk; the rest is zeros, and listed as not_marked",
    )


def add_plan(parser: Parser) -> None:
    """`--plan`."""
    parser.add_argument(
        "--plan", metavar="PLAN.json", help="read the disk by this plan, which qcowscope recover has written"
    )


def evidence_of(
    path: str | os.PathLike[str], options: argparse.Namespace, bad: Sequence[tuple[int, int]] = ()
) -> Evidence:
    """The file, device or pieces that the examiner names as the image. Raises `EvidenceUnreadable`.

    `bad` ranges are those that are known to be unreadable.
    """
    from forensic.evidence import Evidence

    if is_url(os.fspath(path)):
        from forensic.files.remote_files import open_remote

        name = without_query(os.fspath(path))
        return Evidence.of_opened(open_remote(os.fspath(path), options.image_offset), name, name)
    return Evidence(path, options.image_offset, all_pieces=True, bad=bad)


READ_ONLY_FILES = ("key_file", "other_key_file", "plan", "header_from", "bad_map", "policy")
"""Options that name a file which is read beside the images."""


def files_read_by(options: argparse.Namespace) -> list[str]:
    """The files that the options name beside images: none of them may be written to."""
    return [str(path) for name in READ_ONLY_FILES if (path := getattr(options, name, None)) is not None]


def open_as_planned(options: argparse.Namespace) -> Qcow2Image | Qcow1Image:
    """The image of the options, read by the plan if there is one.

    Raises what `open_any` raises, and `BadPlan` and `WrongEvidence`.
    """
    from forensic.image import open_in

    evidence = evidence_of(options.image, options)
    try:
        if getattr(options, "plan", None) is None:
            return open_in(evidence)
        from forensic.recovery.reading import open_planned

        return open_planned(evidence, options.plan)
    except BaseException:
        evidence.close()
        raise


def identified(evidence: Evidence, options: argparse.Namespace) -> Identified:
    """The same of a file that is open, among others perhaps. Raises `UsageError` for one plan of many images."""
    from forensic.image import identify

    if options.plan is None:
        return identify(evidence)
    if len(options.images) > 1 or evidence.path_as_given != options.images[0]:
        raise UsageError("--plan takes one image")
    from forensic.recovery.reading import open_planned

    return open_planned(evidence, options.plan)


OTHER = "other-"
"""Before the options that are for the second of two images."""


def add_files(parser: Parser, which: str = "") -> None:
    """`--backing`, `--backing-format` and `--data-file`; `which` may be `OTHER`."""
    needs = (
        "files and a key for the second image"
        if which
        else "files that the image needs; a name in the image is never followed"
    )
    group = parser.add_argument_group(needs)
    group.add_argument(
        f"--{which}backing",
        metavar="PATH",
        action=_AppendBacking,
        default=[],
        help="the backing file; once for each file of the chain, nearest first",
    )
    group.add_argument(
        f"--{which}backing-format",
        metavar="raw|qcow2|qcow",
        choices=SOURCE_FORMATS,
        action=_FormatOfBacking,
        help=f"how to read the --{which}backing that precedes it (otherwise as declared, or as detected)",
    )
    group.add_argument(f"--{which}data-file", metavar="PATH", help="the external data file")
    if which:
        group.add_argument(
            f"--{which}key-file", metavar="PATH", help="file with the passphrase of OTHER, if it differs"
        )


def add_key(parser: Parser) -> None:
    """`--key-file`, `--allow-slow-key` and `--ciphertext`."""
    group = parser.add_argument_group("encrypted images")
    group.add_argument(
        "--key-file",
        metavar="PATH",
        help="file with the passphrase, used as it is; for LUKS also tried without a trailing newline "
        "(default: ask on the terminal)",
    )
    group.add_argument(
        "--key-without-newline",
        action="store_true",
        help="the trailing newline of the key file is not part of the passphrase (for LUKS both are tried)",
    )
    group.add_argument(
        "--allow-slow-key", action="store_true", help="derive the key however many iterations the image asks for"
    )
    group.add_argument("--ciphertext", action="store_true", help="give encrypted data as it is stored, without a key")


def disk_of(image: Qcow2Image | Qcow1Image, options: argparse.Namespace, with_key: bool = True) -> Disk:
    """The disk that the options describe; close it after use.

    Raises what `open_asked` raises but `ValueError`, and `UsageError`.
    """
    from forensic.disk.asked import AskedDisk, open_asked

    asked = AskedDisk(options.snapshot, getattr(options, "bitmap", None), getattr(options, "vm_state", False))
    try:
        asked.refuse_contradictions()
    except ValueError as error:
        raise UsageError(f"qcowscope: {error}") from error
    return open_asked(image, asked, lambda: supplied_by(image, options, with_key))


def supplied_by(image: Qcow2Image | Qcow1Image, options: argparse.Namespace, with_key: bool = True) -> Supplied:
    """What the options supply beside the image; without a key file the terminal is asked. Raises `UsageError`."""
    from forensic.disk.opening import BackingFile, Format, Supplied

    backing = tuple(BackingFile(path, Format(kind) if kind else None) for path, kind in options.backing)
    if not with_key:
        return Supplied(backing, options.data_file)
    if options.ciphertext and options.key_file:
        raise UsageError("--ciphertext and --key-file exclude each other")
    passphrase = None if options.ciphertext else _passphrase(image, options.key_file)
    return Supplied(
        backing,
        options.data_file,
        passphrase,
        options.ciphertext,
        options.allow_slow_key,
        options.key_without_newline,
        getattr(options, "salvage", False),
    )


def supplied_to_other(image: Qcow2Image | Qcow1Image, options: argparse.Namespace) -> Supplied:
    """What the options supply beside the second of two images. Raises `UsageError`."""
    own = argparse.Namespace(**vars(options))
    own.backing, own.data_file = options.other_backing, options.other_data_file
    own.key_file = options.other_key_file or options.key_file
    return supplied_by(image, own)


def _passphrase(image: Qcow2Image | Qcow1Image, key_file: str | None) -> bytes | None:
    """From the file, or from the terminal without echo; None if the image needs none or there is no terminal."""
    if key_file is not None:
        from forensic.disk.opening import read_key_file

        return read_key_file(key_file)
    if not image.encrypted or not sys.stdin.isatty():
        return None
    import getpass

    try:
        text = getpass.getpass(f"passphrase for {shown(image.evidence.path_as_given)} (empty: none): ")
    except EOFError:  # Ctrl-D
        return None
    return os.fsencode(text) or None


class _AppendBacking(argparse.Action):
    """Keeps each path with the format that may follow it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), (values, None)])


class _FormatOfBacking(argparse.Action):
    """Puts the format beside the last path."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        paths = self.dest.removesuffix("_format")
        *before, last = getattr(namespace, paths) or [None]
        if last is None or last[1] is not None:
            option = self.option_strings[0]
            parser.error(f"{option} goes after the {option.removesuffix('-format')} that it applies to")
        setattr(namespace, paths, [*before, (last[0], values)])
