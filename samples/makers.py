"""The steps that make each kind of sound image; sizes are counted in clusters so that one maker serves many sizes."""

from samples import oracle
from samples.bench import Bench, noise, prose

SECTOR = 512


def empty(bench: Bench, options: str) -> None:
    """An image into which no guest ever wrote."""
    bench.create(16384, options)


def one_cluster(bench: Bench, options: str) -> None:
    """The smallest image that has one of everything: one L1 entry, one L2 table, one data cluster."""
    bench.create(16384, options)
    bench.io("write -P 0x41 0 512")


def zeros(bench: Bench, unmap: bool) -> None:
    """Nothing but zero flags, over clusters that were data and over clusters that were not."""
    bench.create(8192, "cluster_size=512")
    bench.io("write -P 0x41 0 2048", f"write -z {'-u ' if unmap else ''}0 8192")


def two_l2_tables(bench: Bench) -> None:
    """Data at both ends of a disk whose L1 table has more entries than are used."""
    bench.create(256 * 1024, "cluster_size=512")
    bench.io("write -P 0x41 512 1024", "write -P 0x42 200k 512", "write -z 200k 256")


def many_tables(bench: Bench) -> None:
    """Enough clusters for a refcount table of several clusters."""
    bench.create(6 << 20, "cluster_size=512,refcount_bits=64")
    bench.io("write -P 0x41 0 3M", "write -P 0x42 4M 1M", "write -P 0x43 6143k 512")


def odd_size(bench: Bench, cluster: int) -> None:
    """The disk ends inside its last cluster, which holds data."""
    size = 5 * cluster + 3 * SECTOR
    bench.create(size, f"cluster_size={cluster}")
    bench.io(f"write -P 0x41 0 {cluster}", f"write -P 0x42 {5 * cluster} {3 * SECTOR}")


def patterns(bench: Bench, cluster: int, options: str) -> None:
    """Data, noise, zeros, discarded and never written clusters, in one table, with a written last cluster."""
    bench.create(14 * cluster, f"cluster_size={cluster},{options}")
    source = bench.file("noise", noise(cluster))
    bench.io(
        f"write -P 0x41 0 {cluster}",
        f"write -P 0x42 {2 * cluster} {2 * cluster}",
        f"write -z {5 * cluster} {cluster}",
        f"write -P 0x43 {7 * cluster + cluster // 2} {SECTOR if cluster > SECTOR else cluster // 2}",
        f"write -P 0x44 {9 * cluster} {2 * cluster}",
        f"discard {9 * cluster} {cluster}",
        f"write -s {source} {11 * cluster} {cluster}",
        f"write -P 0x45 {13 * cluster} {cluster}",
    )
    bench.remove(source)


def _mixed_content(cluster: int) -> bytes:
    """Six clusters and a bit: text, noise, zeros, one byte repeated, half noise, text, a short tail."""
    half = cluster // 2
    return b"".join([
        prose(cluster), noise(cluster), bytes(cluster), b"\x5a" * cluster, noise(half, 2) + bytes(half), prose(cluster),
        b"\xa5" * SECTOR,
    ])  # fmt: skip


def compressed(bench: Bench, cluster: int, options: str) -> None:
    """A compressed copy; the clusters of noise stay plain and the clusters of zeros are left out."""
    source = bench.file("source", _mixed_content(cluster))
    bench.convert(source, f"cluster_size={cluster},{options}")
    bench.remove(source)


def compressed_overwritten(bench: Bench, options: str) -> None:
    """Compressed clusters of which one was replaced in full and one in part."""
    compressed(bench, 4096, options)
    bench.io("write -P 0x61 0 4096", f"write -P 0x62 {3 * 4096 + SECTOR} {SECTOR}")


def subclusters(bench: Bench, cluster: int) -> None:
    """Extended L2 entries in every mixture: full, data and holes, data and zeros, zeros alone, last part only."""
    part = cluster // 32
    bench.create(8 * cluster, f"cluster_size={cluster},extended_l2=on")
    bench.io(
        f"write -P 0x41 0 {cluster}",
        f"write -P 0x42 {cluster + 3 * part} {2 * part}",
        f"write -z {cluster + 10 * part} {3 * part}",
        f"write -z {2 * cluster} {5 * part}",
        f"write -P 0x43 {3 * cluster + 31 * part} {part}",
        f"write -P 0x44 {5 * cluster} {cluster}",
        f"discard {5 * cluster} {cluster}",
        f"write -P 0x45 {6 * cluster} {cluster}",
        f"write -z {6 * cluster} {part}",
    )


def snapshots(bench: Bench, options: str = "cluster_size=512") -> None:
    """Two snapshots, with writes before, between and after."""
    bench.create(16384, options)
    bench.io("write -P 0x41 0 2048")
    bench.run("qemu-img", "snapshot", "-c", "first", bench.image)
    bench.io("write -P 0x42 512 512", "write -P 0x43 4096 512")
    bench.run("qemu-img", "snapshot", "-c", "second", bench.image)
    bench.io("write -P 0x44 1024 512")
    bench.fix_snapshot_dates()


