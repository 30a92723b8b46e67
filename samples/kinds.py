"""Every kind of sound image that the toolkit must read, each built with QEMU's or e2fsprogs' own tools."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from samples import makers, oracle
from samples.bench import Bench

PASSPHRASE = "open sesame"
CLUSTER_SIZES = {"512": 512, "4k": 4096, "64k": 65536, "2m": 2 << 20}
REFCOUNT_WIDTHS = (1, 2, 4, 8, 16, 32, 64)
# AES-128-CBC has the smallest key material: 64 kB of noise instead of 256 kB for QEMU's default AES-256-XTS.
SMALL_LUKS = "encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=plain64,encrypt.hash-alg=sha512"


@dataclass(frozen=True)
class Kind:
    """One kind of sound image: how it is made and what the checker has to say about it."""

    name: str
    title: str
    make: Callable[[Bench], None]
    committed: bool = False
    expect: tuple[str, ...] = ()
    format: str = "qcow2"
    backing: tuple[str, ...] = ()
    data_file: str | None = None
    passphrase: str | None = None
    needs: tuple[str, ...] = ("qemu-img", "qemu-io")
    qemu: str = "ok"

    @property
    def image(self) -> str:
        """The file name of the image."""
        return f"{self.name}.{self.format}"


@dataclass(frozen=True)
class Built:
    """One image that was made, the files it needs, and its guest's bytes as QEMU reads them."""

    kind: Kind
    image: Path
    virtual_size: int
    raw_sha256: str
    backing: tuple[Path, ...]
    data_file: Path | None
    passphrase: str | None
    commands: tuple[str, ...]


def build(kind_name: str, folder: Path) -> Built:
    """Make one kind of image inside `folder`; raises `oracle.ToolFailed` when a tool cannot."""
    kind = KINDS[kind_name]
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, kind.name, kind.image, kind.passphrase)
    kind.make(bench)
    image = folder / kind.image
    return Built(
        kind=kind,
        image=image,
        virtual_size=oracle.virtual_size(image, kind.format),
        raw_sha256=oracle.raw_sha256(image, kind.format, kind.passphrase),
        backing=tuple(folder / bench.beside(suffix) for suffix in kind.backing),
        data_file=None if kind.data_file is None else folder / bench.beside(kind.data_file),
        passphrase=kind.passphrase,
        commands=tuple(bench.commands),
    )


def _basic() -> list[Kind]:
    kinds = [
        Kind("empty-512", "nothing written", partial(makers.empty, options="cluster_size=512"), True),
        Kind("empty-v2-512", "version 2, nothing written", partial(makers.empty, options=V2_512), True),
        Kind("data-512", "one cluster written", partial(makers.one_cluster, options="cluster_size=512"), True),
        Kind("data-4k", "one cluster written", partial(makers.one_cluster, options="cluster_size=4096"), True),
        Kind("data-v2-512", "version 2, one cluster written", partial(makers.one_cluster, options=V2_512), True),
        Kind("zeros-512", "zero flags without host clusters", partial(makers.zeros, unmap=True), True),
        Kind(
            "zeros-kept-512",
            "zero flags that keep host clusters",
            partial(makers.zeros, unmap=False),
            True,
            UNDER_ZEROS,
        ),
        Kind("two-l2-512", "two L2 tables, the second one late", makers.two_l2_tables, True),
        Kind(
            "many-tables",
            "several refcount tables, blocks and L2 tables",
            makers.many_tables,
            expect=("residue-in-free-clusters",),
        ),
        Kind("odd-size-4k", "size is not a multiple of the cluster", partial(makers.odd_size, cluster=4096), True),
        Kind("odd-size-64k", "size is not a multiple of the cluster", partial(makers.odd_size, cluster=65536)),
    ]
    for label, cluster in CLUSTER_SIZES.items():
        for version, compat in ((2, "0.10"), (3, "1.1")):
            make = partial(makers.patterns, cluster=cluster, options=f"compat={compat}")
            title = f"version {version}, data, zero, discarded and unallocated clusters"
            kinds.append(Kind(f"patterns-v{version}-{label}", title, make, cluster <= 4096))
    return kinds


def _compressed() -> list[Kind]:
    kinds = []
    for codec, option in (("deflate", "zlib"), ("zstd", "zstd")):
        for label, cluster in CLUSTER_SIZES.items():
            make = partial(makers.compressed, cluster=cluster, options=f"compression_type={option}")
            title = f"{codec} clusters beside plain ones that would not shrink"
            kinds.append(Kind(f"{codec}-{label}", title, make, cluster <= 4096, COMPRESSED))
        make = partial(makers.compressed_overwritten, options=f"compression_type={option}")
        kinds.append(Kind(f"{codec}-overwritten-4k", f"{codec} clusters, partly written again", make, True, COMPRESSED))
    v2 = partial(makers.compressed, cluster=512, options="compat=0.10")
    kinds.append(Kind("deflate-v2-512", "version 2 with deflate clusters", v2, True, COMPRESSED))
    return kinds


