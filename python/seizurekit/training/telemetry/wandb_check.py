"""Check before a run starts that Weights & Biases will accept its run: one question, with a time limit."""

from __future__ import annotations

import math
import queue
import threading
from dataclasses import dataclass
from typing import Any, Literal

from seizurekit import settings
from seizurekit.config import WandbConfig
from seizurekit.errors import ConfigError, install_hint

TIMEOUT_S = 10.0
"""Time limit of the check in seconds; after it the run is written offline."""
RETRIES = 1
"""Number of times that the check repeats a request that fails; W&B's own default exceeds the time limit."""
HOW_TO_SYNC = "wandb sync runs/<name>/wandb/offline-run-*"


@dataclass(frozen=True)
class WandbPlan:
    """How a run uses W&B.

    Attributes:
        mode: online or offline; None does not use W&B.
        project: project of the run.
        entity: entity of the run; None for the key's default.
        note: a line for the log, or an empty string.
    """

    mode: Literal["online", "offline"] | None
    project: str
    entity: str | None = None
    note: str = ""


def check_wandb(config: WandbConfig, timeout_s: float = TIMEOUT_S) -> WandbPlan:
    """The plan for a run, after asking the server who owns the API key and whether they may write to the entity.

    A key may write to the entity of its user and to those of the user's teams. If the server cannot be reached or is
    in trouble, the run is written offline. W&B's own variables, such as WANDB_MODE, apply.

    Args:
        config: section ``wandb``.
        timeout_s: time limit in seconds.

    Raises:
        ConfigError: the package is not installed, the key is missing or rejected, or it may not write to the entity;
            the message lists the entities that it may write to, and never contains the key.
    """
    if not config.enabled:
        return WandbPlan(None, config.project)
    own = _settings()
    if own.mode == "disabled":
        return WandbPlan(None, config.project, note="W&B: nothing is sent, because WANDB_MODE is disabled")
    if config.mode == "offline" or own.mode in ("offline", "dryrun"):
        unchecked = f"; W&B checks then whether the key may write to {config.entity}" if config.entity else ""
        note = f"W&B: written offline; send it with: {HOW_TO_SYNC}{unchecked}"
        return WandbPlan("offline", config.project, config.entity, note)
    if getattr(own, "identity_token_file", None):
        note = "W&B: uses an identity token, which is not checked before the start"
        return WandbPlan("online", config.project, config.entity, note)
    try:
        account = _account(own, _key(own.base_url), timeout_s)
    except _UnreachableError as error:
        note = f"W&B: {own.base_url}: {error}; the run is written offline; send it with: {HOW_TO_SYNC}"
        return WandbPlan("offline", config.project, config.entity, note)
    entity = _allowed_entity(config.entity, account)
    owner = account.user or account.entity
    return WandbPlan("online", config.project, entity, f"W&B: to {entity}/{config.project}, with the key of {owner}")


@dataclass(frozen=True)
class _Account:
    """The owner of an API key: user name, default entity and the user's teams."""

    user: str | None
    entity: str | None
    teams: list[str]


class _UnreachableError(Exception):
    """The server cannot be reached or is in trouble."""


def _settings() -> Any:
    """W&B's own settings, from its files and environment variables."""
    try:
        import wandb

        setup = wandb.setup  # fails for a folder called wandb, which W&B creates and which can be imported too
        known = hasattr(wandb.Settings, "model_fields") and "finish_timeout" in wandb.Settings.model_fields
    except (ImportError, AttributeError):
        raise ConfigError(f"wandb.enabled: {install_hint('wandb')}") from None
    if not known:  # finishing a run would have no time limit
        raise ConfigError(f"wandb.enabled: the package wandb is {wandb.__version__}, expected 0.27 or newer")
    try:
        return setup(wandb.Settings(silent=True)).settings  # our own lines are shown instead
    except (ValueError, wandb.Error) as error:  # an environment variable has an invalid value
        reason = _text(error, settings.wandb_api_key())
        raise ConfigError(f"wandb.enabled: W&B's own settings are invalid: {reason}") from None


