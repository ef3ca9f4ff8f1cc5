"""A stand-in for W&B's server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class FakeWandb:
    """The server's next answer, and the requests that it received: `bodies`, and the `credentials` sent with them."""

    status: int = 200
    answer: bytes = b""
    delay_s: float = 0.0
    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    def add_user(self, user: str, teams: tuple[str, ...] = (), entity: str | None = None) -> None:
        """Makes the key that of a user, a member of these teams."""
        account = {"id": "1", "name": user, "email": "", "admin": False, "flags": "{}", "deletedAt": None}
        edges = [{"node": {"name": team}} for team in teams]
        viewer = {**account, "username": user, "entity": entity or user, "teams": {"edges": edges}}
        self.answer = json.dumps({"data": {"viewer": {**viewer, "apiKeys": {"edges": []}}}}).encode()
