"""`qcowscope info`: what an image is."""

from __future__ import annotations

import argparse

from forensic.cli.output import make_report, start_run
from forensic.cli.parser import Parser, Subparsers, add_command, add_image, add_json
from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.qcow2.describe import describe
from forensic.qcow2.foreign import ForeignFile
from forensic.qcow2.image import identify
from forensic.report.to_json import to_json
from forensic.report.to_text import info_text


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser: Parser = add_command(
        subparsers,
        "info",
        run,
        "say what an image is: header, features, extensions, references, snapshots, bitmaps, encryption, space",
        "Reads the header and single structures only; nothing that the image names is opened.",
    )
    add_image(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Describe the image; 63 if it is none."""
    this_run = start_run()
    with Evidence(options.image) as evidence:
        image = identify(evidence)
        result = describe(image)
        if isinstance(image, ForeignFile):
            if options.json:
                from forensic.checking import check

                result |= check(image).as_json()
                print(to_json(make_report(evidence, result, this_run, NotAnImage.exit_status)), end="")
            raise NotAnImage(options.image, image.description)
        if options.json:
            result["summary"] = {"verdict": "undetermined", "reason": "info does not judge; see check"}
            print(to_json(make_report(evidence, result, this_run, 0)), end="")
        else:
            print(info_text(evidence.path_as_given, result), end="")
    return 0
