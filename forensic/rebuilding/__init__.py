"""A disk written to a new qcow2 image, with tables and refcounts of its own."""