def _key(base_url: str) -> str:
    """The API key from the environment, or else from the netrc file that `wandb login` writes.

    Raises:
        ConfigError: there is no key, or none of the right format.
    """
    import wandb
    from wandb.sdk.lib import wbauth  # it knows under which hosts the key of a server may be stored

    try:
        key = (settings.wandb_api_key() or "").strip() or wbauth.read_netrc_auth(host=base_url)
    except wandb.Error:
        raise _rejected(base_url) from None
    if not key:
        raise ConfigError(
            f"wandb.enabled: the API key for {base_url} is missing: set WANDB_API_KEY, or run `wandb login`, or set "
            "wandb.mode=offline"
        )
    return str(key)


def _account(own: Any, key: str, timeout_s: float) -> _Account:
    """The account that owns the key.

    Args:
        own: W&B's own settings; their number of retries is restored.
        key: API key.
        timeout_s: time limit in seconds.

    Raises:
        ConfigError: the server rejects the key, or is not a W&B server.
        _UnreachableError: the server does not answer in time, or is in trouble.
    """
    import wandb

    base_url: str = own.base_url
    answers: queue.Queue[_Account | Exception] = queue.Queue()

    def ask() -> None:
        try:
            # This timeout is for one request, and some versions retry for much longer, whatever the settings are.
            viewer = wandb.Api({"base_url": base_url}, timeout=math.ceil(timeout_s) + 1, api_key=key).viewer
            answers.put(_Account(viewer.username, viewer.entity, list(viewer.teams)))
        except Exception as error:  # of any type; the caller's thread sorts them
            answers.put(error)

    retries = own.x_graphql_retry_max
    own.x_graphql_retry_max = RETRIES
    threading.Thread(target=ask, name="W&B check", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise _UnreachableError(f"no answer within {timeout_s:g} s") from None
    finally:
        own.x_graphql_retry_max = retries
    if isinstance(answer, Exception):
        raise _explain(answer, base_url, key) from None
    return answer


def _explain(error: Exception, base_url: str, key: str) -> Exception:
    """The error to raise for one of W&B's, according to the HTTP status of its root cause."""
    root: BaseException = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    response = getattr(root, "response", None)  # of wandb-core or, in older versions, of requests
    status = getattr(response, "http_status", None) or getattr(response, "status_code", None)
    # A key of the wrong format fails without a request. A key of the right format that is unknown gets no status.
    if status in (401, 403) or (not status and (root is error or "invalid credentials" in str(root))):
        return _rejected(base_url)
    if not status:
        # After retries, the message of wandb-core ends with the reason of the last one.
        return _UnreachableError(_text(root, key).rpartition("while retrying: ")[2].rstrip(" :"))
    if status in (408, 429) or status >= 500:
        return _UnreachableError(f"the server answers with HTTP status {status}")
    return ConfigError(
        f"wandb.enabled: {base_url} answers with HTTP status {status}, expected a W&B server; check WANDB_BASE_URL"
    )


def _rejected(base_url: str) -> ConfigError:
    return ConfigError(
        f"wandb.enabled: {base_url} rejects the API key, expected one of an account there: set WANDB_API_KEY, or run "
        "`wandb login --relogin`, or set wandb.mode=offline"
    )


def _text(error: BaseException, key: str | None) -> str:
    """An error's message in one line, without the API key."""
    text, key = " ".join(str(error).split()), (key or "").strip()
    return text.replace(key, "…") if key else text


def _allowed_entity(entity: str | None, account: _Account) -> str | None:
    """The entity that the run is written to.

    Raises:
        ConfigError: the key may not write to `entity`.
    """
    user, default, teams = account.user, account.entity, account.teams
    if entity is None:
        return default or user
    if entity in {user, default, *teams}:
        return entity
    users = [f"the user {name}" for name in dict.fromkeys((user, default)) if name and name not in teams]
    allowed = ", ".join([*users, *(f"the team {name}" for name in sorted(teams))])
    raise ConfigError(
        f"wandb.entity is {entity!r}, expected one that the key may write to: {allowed}; null uses {default or user}"
    )
