"""Every rule, by family; importing this package registers them all."""

from forensic.rules import (
    bitmaps,
    compression,
    data_file,
    encryption,
    extensions,
    features,
    header,
    l1,
    l2,
    luks,
    names,
    refcounts,
    references,
    snapshots,
    streams,
    version_1,
)
from forensic.rules.registry import Rule, all_rules, rule_of

__all__ = [
    "Rule",
    "all_rules",
    "bitmaps",
    "compression",
    "data_file",
    "encryption",
    "extensions",
    "features",
    "header",
    "l1",
    "l2",
    "luks",
    "names",
    "refcounts",
    "references",
    "rule_of",
    "snapshots",
    "streams",
    "version_1",
]
