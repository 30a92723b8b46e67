"""Who claims a cluster: all that do, up to a number."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.accounting.owners import MAX_CLAIMS, Claim, Owner, in_words
from forensic.accounting.ownership import ownership
from tests.images import COMPRESSED, COPIED, L1, L2, header, opened, tiny

CLUSTER = 4096


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 20])
def test_entries_that_lead_to_one_cluster_are_named_up_to_the_limit(count: int, tmp_path: Path) -> None:
    words = [0] + [COPIED | 6 * CLUSTER] * count + [7 * CLUSTER]
    with opened(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))) as image:
        found = ownership(image, 6 * CLUSTER + 5)
        other = ownership(image, 7 * CLUSTER)
    assert [(claim.owner, claim.guest_offset, claim.path) for claim in found.claims] == [
        (Owner.DATA, number * CLUSTER, f"active L1[0].L2[{number}]") for number in range(1, min(count, MAX_CLAIMS) + 1)
    ]
    assert found.counted == count
    assert in_words(found.claims).endswith(" and others") == (count >= MAX_CLAIMS)
    assert [claim.guest_offset for claim in other.claims] == [(count + 1) * CLUSTER]
    assert MAX_CLAIMS == 8


@pytest.mark.parametrize("sectors", [0, 7, 8, 15])
@pytest.mark.parametrize("within", [0, 1, 4095])
def test_a_stream_is_named_for_every_cluster_that_it_touches(sectors: int, within: int, tmp_path: Path) -> None:
    begins = 6 * CLUSTER + within
    words = [0, COMPRESSED | sectors << 58 | begins, 9 * CLUSTER]
    end = begins // 512 * 512 + (sectors + 1) * 512
    with opened(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))) as image:
        named = [
            cluster
            for cluster in range(5, 12)
            if Owner.COMPRESSED in {claim.owner for claim in ownership(image, cluster * CLUSTER).claims}
        ]
        (claim,) = ownership(image, 6 * CLUSTER).claims
    assert named == list(range(6, (end - 1) // CLUSTER + 1))
    assert (claim.host_offset, claim.length, claim.guest_offset) == (begins, end - begins, CLUSTER)


@pytest.mark.parametrize("entries", [6, 7, 8, 20])
def test_metadata_leaves_room_for_what_it_is_in_conflict_with(entries: int, tmp_path: Path) -> None:
    """A cluster that is an L2 table, the L1 table, and guest data again and again."""
    with opened(tmp_path, tiny([COPIED | L1 * 512] * entries, l1_entries=[L2 * 512] * 2)) as image:
        owners = [claim.owner for claim in ownership(image, L1 * 512).claims]
    assert owners == [Owner.ACTIVE_L1, *[Owner.DATA] * min(entries, MAX_CLAIMS - 1)]


def test_claims_in_words() -> None:
    one = Claim(Owner.L2_TABLE, 512, 512, "active L1[0]", None, 3)
    two = Claim(Owner.DATA, 512, 512, "active L1[0].L2[1]", 0x200)
    assert in_words([one, two]) == (
        "L2 table (active L1[0], 3 times); guest data (active L1[0].L2[1], guest offset 0x200)"
    )
    assert in_words([]) == ""


def test_nothing_is_claimed_where_nothing_is_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([])) as image:
        found = ownership(image, 15 * 512)
    assert (found.claims, found.counted, found.cluster_host_offset) == ((), 0, 15 * 512)