def _extended() -> list[Kind]:
    title = "subclusters: data, zero and unallocated in one cluster"
    kinds = [
        Kind("extended-16k", title, partial(makers.subclusters, cluster=16384), True, UNALLOCATED),
        Kind("extended-64k", title, partial(makers.subclusters, cluster=65536), expect=UNALLOCATED),
    ]
    for codec, option in (("deflate", "zlib"), ("zstd", "zstd")):
        make = partial(makers.compressed, cluster=16384, options=f"extended_l2=on,compression_type={option}")
        name = f"extended-{codec}-16k"
        kinds.append(Kind(name, f"extended L2 with {codec} clusters", make, codec == "deflate", COMPRESSED))
    return kinds


def _refcounts() -> list[Kind]:
    kinds = []
    for width in REFCOUNT_WIDTHS:
        make = partial(makers.patterns, cluster=512, options=f"refcount_bits={width}")
        kinds.append(Kind(f"refcount-{width}", f"refcounts of {width} bits", make, True))
    lazy = partial(makers.patterns, cluster=512, options="lazy_refcounts=on")
    kinds.append(Kind("lazy-refcounts", "lazy refcounts, cleanly closed", lazy, True))
    return kinds


def _snapshots() -> list[Kind]:
    v2 = partial(makers.snapshots, options=V2_512)
    return [
        Kind("snapshot-empty-512", "a snapshot of an empty disk", makers.snapshot_of_nothing, True, SNAPSHOTS),
        Kind("snapshots-512", "two snapshots and later writes", makers.snapshots, True, SNAPSHOTS),
        Kind("snapshots-v2-512", "version 2 with snapshots", v2, True, SNAPSHOTS),
        Kind("snapshot-deleted-512", "one of three snapshots deleted", makers.snapshot_deleted, True, SNAPSHOTS),
        Kind("bitmaps-512", "two dirty bitmaps, one of them disabled", makers.bitmaps, True, BITMAPS),
    ]


def _encrypted() -> list[Kind]:
    luks = "encrypt.format=luks,encrypt.iter-time=10"
    small = partial(makers.encrypted, cluster=4096, options=f"{luks},{SMALL_LUKS}")
    default = partial(makers.encrypted, cluster=65536, options=luks)
    aes = partial(makers.encrypted, cluster=4096, options="encrypt.format=aes")
    return [
        Kind("luks-4k", "LUKS, AES-128-CBC-plain64", small, True, ENCRYPTED, passphrase=PASSPHRASE),
        Kind("luks-64k", "LUKS as QEMU makes it by default", default, False, ENCRYPTED, passphrase=PASSPHRASE),
        Kind("aes-4k", "the old AES encryption of QEMU", aes, True, ENCRYPTED, passphrase=PASSPHRASE[:16]),
        *(_luks(*words.split()) for words in LUKS_VARIANTS),
        *_encrypted_in_other_ways(luks),
    ]


def _luks(cipher: str, mode: str, iv: str, iv_hash: str, key_hash: str) -> Kind:
    """One of the ciphers that QEMU writes; `-` is for an initialisation vector without a hash."""
    options = f"encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-alg={cipher},encrypt.cipher-mode={mode}"
    options += f",encrypt.ivgen-alg={iv},encrypt.hash-alg={key_hash}"
    words = [cipher, mode, iv]
    if iv_hash != "-":
        options += f",encrypt.ivgen-hash-alg={iv_hash}"
        words.append(iv_hash)
    name = "-".join(["luks", *words, "key", key_hash])
    make = partial(makers.encrypted, cluster=4096, options=options)
    return Kind(name, f"LUKS, {' '.join(words)}, keys by {key_hash}", make, False, ENCRYPTED, passphrase=PASSPHRASE)


def _encrypted_in_other_ways(luks: str) -> list[Kind]:
    """Where the number of a sector is not what it seems: subclusters, a data file, several levels."""
    kinds = []
    for name, options in (("luks", f"{luks},{SMALL_LUKS}"), ("aes", "encrypt.format=aes")):
        secret = PASSPHRASE[:16]
        extended = partial(makers.encrypted, cluster=16384, options=f"{options},extended_l2=on")
        kinds.append(Kind(f"{name}-extended", f"{name} in subclusters", extended, expect=ENCRYPTED, passphrase=secret))
        in_data_file = partial(makers.encrypted_data_file, options=options)
        title = f"{name} in an external data file"
        kinds.append(
            Kind(f"{name}-data-file", title, in_data_file, expect=ENCRYPTED, data_file="data.raw", passphrase=secret)
        )
        compressed = partial(makers.encrypted_and_compressed, options=options)
        kinds.append(
            Kind(
                f"{name}-compressed",
                f"{name} beside compressed clusters",
                compressed,
                expect=ENCRYPTED,
                passphrase=secret,
            )
        )
    overlay = partial(makers.encrypted_overlay, options=f"{luks},{SMALL_LUKS}")
    backing = ("backing.qcow2",)
    kinds.append(Kind("luks-overlay", "LUKS on LUKS", overlay, expect=ENCRYPTED, backing=backing, passphrase=secret))
    return kinds


