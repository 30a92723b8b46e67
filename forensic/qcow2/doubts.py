"""What a header says that makes it doubtful whether what its tables give is what the guest saw.

QEMU refuses such an image as a whole. It is read all the same, since most of it may be right; but never without these
sentences beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.qcow2.header import CryptMethod, Incompatible

if TYPE_CHECKING:
    from forensic.qcow2.image import Qcow2Image

MIN_EXTENDED_L2_CLUSTER_BITS = 14


def doubts(image: Qcow2Image, l1_host_offset: int) -> Iterator[str]:
    """Sentences without a subject, about an image read through the L1 table at this host offset."""
    header = image.header
    unknown = header.incompatible_features & ~sum(Incompatible)
    if unknown:
        yield f"sets incompatible features that are not known ({unknown:#x}); its disk may not be what is read here"
    if header.crypt_method not in tuple(CryptMethod):
        yield f"is encrypted by a method that is not known ({header.crypt_method}); its data is given as it is stored"
    if image.geometry.extended_l2 and header.cluster_bits < MIN_EXTENDED_L2_CLUSTER_BITS:
        yield "has extended L2 entries, but clusters that are too small for them; what its tables say is doubtful"
    if l1_host_offset % image.geometry.cluster_size:
        yield (
            f"has its L1 table at {l1_host_offset:#x}, where no cluster begins and no table can be; "
            "what it maps, and what it calls zero, is doubtful"
        )
