"""`qcowscope gate`: may this image be let in?"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

from forensic.cli.parser import Subparsers, UsageError, add_command, add_json, positive_number
from forensic.cli.standard_streams import complain
from forensic.errors import EvidenceUnreadable, OutputFailed
from forensic.untrusted import shown, without_query

if TYPE_CHECKING:
    from forensic.gate.decision import Decision
    from forensic.gate.policy import NamedPolicy

PROFILES = ("strict-cloud", "backing-allowed", "forensic-intake")
STANDARD_INPUT = "standard input"


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "gate",
        run,
        "accept or reject an image by a policy, with one exit status",
        "The header is judged first, of a stream after its first 64 KiB; all tables and compressed clusters only if "
        "the header does not decide. The exit status is 0 to accept and 4 to reject; 1 means that nothing could be "
        "decided, and is to be taken for a rejection; 63 is not a qcow2 image, 64 a policy that cannot be used.",
    )
    parser.add_argument("image", metavar="IMAGE", help="the image, or its URL, opened read-only (-: standard input)")
    policies = parser.add_mutually_exclusive_group()
    policies.add_argument(
        "--profile",
        metavar="|".join(PROFILES),
        choices=PROFILES,
        default=PROFILES[0],
        help=f"a policy that comes with the package (default: {PROFILES[0]})",
    )
    policies.add_argument("--policy", metavar="FILE.toml", help="a policy of your own")
    parser.add_argument(
        "--spool",
        metavar="DIR",
        help="where standard input is kept while it is judged, in a file without a name (default: the system's "
        "folder for temporary files)",
    )
    add_json(parser)
    parser.add_argument(
        "--limit-time", metavar="SECONDS", type=positive_number, help="reject what takes longer, reading included"
    )
    parser.add_argument(
        "--limit-memory",
        metavar="MIB",
        type=positive_number,
        help="aim to stay below this much memory; less memory costs time, not findings (default: 150)",
    )


def run(options: argparse.Namespace) -> int:
    """Decide, and say why. Raises `BadPolicy`, `UsageError` and what reading and spooling raise."""
    decision = _decision(options)
    if options.json:
        print(json.dumps(decision.as_json(), indent=2, sort_keys=True))
    else:
        _print_text(decision, STANDARD_INPUT if options.image == "-" else without_query(options.image))
    sys.stdout.flush()
    return decision.exit_status


def _decision(options: argparse.Namespace) -> Decision:
    """Raises what `_decided` raises; what cannot be opened is a decision where that is printed as JSON."""
    policy = _policy(options)
    try:
        return _decided(options, policy)
    except (EvidenceUnreadable, OutputFailed) as failure:
        if not options.json:
            raise
        from forensic.gate.gate import undecided

        complain(f"qcowscope: {failure}")
        return undecided(policy, failure)


def _decided(options: argparse.Namespace, policy: NamedPolicy) -> Decision:
    from forensic.budget import Limits
    from forensic.gate.gate import gate_file, gate_stream

    limits = Limits(
        seconds=options.limit_time,
        memory=None if options.limit_memory is None else int(options.limit_memory * (1 << 20)),
    )
    if options.image != "-":
        if options.spool is not None:
            raise UsageError("qcowscope gate: --spool is for standard input")
        return gate_file(options.image, policy, limits)
    if os.isatty(0):
        raise UsageError("qcowscope gate: standard input is a terminal")
    return gate_stream(0, STANDARD_INPUT, policy, options.spool, limits)


def _policy(options: argparse.Namespace) -> NamedPolicy:
    from forensic.gate.policy import profile, read_policy

    return profile(options.profile) if options.policy is None else read_policy(options.policy)


def _print_text(decision: Decision, name: str) -> None:
    looked_at = {"header": "by its header", "full": "after a full check"}[decision.stage]
    print(f"{shown(name)}: {decision.verdict.replace('_', ' ')}, {looked_at}; policy {shown(decision.policy)}")
    for one in decision.reasons:
        code = f" ({one.rule})" if one.rule else ""
        print(f"{one.check:16}  {one.observation}{code}")
    for reason, count in Counter(left_out.reason for left_out in decision.not_run).items():
        print(f"{'not run':16}  {count:,} {'rule' if count == 1 else 'rules'}: {reason}")
    if decision.sha256:
        print(f"{'sha256':16}  {decision.sha256}")
