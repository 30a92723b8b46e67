"""Names of other files: which are ordinary, which lead where nobody should follow. None of them exists."""

from pathlib import Path

import pytest

from tests.rules.judging import codes_of, damaged

RAW = '\n[[extension]]\ntype = 0xE2792ACA\ntext = "raw"\n'
SYSTEM, OUTSIDE, PROTOCOL = "system-path", "outside-directory", "protocol"


def of_backing_file(folder: Path, name: str) -> set[str]:
    found = codes_of(damaged(folder, "empty-512", f'backing = "{name}"\n' + RAW))
    return {code.removeprefix("backing-file-") for code in found} - {"declared"}


def of_data_file(folder: Path, name: str) -> set[str]:
    found = codes_of(damaged(folder, "data-file", f'\n[[extension]]\ntype = 0x44415441\ntext = "{name}"\n'))
    return {code.removeprefix("data-file-") for code in found} - {"declared"}


@pytest.mark.parametrize(
    ("name", "backing", "data"),
    [
        ("base.raw", set(), set()),
        ("./base.raw", set(), set()),
        ("images/base.raw", set(), set()),
        ("file:base.raw", set(), set()),
        ("..base", set(), set()),
        ("../base.raw", {OUTSIDE}, {OUTSIDE}),
        ("a/../../base.raw", {OUTSIDE}, {OUTSIDE}),
        ("/srv-of-mine/base.raw", {OUTSIDE}, {OUTSIDE}),
        ("/var/lib/libvirt/images/base.raw", {"in-storage-directory"}, {OUTSIDE}),
        ("/var/lib/libvirt/../../../etc/passwd", {SYSTEM}, {SYSTEM}),
        ("/var/lib/libvirt/../other/base", {OUTSIDE}, {OUTSIDE}),
        ("/etc/passwd", {SYSTEM}, {SYSTEM}),
        ("//etc/./passwd", {SYSTEM}, {SYSTEM}),
        ("file:/proc/self/environ", {SYSTEM}, {SYSTEM}),
        ("/dev/sda", {SYSTEM}, {SYSTEM}),
        ("nbd://10.0.0.1/x", {PROTOCOL}, {PROTOCOL}),
        ("json:{}", {PROTOCOL}, {PROTOCOL}),
        ("dir/with:colon", set(), set()),
        ("image.qcow2", {"is-image"}, {"is-image"}),
        ("./image.qcow2", {"is-image"}, {"is-image"}),
        ("a/../image.qcow2", {"is-image", OUTSIDE}, {"is-image", OUTSIDE}),
    ],
)
def test_a_name_is_judged_by_where_it_leads(name: str, backing: set[str], data: set[str], tmp_path: Path) -> None:
    assert of_backing_file(tmp_path, name) == backing
    assert of_data_file(tmp_path, name) == data


def test_an_absolute_name_in_the_directory_of_the_image_is_a_sibling(tmp_path: Path) -> None:
    sibling, image = tmp_path.resolve() / "base.raw", tmp_path.resolve() / "image.qcow2"
    assert (of_backing_file(tmp_path, str(sibling)), of_data_file(tmp_path, str(sibling))) == (set(), set())
    assert of_backing_file(tmp_path, str(image)) == {"is-image"}


def test_nothing_that_is_named_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damaged(tmp_path, "empty-512", 'backing = "link"\n' + RAW)
    (tmp_path / "link").symlink_to("image.qcow2")
    assert codes_of(path) == {"backing-file-declared"}
