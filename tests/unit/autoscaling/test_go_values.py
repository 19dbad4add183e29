"""Durations and numbers as Go reads and prints them; the expected texts are those of Go's own tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.autoscaling.values import (
    OutOfRange,
    format_duration,
    parse_bool,
    parse_duration,
    parse_float,
    parse_int32,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("5s", 5),
        ("30s", 30),
        ("1478s", 1478),
        ("-5s", -5),
        ("+5s", 5),
        ("-0", 0),
        ("5.0s", 5),
        ("5.6s", 5.6),
        ("5.s", 5),
        (".5s", 0.5),
        ("1.00s", 1),
        ("10ns", 1e-8),
        ("11us", 11e-6),
        ("12µs", 12e-6),
        ("13ms", 0.013),
        ("15m", 900),
        ("16h", 57600),
        ("3h30m", 12600),
        ("10.5s4m", 250.5),
        ("-2m3.4s", -123.4),
        ("1h2m3s4ms5us6ns", 3723.004005006),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("text", ["", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "1 s", "1h ", "١s", "1" * 50 + "s"])
def test_what_go_calls_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="time: invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (6, "6s"), (90, "1m30s"), (3600, "1h0m0s"), (1.5, "1.5s"), (0.3, "300ms"), (-83, "-1m23s")],
)
def test_a_duration_is_printed_as_go_prints_it(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 10**8).map(lambda milliseconds: milliseconds / 1000))
def test_a_printed_duration_is_read_back(seconds):
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["NaN", "Inf", "-inf", "1_000", "0x1p-2", " 1", "1e999", "", "٣"])
def test_a_number_that_no_bound_could_refuse_is_refused(text):
    with pytest.raises(ValueError, match=r"ParseFloat"):
        parse_float(text)


def test_whole_numbers_beyond_32_bits_are_told_apart_from_no_numbers():
    assert parse_int32("-2147483648") == -(2**31)
    with pytest.raises(OutOfRange):
        parse_int32("2147483648")
    with pytest.raises(ValueError, match="invalid syntax"):
        parse_int32("1.0")


def test_go_knows_six_spellings_of_each_truth_value():
    assert all(parse_bool(text) for text in ("1", "t", "T", "true", "TRUE", "True"))
    assert not any(parse_bool(text) for text in ("0", "f", "F", "false", "FALSE", "False"))
    with pytest.raises(ValueError, match="ParseBool"):
        parse_bool("yes")
