"""Every rule, by family; importing this package registers them all."""

from importlib import import_module

from forensic.rules.registry import Rule as Rule
from forensic.rules.registry import all_rules as all_rules
from forensic.rules.registry import rule_of as rule_of

FAMILIES = (
    "header",
    "l1",
    "l2",
    "beyond_disk",
    "bitmaps",
    "bitmap_tables",
    "compression",
    "references",
    "data_file",
    "encryption",
    "extensions",
    "features",
    "luks",
    "names",
    "overlaps",
    "refcounts",
    "residue",
    "resources",
    "snapshots",
    "streams",
    "version_1",
    "recovery",
)
"""The modules of rules, in the order in which reports list what was checked."""

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
