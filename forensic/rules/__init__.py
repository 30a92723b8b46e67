"""Every rule, by family; importing this package registers them all."""

from forensic.rules import (
    bitmaps,
    compression,
    encryption,
    header,
    l1,
    l2,
    overlaps,
    refcounts,
    references,
    residue,
    resources,
    snapshots,
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
    "overlaps",
    "refcounts",
    "references",
    "residue",
    "resources",
    "rule_of",
    "snapshots",
]