def snapshot_of_nothing(bench: Bench) -> None:
    """One snapshot, with an L1 table that has no L2 table."""
    bench.create(16384, "cluster_size=512")
    bench.run("qemu-img", "snapshot", "-c", "empty", bench.image)
    bench.fix_snapshot_dates()


def snapshot_deleted(bench: Bench) -> None:
    """Three snapshots of which the middle one was deleted."""
    bench.create(16384, "cluster_size=512")
    for number, name in enumerate(("first", "middle", "last")):
        bench.io(f"write -P {0x41 + number} {number * 512} 1024")
        bench.run("qemu-img", "snapshot", "-c", name, bench.image)
    bench.run("qemu-img", "snapshot", "-d", "middle", bench.image)
    bench.fix_snapshot_dates()


def bitmaps(bench: Bench) -> None:
    """Two dirty bitmaps that both saw a write, one of them then disabled."""
    bench.create(65536, "cluster_size=512")
    for name in ("backup", "old"):
        bench.run("qemu-img", "bitmap", "--add", "-g", "512", bench.image, name)
    bench.io("write -P 0x41 1024 512", "write -P 0x42 32768 1024")
    bench.run("qemu-img", "bitmap", "--disable", bench.image, "old")


def encrypted(bench: Bench, cluster: int, options: str) -> None:
    """Encrypted clusters, some whole, some only begun, beside clusters never written."""
    bench.create(8 * cluster, f"cluster_size={cluster},{options}")
    bench.io(f"write -P 0x41 0 {cluster}", f"write -P 0x42 {3 * cluster} {SECTOR}", f"write -z {5 * cluster} {cluster}")


def encrypted_data_file(bench: Bench, options: str) -> None:
    """Encrypted clusters in a second file."""
    encrypted(bench, 4096, f"data_file={bench.beside('data.raw')},{options}")


def encrypted_and_compressed(bench: Bench, options: str) -> None:
    """Compressed clusters in an encrypted image, which QEMU stores without encrypting them."""
    encrypted(bench, 4096, options)
    bench.io("write -c -P 0x43 8192 4096", "write -c -P 0x44 28672 4096")


def encrypted_overlay(bench: Bench, options: str) -> None:
    """An encrypted overlay on an encrypted image, both with one passphrase."""
    encrypted(bench, 4096, options)
    base = bench.beside("backing.qcow2")
    bench.path(bench.image).rename(bench.path(base))
    bench.create(32768, f"cluster_size=4096,{options}", None, "-u", "-b", base, "-F", "qcow2")
    backing = f"backing.driver=qcow2,backing.file.filename={base},backing.encrypt.key-secret={oracle.KEY}"
    bench.io("write -P 0x61 4096 4096", "write -P 0x62 13824 512", options=backing)


