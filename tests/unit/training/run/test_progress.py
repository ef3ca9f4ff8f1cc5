"""How far a training is, what it goes on with, and what makes one epoch better than another."""

from __future__ import annotations

import json
import math

import pytest

from gloo_ranks import on_ranks
from seizurekit.errors import SeizurekitError
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.progress import Best, EpochSums, Progress, rank


@pytest.mark.parametrize("best", [None, Best(2, 0.4, {"auroc": 0.9})])
def test_progress_comes_back_from_json(best: Best | None) -> None:
    progress = Progress(7, 2, 64, 1, best, 1, 3, 2, EpochSums(1.5, 32.0, 1000.0, 1.0), 12.5)
    assert Progress.from_dict(json.loads(json.dumps(progress.to_dict()))) == progress


def test_an_epoch_is_better_by_its_metric_then_by_its_auroc_and_nan_is_the_worst() -> None:
    def at(sensitivity: float, auroc: float, loss: float = 1.0) -> dict[str, float]:
        return {"sensitivity_at_10_fa": sensitivity, "auroc": auroc, "loss": loss}

    better = "sensitivity_at_10_fa"
    assert rank(at(0.9, 0.5), better) > rank(at(0.8, 0.9), better)
    assert rank(at(0.9, 0.6), better) > rank(at(0.9, 0.5), better) > rank(at(math.nan, 0.9), better)
    assert rank(at(0.1, 0.1, loss=0.2), "loss") > rank(at(0.9, 0.9, loss=0.3), "loss")
    assert rank(at(math.nan, math.nan), better) == rank(at(math.nan, math.nan), better)


def test_an_epoch_is_all_negative_only_where_there_were_seizures_to_find() -> None:
    assert EpochSums(1.0, 10.0, 5000.0, 4.0).all_negative
    assert not EpochSums(1.0, 10.0, 5000.0, 6.0).all_negative
    assert not EpochSums(1.0, 10.0, 10.0, 0.0).all_negative
    assert math.isnan(EpochSums().mean_loss)


def what_each_says(ranks: Ranks) -> list[str]:
    said = [str(ranks.first_only(lambda: "done")), str(ranks.any(ranks.rank == 1)), str(ranks.sum([1, ranks.rank]))]

    def fails() -> None:
        raise ValueError("no key")

    try:
        ranks.first_only(fails)
    except (SeizurekitError, ValueError) as error:
        said.append(str(error))
    return said


def test_what_the_first_process_cannot_do_ends_all_of_them() -> None:
    first, second = on_ranks(2, what_each_says)
    assert first == ["done", "True", "[2. 1.]", "no key"]
    assert second == ["None", "True", "[2. 1.]", "process 1 of 2: the first could not begin, and says why"]
