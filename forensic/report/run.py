"""The record of a run: when, where, by whom, with what; all that differs between two laboratories' reports."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache, cached_property

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.numbers import NANOSECONDS, in_utc
from forensic.records.run import (
    ArtifactRecord,
    InputRecord,
    InUseRecord,
    LibraryRecord,
    RunRecord,
    SourceRecord,
    ToolRecord,
    UnreadRecord,
)
from forensic.untrusted import Json, shown, without_query
from forensic.version import __version__

LIBRARIES = ("kaitaistruct", "numpy", "deflate", "zstandard", "cryptography")


class Run(Struct, dict=True):
    """One call of a command; made at its start, turned into JSON at its end."""

    command_line: Sequence[str]
    options: Mapping[str, Json] = field(default_factory=dict)
    host_info: bool = True
    started_at: int = field(default_factory=time.time_ns)
    started: float = field(default_factory=time.monotonic)

    @cached_property
    def run_id(self) -> str:
        """A name that no other run has."""
        import uuid  # slow to load, and not needed for text

        return str(uuid.uuid4())

    def record(
        self, exit_status: ExitStatus, artifacts: Sequence[ArtifactRecord] = (), inputs: Sequence[InputRecord] = ()
    ) -> RunRecord:
        """What a report says of the run; `inputs` and `artifacts` are the files that were read and written."""
        record = RunRecord(
            run_id=self.run_id,
            command_line=[shown(without_query(word)) for word in self.command_line],
            options=self.options,
            started_at=_utc(self.started_at),
            ended_at=_utc(time.time_ns()),
            local_utc_offset=time.strftime("%z"),
            elapsed_seconds=round(time.monotonic() - self.started, 3),
            exit_code=exit_status,
            exit_reason=exit_status.meaning,
            interrupted=False,
            inputs=inputs,
            artifacts=artifacts,
        )
        if not self.host_info:
            return record
        system = os.uname()
        return replace(
            record,
            hostname=shown(system.nodename),
            user=shown(_user()),
            uid=os.getuid(),
            # `platform.platform()` would start a program (`uname -p`) to find out the processor.
            os=" ".join((system.sysname, system.release, system.machine)),
            kernel=system.release,
            pid=os.getpid(),
            working_directory=shown(_working_directory()),
        )


def tool() -> ToolRecord:
    """What a report says of the tool: versions of everything that touched a byte."""
    return ToolRecord(
        name="qcowscope",
        version=__version__,
        python=".".join(map(str, sys.version_info[:3])),
        platform=sys.platform,
        libraries=[LibraryRecord(name=name, version=_version(name)) for name in LIBRARIES],
    )


@cache
def _version(name: str) -> str | None:
    import importlib.metadata  # as slow

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _utc(nanoseconds: int) -> str:
    """To the microsecond."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{in_utc(seconds, '%Y-%m-%dT%H:%M:%S')}.{rest // 1000:06}Z"


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return str(os.getuid())


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def source_record(evidence: Evidence) -> SourceRecord:
    """What a report says of the file, with the proof that nothing was changed."""
    return SourceRecord(
        path_as_given=shown(evidence.path_as_given),
        path_resolved=shown(evidence.path),
        kind=evidence.kind,
        image_offset=evidence.image_offset or UNSET,
        pieces=evidence.pieces(),
        device=UNSET if evidence.is_remote else evidence.before.device,
        inode=UNSET if evidence.is_remote else evidence.before.inode,
        size=evidence.size,
        disk_usage=UNSET if evidence.is_remote else evidence.disk_usage,
        mode=f"{stat.S_IMODE(evidence.before.mode):04o}",
        owner=evidence.before.owner,
        mtime_ns=evidence.before.mtime_ns,
        ctime_ns=evidence.before.ctime_ns,
        open_flags=evidence.open_flags,
        in_use=InUseRecord(locked=evidence.in_use(), writer=evidence.writer()),
        notes=evidence.notes(),
        unread=[
            UnreadRecord(host_offset=one.host_offset, length=one.length, reason=one.reason) for one in evidence.unread
        ],
        integrity=evidence.integrity(),
    )