def chain_of_four(bench: Bench) -> None:
    """Four files, none as long as its neighbour, with clusters of three sizes, and zeros that hide data."""
    one, two, three = (
        bench.beside("backing1.qcow2"),
        bench.beside("backing2.qcow2"),
        bench.file("backing3.raw", prose(100_000 // SECTOR * SECTOR)),
    )
    bench.create(65536, "cluster_size=65536", two, "-b", three, "-F", "raw")
    bench.io("write -P 0x61 30k 2k", "write -z 0 512", image=two)
    bench.create(131072, "cluster_size=4096", one, "-b", two, "-F", "qcow2")
    bench.io("write -P 0x62 4k 4k", "write -z 32k 8k", "write -P 0x63 100k 1k", image=one)
    bench.create(98304, "cluster_size=512", None, "-b", one, "-F", "qcow2")
    bench.io("write -P 0x64 5k 512", "write -P 0x65 95k 1k")


def overlay_on_compressed(bench: Bench) -> None:
    """Small clusters over large compressed ones, of which only parts show through."""
    compressed(bench, 65536, "compression_type=zlib")
    base = bench.beside("backing.qcow2")
    bench.path(bench.image).rename(bench.path(base))
    bench.create(None, "cluster_size=512", None, "-b", base, "-F", "qcow2")
    bench.io("write -P 0x41 1024 512", "write -P 0x42 66048 512", "write -P 0x43 131072 65536")


def overlay_on_version_1(bench: Bench) -> None:
    """A qcow2 overlay on an image of the old format."""
    base = bench.beside("backing.qcow")
    bench.run("qemu-img", "create", "-q", "-f", "qcow", base, "65536")
    bench.io("write -c -P 0x61 0 4096", "write -P 0x62 8192 8192", image=base, image_format="qcow")
    bench.create(None, "cluster_size=512", None, "-b", base, "-F", "qcow")
    bench.io("write -P 0x41 1024 512", "write -z 9216 512")


def overlay_on_qcow2(bench: Bench) -> None:
    """A backing image whose data shows through where the overlay has none, and is hidden by zeros elsewhere."""
    base = bench.beside("backing.qcow2")
    bench.create(16384, "cluster_size=512", base)
    bench.io("write -P 0x61 0 8192", image=base)
    bench.create(None, "cluster_size=512", None, "-b", base, "-F", "qcow2")
    bench.io("write -P 0x41 1024 512", "write -z 2048 512", "discard 3072 512")


def overlay_on_raw(bench: Bench) -> None:
    """A raw backing file that ends before the overlay's disk does."""
    base = bench.file("backing.raw", prose(6000 // SECTOR * SECTOR))
    bench.create(16384, "cluster_size=512", None, "-b", base, "-F", "raw")
    bench.io("write -P 0x41 1024 512", "write -P 0x42 12288 512")


def overlay_extended(bench: Bench) -> None:
    """Subclusters of one cluster that come from overlay, from zeros and from the backing file."""
    base = bench.file("backing.raw", prose(32768))
    bench.create(None, "cluster_size=16384,extended_l2=on", None, "-b", base, "-F", "raw")
    bench.io("write -P 0x41 1024 512", "write -z 2048 512", "write -P 0x42 16384 4096")


def chain(bench: Bench) -> None:
    """An overlay on an overlay on a raw file."""
    raw = bench.file("backing.raw", prose(16384))
    middle = bench.beside("backing.qcow2")
    bench.create(None, "cluster_size=512", middle, "-b", raw, "-F", "raw")
    bench.io("write -P 0x61 512 1024", image=middle)
    bench.create(None, "cluster_size=512", None, "-b", middle, "-F", "qcow2")
    bench.io("write -P 0x41 1024 1024", "write -z 4096 512")


def committed(bench: Bench) -> None:
    """An overlay whose data was committed to its base, which leaves the overlay empty."""
    overlay_on_qcow2(bench)
    bench.run("qemu-img", "commit", "-q", bench.image)


def committed_base(bench: Bench) -> None:
    """The base into which an overlay was committed; the overlay itself is gone."""
    committed(bench)
    bench.remove(bench.image)
    bench.path(bench.beside("backing.qcow2")).rename(bench.path(bench.image))


def external_data(bench: Bench, raw: str) -> None:
    """Guest data in a second file; only the tables are in the image."""
    options = f"cluster_size=4096,data_file={bench.beside('data.raw')},data_file_raw={raw}"
    bench.create(32768, options)
    bench.io("write -P 0x41 0 4096", "write -P 0x42 12288 512", "write -z 20480 4096")


def grown(bench: Bench) -> None:
    """A disk that became larger, with data on both sides of the old end."""
    bench.create(16384, "cluster_size=512")
    bench.io("write -P 0x41 15872 512")
    bench.run("qemu-img", "resize", "-q", bench.image, "131072")
    bench.io("write -P 0x42 130560 512")


def shrunk(bench: Bench) -> None:
    """A disk that became smaller and lost the data past its new end."""
    bench.create(131072, "cluster_size=512")
    bench.io("write -P 0x41 0 1024", "write -P 0x42 98304 1024")
    bench.run("qemu-img", "resize", "-q", "--shrink", bench.image, "32768")


def file_system(bench: Bench, system: str) -> None:
    """The metadata of a file system as e2image writes it, which is a program with its own idea of qcow2."""
    raw = bench.beside("fs")
    with bench.path(raw).open("wb") as stream:
        stream.truncate(4 << 20)
    uuid = "6f6f6f6f-1111-2222-3333-444444444444"
    bench.run("mke2fs", "-q", "-F", "-t", system, "-b", "1024", "-U", uuid, "-E", f"hash_seed={uuid}", raw)
    bench.run("e2image", "-Q", raw, bench.image)
    bench.remove(raw)


def version_1(bench: Bench) -> None:
    """The format before qcow2, with data at both ends."""
    bench.run("qemu-img", "create", "-q", "-f", "qcow", bench.image, "65536")
    bench.io("write -P 0x41 0 4096", "write -P 0x42 61440 4096", image_format="qcow")


def version_1_compressed(bench: Bench) -> None:
    """The format before qcow2, compressed; `convert -c` to this format fails in QEMU 7.2, single writes do not."""
    bench.run("qemu-img", "create", "-q", "-f", "qcow", bench.image, "65536")
    bench.io("write -c -P 0x41 0 4096", "write -c -P 0x42 8192 4096", "write -P 0x43 61440 4096", image_format="qcow")


def version_1_overlay(bench: Bench) -> None:
    """The format before qcow2, on a raw backing file."""
    base = bench.file("backing.raw", prose(16384))
    bench.run("qemu-img", "create", "-q", "-f", "qcow", "-b", base, "-F", "raw", bench.image)
    bench.io("write -P 0x41 512 512", image_format="qcow")


def version_1_encrypted(bench: Bench) -> None:
    """The format before qcow2, with AES and a compressed cluster, which is not encrypted."""
    secret = f"secret,id={oracle.KEY},data={bench.passphrase}"
    options = f"encrypt.format=aes,encrypt.key-secret={oracle.KEY}"
    bench.run("qemu-img", "create", "-q", "-f", "qcow", "--object", secret, "-o", options, bench.image, "65536")
    bench.io("write -P 0x41 0 4096", "write -P 0x42 9216 512", "write -c -P 0x43 20480 4096", image_format="qcow")
