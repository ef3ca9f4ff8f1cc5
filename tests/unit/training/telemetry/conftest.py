"""A configuration, and a stand-in for W&B's server."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fake_wandb import FakeWandb
from seizurekit.config import Config

KEY = "0123456789abcdef" * 3


@pytest.fixture
def config() -> Config:
    return Config.model_validate(
        {"name": "tiny", "cache": {"dir": "store"}, "training": {"epochs": 6}, "wandb": {"enabled": True}}
    )


@pytest.fixture
def own_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B without the settings, keys and network of the user who runs the tests."""
    import wandb

    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    for name in ("CONFIG_DIR", "CACHE_DIR", "DATA_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "wandb-own"))
    for name in ("API_KEY", "MODE", "ENTITY", "PROJECT", "RUN_ID", "IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    wandb.teardown()  # forgets the settings of an earlier test
    yield
    wandb.teardown()


@pytest.fixture
def server(own_wandb: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWandb]:
    """A server that answers W&B's question about the owner of a key; there is a key."""
    fake = FakeWandb()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            fake.credentials.append(base64.b64decode(self.headers["Authorization"].split()[1]).decode())
            time.sleep(fake.delay_s)
            self.send_response(fake.status)
            self.end_headers()
            self.wfile.write(fake.answer)

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    monkeypatch.setenv("WANDB_BASE_URL", fake.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield fake
    httpd.shutdown()
    thread.join()
    httpd.server_close()
