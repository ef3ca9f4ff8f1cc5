"""Progress of a run, which epoch is better than another, and work that only rank 0 does."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import TypeAdapter

from rank_processes import run_on_ranks
from seizurekit.errors import SeizurekitError
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.progress import EpochScores, EpochSums, Progress, is_better
from seizurekit.training.step import Outcome, StepResult


@pytest.mark.parametrize("best", [None, EpochScores(2, 0.4, {"auroc": 0.9})])
def test_progress_survives_json(best: EpochScores | None) -> None:
    progress = Progress(7, 2, 64, 1, best, 1, 3, 2, EpochSums(1.5, 32.0, 1000.0, 1.0), 12.5)
    adapter = TypeAdapter(Progress)
    assert adapter.validate_python(json.loads(json.dumps(adapter.dump_python(progress, by_alias=True)))) == progress


def step(number: int, loss: float) -> StepResult:
    return StepResult(number, 1, 8 * number, 1e-3, [], Outcome(loss, 8.0, 100.0, 50.0, False, 1.0), 0.0)


def test_skipped_steps_are_counted_but_not_summed() -> None:
    progress = Progress()
    for number, loss in enumerate((2.0, math.nan, math.nan, 4.0), 1):
        progress.count(step(number, loss))
        assert progress.skipped_in_a_row == (0, 1, 2, 0)[number - 1]
    assert (progress.step, progress.windows_done, progress.skipped) == (4, 32, 2)
    assert progress.sums == EpochSums(6.0, 16.0, 200.0, 100.0)
    progress.finish_epoch()
    assert (progress.epoch, progress.windows_done, progress.validated) == (1, 0, 0)


def test_a_validation_starts_new_sums_and_keeps_the_best_epoch() -> None:
    progress = Progress(epoch=1, sums=EpochSums(1.0, 2.0))
    first = EpochScores(1, 0.5, {"auroc": 0.7})
    assert progress.count_validation(first, "auroc")
    assert (progress.validated, progress.sums) == (1, EpochSums())
    progress.finish_epoch()
    assert not progress.count_validation(EpochScores(2, 0.5, {"auroc": 0.7}), "auroc")
    assert (progress.best, progress.since_best, progress.validated) == (first, 1, 2)
    progress.finish_epoch()
    third = EpochScores(3, 0.5, {"auroc": 0.8})
    assert progress.count_validation(third, "auroc")
    assert (progress.best, progress.since_best) == (third, 0)


def test_an_epoch_is_better_by_its_metric_then_by_its_auroc_and_nan_is_the_worst() -> None:
    def scores(sensitivity: float, auroc: float, loss: float = 1.0) -> dict[str, float]:
        return {"sensitivity_at_10_fa": sensitivity, "auroc": auroc, "loss": loss}

    metric = "sensitivity_at_10_fa"
    assert is_better(scores(0.9, 0.5), scores(0.8, 0.9), metric)
    assert is_better(scores(0.9, 0.6), scores(0.9, 0.5), metric)
    assert is_better(scores(0.9, 0.5), scores(math.nan, 0.9), metric)
    assert is_better(scores(0.1, 0.1, loss=0.2), scores(0.9, 0.9, loss=0.3), "loss")
    assert not is_better(scores(math.nan, math.nan), scores(math.nan, math.nan), metric)


def test_an_epoch_is_all_negative_only_if_it_has_seizures() -> None:
    assert EpochSums(1.0, 10.0, 5000.0, 4.0).all_negative
    assert not EpochSums(1.0, 10.0, 5000.0, 6.0).all_negative
    assert not EpochSums(1.0, 10.0, 10.0, 0.0).all_negative
    assert math.isnan(EpochSums().mean_loss)


def run_on_each(ranks: Ranks) -> list[str]:
    results = [str(ranks.on_rank_0(lambda: "done")), str(ranks.any(ranks.rank == 1)), str(ranks.sum([1, ranks.rank]))]

    def fail() -> None:
        raise ValueError("no key")

    try:
        ranks.on_rank_0(fail)
    except (SeizurekitError, ValueError) as error:
        results.append(str(error))
    return results


@pytest.mark.slow
def test_an_error_on_rank_0_is_an_error_on_all_ranks() -> None:
    first, second = run_on_ranks(2, run_on_each)
    assert first == ["done", "True", "[2. 1.]", "no key"]
    assert second == ["None", "True", "[2. 1.]", "rank 1 of 2: rank 0 failed to start; see the error of rank 0 above"]
