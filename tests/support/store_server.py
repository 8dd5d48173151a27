"""Stores for tests: a directory, and a server of S3 on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requires

WORDS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def needed(*modules: str) -> None:
    """End this test where a module is missing."""
    for name in modules:
        try:
            __import__(name)
        except ImportError:
            requires.lacking("store", f"no {name}")


@contextmanager
def s3() -> Iterator[tuple[str, str]]:
    """A bucket of its own server: the store's URL, and the server's."""
    needed("fsspec", "s3fs", "moto.server", "boto3")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**WORDS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        patch.delenv("HTTP_PROXY", raising=False)
        patch.delenv("http_proxy", raising=False)
        bucket = f"kernels-{os.urandom(4).hex()}"  # all servers of a process share their buckets
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
        try:
            yield f"s3://{bucket}/of/ours", endpoint
        finally:
            server.stop()


def make_public(url: str) -> None:
    """Let everyone read what is in a bucket now."""
    import boto3

    client, bucket = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]), url.split("/")[2]
    for row in client.list_objects_v2(Bucket=bucket)["Contents"]:
        client.put_object_acl(Bucket=bucket, Key=row["Key"], ACL="public-read")
