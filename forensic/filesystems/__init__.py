"""The files inside a virtual disk: listed, read, dated, placed and compared.

File systems are parsed by The Sleuth Kit (extra `fs`), and XFS by a reader of our own, in processes that may crash.
"""