def _references() -> list[Kind]:
    qcow2, raw = ("backing.qcow2",), ("backing.raw",)
    kinds = [
        Kind("overlay-qcow2", "overlay on a qcow2 image", makers.overlay_on_qcow2, True, OVERLAY, backing=qcow2),
        Kind("overlay-raw", "overlay on a shorter raw image", makers.overlay_on_raw, True, OVERLAY, backing=raw),
        Kind("overlay-extended", "subclusters that show through", makers.overlay_extended, True, OVERLAY, backing=raw),
        Kind("overlay-four", "four files of unlike sizes", makers.chain_of_four, False, OVERLAY, backing=FOUR),
        Kind(
            "overlay-compressed", "overlay on compressed", makers.overlay_on_compressed, backing=qcow2, expect=OVERLAY
        ),
        Kind(
            "overlay-version-1",
            "overlay on version 1",
            makers.overlay_on_version_1,
            False,
            OVERLAY,
            backing=("backing.qcow",),
        ),
        Kind("overlay-chain", "overlay on an overlay", makers.chain, True, OVERLAY, backing=qcow2 + raw),
        Kind("overlay-committed", "overlay after a commit", makers.committed, True, OVERLAY, backing=qcow2),
        Kind("base-committed", "base after its overlay was committed", makers.committed_base, True),
    ]
    for name, switch in (("data-file", "off"), ("data-file-raw", "on")):
        make = partial(makers.external_data, raw=switch)
        title = f"external data file, data_file_raw={switch}"
        kinds.append(Kind(name, title, make, True, ("data-file-declared",), data_file="data.raw"))
    return kinds


def _grown() -> list[Kind]:
    kinds = [
        Kind("grown", "resized to be larger", makers.grown, True),
        Kind("shrunk", "resized to be smaller", makers.shrunk, True),
    ]
    for mode in ("metadata", "falloc", "full"):
        make = partial(makers.empty, options=f"cluster_size=4096,preallocation={mode}")
        kinds.append(Kind(f"preallocated-{mode}", f"preallocation={mode}", make, mode == "metadata"))
    return kinds


def _file_systems() -> list[Kind]:
    # e2image counts clusters that it then does not use; the guest's bytes are sound all the same.
    needs = ("qemu-img", "mke2fs", "e2image")
    kinds = []
    for system in ("ext2", "ext4"):
        make = partial(makers.file_system, system=system)
        kinds.append(
            Kind(f"e2image-{system}", f"{system} metadata by e2image", make, expect=E2IMAGE, needs=needs, qemu="leaks")
        )
    return kinds


def _version_1() -> list[Kind]:
    raw = ("backing.raw",)
    return [
        Kind("version-1", "the old qcow format", makers.version_1, True, expect=("version-1-image",), format="qcow"),
        Kind(
            "version-1-deflate",
            "old qcow, compressed",
            makers.version_1_compressed,
            True,
            expect=("version-1-image",),
            format="qcow",
        ),
        Kind(
            "version-1-overlay",
            "old qcow overlay",
            makers.version_1_overlay,
            True,
            expect=("version-1-image", "backing-file-declared"),
            format="qcow",
            backing=raw,
        ),
        Kind(
            "version-1-aes",
            "old qcow, AES",
            makers.version_1_encrypted,
            expect=("version-1-image",),
            format="qcow",
            passphrase=PASSPHRASE[:16],
        ),
    ]


V2_512 = "compat=0.10,cluster_size=512"
COMPRESSED = ("compressed-clusters",)
SNAPSHOTS = ("snapshots-present",)
ENCRYPTED = ("image-encrypted",)
BITMAPS = ("bitmaps-present", "residue-in-free-clusters")
UNDER_ZEROS = ("residue-under-zero-flag",)
UNALLOCATED = ("residue-in-subclusters",)
E2IMAGE = ("refcount-beyond-file", "refcount-too-high")
OVERLAY = ("backing-file-declared",)
FOUR = ("backing1.qcow2", "backing2.qcow2", "backing3.raw")
LUKS_VARIANTS = (
    "aes-128 xts plain64 - sha256",
    "aes-192 xts plain64 - sha256",
    "aes-256 xts plain - sha256",
    "aes-256 xts plain64 - sha1",
    "aes-256 xts plain64 - sha512",
    "aes-256 xts essiv sha256 sha256",
    "aes-128 cbc plain - sha1",
    "aes-128 cbc essiv sha256 sha256",
    "aes-256 cbc plain64 - sha512",
    "aes-256 cbc essiv md5 sha256",
    "aes-128 ecb plain64 - sha256",
    "aes-256 ecb plain - sha1",
    "aes-128 ctr plain64 - sha256",
    "aes-256 ctr essiv sha256 sha512",
)
"""Cipher, mode, initialisation vector and its hash, hash of the key derivation. QEMU 7.2 dies of a failed assertion
when it is to write AES-192 in any mode but XTS."""

_FAMILIES = (
    _basic, _compressed, _extended, _refcounts, _snapshots, _encrypted, _references, _grown, _file_systems, _version_1,
)  # fmt: skip
KINDS: dict[str, Kind] = {kind.name: kind for family in _FAMILIES for kind in family()}
