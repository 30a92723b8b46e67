"""The files inside a virtual disk: listed, read, dated, placed and compared.

File systems are parsed by The Sleuth Kit and libfsxfs (extra `fs`), in processes of their own that may crash.
"""
