"""Every rule, by family; importing this package registers them all."""

from forensic.rules import (
    bitmaps,
    compression,
    encryption,
    header,
    l1,
    l2,
    refcounts,
    references,
    snapshots,
    version_1,
)
from forensic.rules.registry import Rule, all_rules, rule_of

__all__ = [
    "Rule",
    "all_rules",
    "bitmaps",
    "compression",
    "encryption",
    "header",
    "l1",
    "l2",
    "refcounts",
    "references",
    "rule_of",
    "snapshots",
    "version_1",
]
