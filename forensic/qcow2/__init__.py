"""Everything that knows the qcow2 format: structures, tables, mapping, codecs."""
