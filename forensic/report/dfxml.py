"""The parts of Digital Forensics XML that an extraction and a timeline have in common.

Names are hostile. What goes into an element or an attribute is brought into its shown form here, which has none of the
characters that XML 1.0 forbids, and is quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from forensic.untrusted import shown_whole
from forensic.version import __version__

NAMESPACE = "http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML"
OWN_NAMESPACE = "https://qcowscope.readthedocs.io/dfxml"
"""Of the elements and attributes `q:…`, which say what DFXML has no word for; its schema allows them."""

SCHEMA_VERSION = "2.0.0-beta.0"


def head() -> Iterator[str]:
    """The lines before everything else."""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<dfxml xmlns="{NAMESPACE}" xmlns:q="{OWN_NAMESPACE}" version="{SCHEMA_VERSION}">'


def creator(facts: Iterable[str] = ()) -> str:
    """Which program wrote it, and elements with more about its run."""
    return f"<creator>{element('program', 'qcowscope')}{element('version', __version__)}{''.join(facts)}</creator>"


def source(images: Iterable[str]) -> str:
    """What was read."""
    return f"<source>{''.join(element('image_filename', image) for image in images)}</source>"


def volume_head(name: str, guest_offset: int | None, file_system: str) -> Iterator[str]:
    """How the element of a volume begins; `file_system` is empty where none is known."""
    offset = {} if guest_offset is None else {"offset": guest_offset}
    yield opened("volume", {**offset, "q:name": name})
    if guest_offset is not None:
        yield element("partition_offset", guest_offset)
    if file_system:
        yield element("ftype_str", file_system)


def element(name: str, content: str | int, attributes: Mapping[str, str | int] | None = None) -> str:
    """An element that holds nothing but text."""
    return f"{opened(name, attributes or {})}{escape(shown_whole(str(content)))}</{name}>"


def opened(name: str, attributes: Mapping[str, str | int]) -> str:
    """How an element begins."""
    given = (f"{key}={quoteattr(shown_whole(str(value)))}" for key, value in attributes.items())
    return f"<{' '.join([name, *given])}>"
