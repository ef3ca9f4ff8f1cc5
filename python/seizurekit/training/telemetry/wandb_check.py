"""Whether Weights & Biases will take a run, asked before anything expensive: one request, some seconds."""

from __future__ import annotations

import base64
import http.client
import json
import netrc
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from seizurekit import settings
from seizurekit.config import WandbConfig
from seizurekit.errors import ConfigError

TIMEOUT_S = 10.0
"""Seconds without an answer after which the run is written offline."""
HOW_TO_SYNC = "wandb sync runs/<name>/wandb/offline-run-*"
_QUERY = "query Viewer { viewer { entity username teams { edges { node { name } } } } }"


@dataclass(frozen=True)
class WandbPlan:
    """What to do about W&B.

    Attributes:
        mode: None for nothing.
        project: that the run goes to.
        entity: that it goes to; None for the key's default.
        note: a line for the log; empty for none.
    """

    mode: Literal["online", "offline"] | None
    project: str
    entity: str | None = None
    note: str = ""


def check_wandb(config: WandbConfig, timeout_s: float = TIMEOUT_S) -> WandbPlan:
    """Asks the server whom the key belongs to, and whether that one may write to the entity.

    The rule of W&B: a key writes to its user's entity and to those of the user's teams. Without a network, or with a
    server in trouble, the run is written offline. Variables of W&B's own, such as WANDB_MODE, count.

    Args:
        config: section ``wandb``.
        timeout_s: most seconds to wait for each part of the answer.

    Raises:
        ConfigError: the package is not installed, there is no key, the server refuses it, or the entity is none of
            those it may write to; the message lists them and never holds the key.
    """
    if not config.enabled:
        return WandbPlan(None, config.project)
    found = _settings()
    if found.mode == "disabled":
        return WandbPlan(None, config.project, note="W&B: nothing is sent, since WANDB_MODE is disabled")
    if config.mode == "offline" or found.mode in ("offline", "dryrun"):
        unchecked = f" (whether a key may write to {config.entity} is seen only then)" if config.entity else ""
        note = f"W&B: written offline; send it with: {HOW_TO_SYNC}{unchecked}"
        return WandbPlan("offline", config.project, config.entity, note)
    if getattr(found, "identity_token_file", None):
        note = "W&B: an identity token is used, which is not checked before the start"
        return WandbPlan("online", config.project, config.entity, note)
    key = _key(found.base_url)
    if key is None:
        raise ConfigError(
            f"wandb.enabled: found no key for {found.base_url}, wanted one: set WANDB_API_KEY, or run `wandb login`, "
            "or set wandb.mode=offline"
        )
    try:
        viewer = _viewer(found.base_url, key, timeout_s)
    except _OutOfReachError as error:
        note = f"W&B: {found.base_url}: {error}; the run is written offline; send it with: {HOW_TO_SYNC}"
        return WandbPlan("offline", config.project, config.entity, note)
    entity = _allowed_entity(config.entity, viewer)
    whom = viewer.get("username") or viewer.get("entity")
    return WandbPlan("online", config.project, entity, f"W&B: to {entity}/{config.project}, with the key of {whom}")


class _OutOfReachError(Exception):
    """The server did not answer as it does when it is well."""


def _settings() -> Any:
    """W&B's own settings, from its files and environment variables."""
    try:
        import wandb

        setup = wandb.setup  # a folder called wandb, which W&B makes where it runs, can be imported too
        known = hasattr(wandb.Settings, "model_fields") and "finish_timeout" in wandb.Settings.model_fields
    except (ImportError, AttributeError):
        raise ConfigError(
            "wandb.enabled: found no package wandb, wanted that of the extra wandb: pip install -e '.[wandb]' in the "
            "checkout, or pip install 'wandb>=0.27'"
        ) from None
    if not known:  # the end of a run would have no time limit
        raise ConfigError(f"wandb.enabled: found wandb {wandb.__version__}, wanted 0.27 or newer")
    try:
        return setup(wandb.Settings(silent=True)).settings  # our own lines are the ones that are shown
    except (ValueError, wandb.Error) as error:  # what the environment says is not what it takes
        reason = " ".join(str(error).split())
        raise ConfigError(f"wandb.enabled: W&B's own settings are not usable: {_without_key(reason)}") from None


def _without_key(text: str) -> str:
    key = settings.wandb_api_key()
    return text.replace(key, "…").replace(key.strip(), "…") if key and key.strip() else text


def _key(base_url: str) -> str | None:
    """From the environment, else from the netrc file that `wandb login` writes."""
    key = settings.wandb_api_key()
    if key:
        return key.strip()
    try:
        entry = netrc.netrc(str(settings.netrc_file())).authenticators(urlsplit(base_url).netloc)
    except (OSError, netrc.NetrcParseError):
        return None
    return entry[2] if entry and entry[2] else None


def _viewer(base_url: str, key: str, timeout_s: float) -> dict[str, Any]:
    """The account that the key belongs to.

    Raises:
        ConfigError: the server knows no such key, or is no server of W&B.
        _OutOfReachError: no answer, or one that says the server is in trouble.
    """
    credentials = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json", "User-Agent": "seizurekit"}
    request = urllib.request.Request(f"{base_url}/graphql", json.dumps({"query": _QUERY}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            content = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (401, 403):
                raise _refused(base_url) from None
            if error.code in (408, 429) or error.code >= 500:
                raise _OutOfReachError(f"found status {error.code}") from None
        raise ConfigError(
            f"wandb.enabled: {base_url}/graphql: found status {error.code}, wanted W&B's answer; check WANDB_BASE_URL"
        ) from None
    except urllib.error.URLError as error:
        raise _OutOfReachError(f"cannot be reached ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _OutOfReachError(f"cannot be reached ({str(error) or type(error).__name__})") from None
    except ValueError:  # such as a network's page to log in at
        raise _OutOfReachError("found an answer that is not JSON") from None
    viewer = (content.get("data") or {}).get("viewer") if isinstance(content, dict) else None
    if not isinstance(viewer, dict):
        raise _refused(base_url)
    return viewer


def _refused(base_url: str) -> ConfigError:
    return ConfigError(
        f"wandb.enabled: {base_url} found the key wrong, wanted one of an account there: set WANDB_API_KEY, or run "
        "`wandb login --relogin`, or set wandb.mode=offline"
    )


def _allowed_entity(wanted: str | None, viewer: dict[str, Any]) -> str | None:
    """The entity that the run goes to.

    Raises:
        ConfigError: the key may not write to the one wanted.
    """
    user, default = viewer.get("username"), viewer.get("entity")
    edges = (viewer.get("teams") or {}).get("edges") or []
    teams = [edge["node"]["name"] for edge in edges]
    if wanted is None:
        return default or user
    if wanted in {user, default, *teams}:
        return wanted
    users = [f"the user {name}" for name in dict.fromkeys((user, default)) if name and name not in teams]
    told = ", ".join([*users, *(f"the team {name}" for name in sorted(teams))])
    raise ConfigError(
        f"wandb.entity: found {wanted!r}, wanted one that the key may write to: {told}; null takes {default or user}"
    )
