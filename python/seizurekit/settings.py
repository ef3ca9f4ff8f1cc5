"""The environment variables that seizurekit reads, each when it is used, never at import."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from seizurekit.errors import ConfigError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def _flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ConfigError(f"environment variable {name}: found {value!r}, wanted 1 or 0")


def plain_progress() -> bool:
    """`BGB_DISABLE_TQDM`: progress as plain lines even on a terminal."""
    return _flag("BGB_DISABLE_TQDM")


def force_manifest_rebuild() -> bool:
    """`BGB_FORCE_MANIFEST_REBUILD`: count the windows anew whatever the manifest says."""
    return _flag("BGB_FORCE_MANIFEST_REBUILD")


def force_fallback() -> bool:
    """`SEIZURE_MAMBA_FORCE_FALLBACK`: compute every operation in plain torch."""
    return _flag("SEIZURE_MAMBA_FORCE_FALLBACK")


def s3_endpoint() -> str:
    """`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`: an S3 server that is not Amazon's; empty where neither is set."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def aws_profile_wanted() -> bool:
    """Whether AWS credentials are to come from a profile: no variable holds them, and there is a file of profiles."""
    if any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE")):
        return False
    default = Path.home() / ".aws" / "credentials"
    return bool(os.environ.get("AWS_PROFILE")) or Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", default)).exists()


def wandb_api_key() -> str | None:
    """`WANDB_API_KEY`: of Weights & Biases, which reads its other variables itself; None where it is unset or empty."""
    return os.environ.get("WANDB_API_KEY") or None


def netrc_file() -> Path:
    """`NETRC`, else ``~/.netrc``: where `wandb login` leaves a key."""
    return Path(os.environ.get("NETRC") or "~/.netrc").expanduser()


def mid_epoch_minutes() -> float:
    """`BGB_MID_EPOCH_MINUTES`: minutes from one training state to the next within an epoch; 15 where it is unset."""
    value = os.environ.get("BGB_MID_EPOCH_MINUTES", "").strip()
    try:
        minutes = float(value or 15.0)
    except ValueError:
        minutes = math.nan
    if not 0.0 < minutes < math.inf:
        raise ConfigError(f"environment variable BGB_MID_EPOCH_MINUTES: found {value!r}, wanted minutes above 0")
    return minutes


def smoke_test() -> bool:
    """`BGB_SMOKE_TEST`: train for some steps and validate on some recordings, to see that everything works."""
    return _flag("BGB_SMOKE_TEST")


def force_cache_copy() -> bool:
    """`BGB_FORCE_CACHE_COPY`: copy a store anew though a complete copy is there."""
    return _flag("BGB_FORCE_CACHE_COPY")


def limit_files() -> int | None:
    """`BGB_LIMIT_FILES`: use only the first N recordings of a split; None where it is unset."""
    value = os.environ.get("BGB_LIMIT_FILES", "").strip()
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise ConfigError(f"environment variable BGB_LIMIT_FILES: found {value!r}, wanted a whole number above 0")
    return int(value)


@dataclass(frozen=True)
class Torchrun:
    """What torchrun tells each process: its rank, how many there are, and its rank on this machine."""

    rank: int
    world: int
    local: int


def torchrun() -> Torchrun | None:
    """`RANK`, `WORLD_SIZE` and `LOCAL_RANK`, as torchrun sets them; None where this process was not started by it."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    values = [os.environ.get(name, "") for name in names]
    if not all(values):
        return None
    for name, value in zip(names, values, strict=True):
        if not value.isascii() or not value.isdigit():
            raise ConfigError(
                f"environment variable {name}: found {value!r}, wanted a whole number, as torchrun sets it"
            )
    started = Torchrun(*map(int, values))
    if not started.local <= started.rank < started.world:
        found = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        raise ConfigError(f"environment: found {found}, wanted LOCAL_RANK <= RANK < WORLD_SIZE, as torchrun sets them")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if started.world > 1 and not os.environ.get(name):
            raise ConfigError(f"environment variable {name}: found none with WORLD_SIZE={started.world}; use torchrun")
    return started


def check_training() -> None:
    """Reads every variable of a training, so that a wrong one is told of before anything is opened or written.

    Raises:
        ConfigError: names the variable, what was found and what was wanted.
    """
    for read in (plain_progress, force_manifest_rebuild, force_fallback, mid_epoch_minutes, smoke_test, limit_files):
        read()
    torchrun()


def make_cublas_deterministic() -> None:
    """Sets `CUBLAS_WORKSPACE_CONFIG`, unless it is set, as cuBLAS wants it before it is first used."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def user_cache() -> Path:
    """`XDG_CACHE_HOME`: the folder for what can be made again, else ``~/.cache``; a relative one counts as unset."""
    value = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return value if value.is_absolute() else Path.home() / ".cache"
