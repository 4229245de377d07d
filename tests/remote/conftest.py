"""A cluster on this machine, a bucket, and jobs to do there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote.nodes import Nodes

S3 = {
    "AWS_ACCESS_KEY_ID": "a-key-of-the-tests",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URI of a bucket in a server of this process, which the environment names."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (S3 | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="lists")
        yield "s3://lists/of/ours"
    server.stop()


@pytest.fixture(scope="module")
def nodes(s3: str) -> Iterator[Nodes]:
    """Two nodes of one CPU each; this process is connected to them where a test asks for it."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-ray-", dir="/tmp"))  # the path of a socket is 107 characters at most
    env = {name: os.environ[name] for name in (*S3, "AWS_ENDPOINT_URL")}
    made = Nodes(folder, **env, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="1")
    with pytest.MonkeyPatch.context() as patch:
        # Else Ray takes the address of the network for 127.0.0.1.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            yield made.start()
        finally:
            import ray

            ray.shutdown()
            made.end()
            shutil.rmtree(folder, ignore_errors=True)
