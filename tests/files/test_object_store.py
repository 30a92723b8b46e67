"""Evidence in an object store that speaks S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.commands import qcowscope, sound


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a store with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """A client of the store; credentials come from the environment, as a user's would."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="evidence")
    return client


@pytest.mark.parametrize("name", ["data-4k", "deflate-4k", "extended-16k"])
def test_an_image_in_a_bucket_is_judged_and_extracted_like_the_file(bucket: object, name: str, tmp_path: Path) -> None:
    bucket.upload_file(str(sound(name)), "evidence", f"{name}.qcow2")  # type: ignore[attr-defined]
    url = f"s3://evidence/{name}.qcow2"
    local, remote = (json.loads(qcowscope("check", "--json", "--read-all", each).out) for each in (sound(name), url))
    assert remote["result"]["summary"] == local["result"]["summary"]
    assert remote["result"]["findings"] == local["result"]["findings"]
    assert remote["source"]["kind"] == "remote"
    assert remote["source"]["integrity"]["unchanged"] is True
    assert remote["source"]["integrity"]["before"]["etag"].strip('"')
    assert "topsecret" not in json.dumps(remote)
    outputs = [tmp_path / "local.raw", tmp_path / "remote.raw"]
    for image, output in zip((str(sound(name)), url), outputs, strict=True):
        assert qcowscope("extract", "--verify", image, "-o", output).status == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_an_object_that_is_not_there_is_said_in_a_line(bucket: object) -> None:
    finished = qcowscope("info", "s3://evidence/none.qcow2")
    assert finished.status == 1
    assert finished.err == "qcowscope: s3://evidence/none.qcow2: the server has no such object\n"
