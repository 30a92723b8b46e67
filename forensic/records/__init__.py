"""The objects a report holds, as typed structs: what is written, what renderers read, what the schema says."""
