"""The qcow2 parser compiled from `ksy/qcow2.ksy`; generated, never edited by hand."""
