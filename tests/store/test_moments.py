"""A moment as a person types it: each form, seen from a Saturday at 14:00 UTC, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdeck_store import clock
from taskdeck_store.moments import parse_moment

NOW = "2026-01-31T14:00:00.500000Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
        ("2026-01-31T09:05", "2026-01-31T09:05:00.000000Z"),
        ("2026-01-31 09:05:07", "2026-01-31T09:05:07.000000Z"),
        ("2026-01-31t09:05:07.25z", "2026-01-31T09:05:07.250000Z"),
        ("2026-01-31T09:05:07,25 Z", "2026-01-31T09:05:07.250000Z"),
        ("2026-01-31T09:05:07.123456789Z", "2026-01-31T09:05:07.123456Z"),
        ("2026-01-31T09:05+02:00", "2026-01-31T07:05:00.000000Z"),
        ("2026-01-31T23:05-0130", "2026-02-01T00:35:00.000000Z"),
        ("2026-01-31 09:05+02", "2026-01-31T07:05:00.000000Z"),
        ("2028-02-29", "2028-02-29T00:00:00.000000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000000Z"),
        ("now", NOW),
        ("  NOW\t", NOW),
        ("-2h", "2026-01-31T12:00:00.500000Z"),
        ("-90m", "2026-01-31T12:30:00.500000Z"),
        ("-1d12h", "2026-01-30T02:00:00.500000Z"),
        ("-1W", "2026-01-24T14:00:00.500000Z"),
        ("+2h", "2026-01-31T16:00:00.500000Z"),
        ("+1d12h", "2026-02-02T02:00:00.500000Z"),
        ("30s ago", "2026-01-31T13:59:30.500000Z"),
        ("2H  Ago", "2026-01-31T12:00:00.500000Z"),
        ("1d12h ago", "2026-01-30T02:00:00.500000Z"),
        ("today", "2026-01-31T00:00:00.000000Z"),
        ("today 9am", "2026-01-31T09:00:00.000000Z"),
        ("today 23:00", "2026-01-31T23:00:00.000000Z"),
        ("yesterday", "2026-01-30T00:00:00.000000Z"),
        ("yesterday 9am", "2026-01-30T09:00:00.000000Z"),
        ("Yesterday  23:59:59", "2026-01-30T23:59:59.000000Z"),
        ("tomorrow", "2026-02-01T00:00:00.000000Z"),
        ("Tomorrow 9am", "2026-02-01T09:00:00.000000Z"),
        ("yesterday noon", "2026-01-30T12:00:00.000000Z"),
        ("yesterday midnight", "2026-01-30T00:00:00.000000Z"),
        ("14:00", "2026-01-31T14:00:00.000000Z"),
        ("14:00:00", "2026-01-31T14:00:00.000000Z"),
        ("14:00:01", "2026-01-30T14:00:01.000000Z"),
        ("14:05", "2026-01-30T14:05:00.000000Z"),
        ("9:05", "2026-01-31T09:05:00.000000Z"),
        ("00:00", "2026-01-31T00:00:00.000000Z"),
        ("9am", "2026-01-31T09:00:00.000000Z"),
        ("9:30pm", "2026-01-30T21:30:00.000000Z"),
        ("9:30 AM", "2026-01-31T09:30:00.000000Z"),
        ("12am", "2026-01-31T00:00:00.000000Z"),
        ("12:15pm", "2026-01-31T12:15:00.000000Z"),
        ("noon", "2026-01-31T12:00:00.000000Z"),
        ("midnight", "2026-01-31T00:00:00.000000Z"),
        ("saturday", "2026-01-31T00:00:00.000000Z"),
        ("sat 14:00", "2026-01-31T14:00:00.000000Z"),
        ("saturday 14:05", "2026-01-24T14:05:00.000000Z"),
        ("friday", "2026-01-30T00:00:00.000000Z"),
        ("Monday 14:00", "2026-01-26T14:00:00.000000Z"),
        ("sunday noon", "2026-01-25T12:00:00.000000Z"),
    ],
)
def test_a_moment_is_read(text: str, moment: str) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:00", "2026-02-01T14:00:00.000000Z"),
        ("14:05", "2026-01-31T14:05:00.000000Z"),
        ("9am", "2026-02-01T09:00:00.000000Z"),
        ("today 9am", "2026-01-31T09:00:00.000000Z"),
        ("yesterday 9am", "2026-01-30T09:00:00.000000Z"),
        ("saturday", "2026-02-07T00:00:00.000000Z"),
        ("saturday 14:05", "2026-01-31T14:05:00.000000Z"),
        ("monday 9am", "2026-02-02T09:00:00.000000Z"),
        ("friday", "2026-02-06T00:00:00.000000Z"),
        ("now", NOW),
        ("-2h", "2026-01-31T12:00:00.500000Z"),
    ],
)
def test_a_moment_to_come_is_the_next_of_its_name(text: str, moment: str) -> None:
    assert parse_moment(text, NOW, ahead=True) == moment


@pytest.mark.parametrize("text", ["noon", "12pm", "12:00"])
def test_a_time_of_day_that_is_still_to_come_is_yesterday_s(text: str) -> None:
    assert parse_moment(text, "2026-01-31T11:59:59.999999Z") == "2026-01-30T12:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "soon",
            "2026",
            "20260131",
            "31.01.2026",
            "2026-13-01",
            "2026-02-30",
            "2026-01-31T",
            "2026-01-31x09:05",
        ),
        *("2026-01-31T25:00", "2026-01-31T09:60", "2026-01-31T09", "2026-01-31T09:05+25:00", "2026-01-31T09:05 CET"),
        *(
            "24:00",
            "14:60",
            "14:05:60",
            "14:5",
            "14",
            "0am",
            "13pm",
            "9:60am",
            "9:30:15pm",
            "noonish",
            "14:05 yesterday",
        ),
        *(
            "yesterday soon",
            "tomorrow soon",
            "monday monday",
            "mo",
            "-",
            "-2",
            "2h",
            "-2y",
            "+2",
            "+2h ago",
            "2 hours ago",
            "ago",
            "-h",
        ),
        *("0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "-999999999w", "-999999w", "\u0661\u0664:\u0660\u0665"),
        *("\x1b[2J", "\ud800", "now\x00", "9" * 5_000, "-" + "1s" * 5_000_000),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_no_moment_is_refused_in_one_line_that_says_what_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment; understood are 2026-01-31,") as caught:
        parse_moment(text, NOW)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 500


MOMENTS = st.datetimes(timezones=st.just(UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@given(moment=MOMENTS, separator=st.sampled_from("T t"), zone=OFFSETS)
def test_every_moment_is_read_back_from_iso_8601_in_any_zone(moment: datetime, separator: str, zone: timezone) -> None:
    try:
        elsewhere = moment.astimezone(zone)
    except OverflowError:
        elsewhere = moment
    for text in (told(moment), elsewhere.isoformat(separator), f" {told(moment).lower()} "):
        assert parse_moment(text, NOW) == told(moment)


@given(now=st.datetimes(datetime(1971, 1, 1), timezones=st.just(UTC)), second=st.integers(0, 86_399))
def test_a_time_of_day_is_the_latest_that_is_not_to_come(now: datetime, second: int) -> None:
    time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    found = clock.to_seconds(parse_moment(time, told(now)))
    assert found % 86_400 == second
    assert 0 <= now.timestamp() - found < 86_400


@given(now=st.datetimes(datetime(1971, 1, 1), timezones=st.just(UTC)), second=st.integers(0, 86_399))
def test_a_time_of_day_ahead_is_the_next_that_is_not_over(now: datetime, second: int) -> None:
    time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    found = clock.to_seconds(parse_moment(time, told(now), ahead=True))
    assert found % 86_400 == second
    assert 0 <= found - now.timestamp() < 86_400


@given(now=MOMENTS, text=st.text(max_size=12) | st.from_regex(r"[-0-9:apmhdsTZ. ]{0,14}", fullmatch=True))
def test_any_text_is_a_moment_or_refused(now: datetime, text: str) -> None:
    try:
        found = parse_moment(text, told(now))
    except ValueError:
        return
    assert told(datetime.fromisoformat(found)) == found
