"""A second way from guest offset to bytes, which shares no code with the first and is meant to be checked by reading.

One entry, one cluster, one sector at a time, as the specification describes them. It is slower than the first way, and
where both give the same bytes the two would have to be wrong in the same way.
"""
