"""The report model, and one renderer a file; nothing here knows qcow2."""
