"""The smoke test: a training of minutes, to see that everything works before a long one is begun."""

from __future__ import annotations

from seizurekit.config import Config
from seizurekit.settings import smoke_test

STEPS, RECORDINGS = 20, 4


def shortened_for_smoke(config: Config) -> Config:
    """With BGB_SMOKE_TEST set: `STEPS` steps, `RECORDINGS` of ``dev``, and a name of its own; else as it is."""
    if not smoke_test():
        return config
    training, validation = config.training, config.validation
    steps = min(training.max_steps or STEPS, STEPS)
    recordings = min(validation.max_recordings or RECORDINGS, RECORDINGS)
    return config.model_copy(
        update={
            "name": f"{config.name}-smoke",
            "training": training.model_copy(update={"max_steps": steps}),
            "validation": validation.model_copy(update={"max_recordings": recordings}),
        }
    )
