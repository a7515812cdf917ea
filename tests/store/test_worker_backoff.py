"""The time between two attempts."""

from __future__ import annotations

from random import Random

import pytest

from taskdeck_store.worker.backoff import Backoff


def test_each_attempt_waits_twice_as_long_up_to_the_longest() -> None:
    backoff = Backoff(first=1.0, factor=2.0, most=10.0, jitter=0.0)
    assert [backoff.seconds(attempts, Random(1)) for attempts in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("attempts", [0, 3, 100, 1_000_000_000])
def test_a_share_is_left_out_at_random(attempts: int) -> None:
    backoff, chance = Backoff(first=1.0, most=100.0, jitter=0.5), Random(1)
    whole = min(100.0, 2.0 ** min(attempts, 10))
    found = [backoff.seconds(attempts, chance) for _ in range(200)]
    assert whole / 2 <= min(found) < 0.6 * whole
    assert 0.9 * whole < max(found) <= whole


def test_none_waits_when_nothing_is_to_be_waited_for() -> None:
    assert Backoff(first=0.0).seconds(5, Random(1)) == 0.0
