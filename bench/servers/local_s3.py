"""A local S3 server, moto's, behind a proxy that delays requests and injects faults."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.servers.slow_proxy import Faults, Proxy, slow_proxy

BUCKET = "bucket"
_STARTUP_S = 60


@dataclass(frozen=True)
class LocalS3:
    """A running server.

    Attributes:
        direct: endpoint of the server itself, to put objects by.
        proxy: what clients are to be measured through.
    """

    direct: str
    proxy: Proxy

    def url(self, prefix: str) -> str:
        """The URL of a prefix in the one bucket there is."""
        return f"s3://{BUCKET}/{prefix}"

    def environment(self, *, direct: bool = False) -> dict[str, str]:
        """The variables by which clients find the server."""
        return {
            "AWS_ENDPOINT_URL": self.direct if direct else self.proxy.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def local_s3(latency_ms: float = 0.0, faults: Faults | None = None) -> Iterator[LocalS3]:
    """Runs a server in a process of its own, and the proxy in another."""
    import boto3

    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    direct = f"http://127.0.0.1:{port}"
    try:
        _wait_for(port, server)
        client = boto3.client(
            "s3",
            endpoint_url=direct,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        with slow_proxy(port, latency_ms, faults) as proxy:
            yield LocalS3(direct, proxy)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def variables(wanted: dict[str, str]) -> Iterator[None]:
    """Sets variables of the environment, and puts back what there was."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTUP_S
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("moto's server did not start; is moto[s3,server] installed?")
