from hypothesis import given
from hypothesis import strategies as st

from modelyard.monitor.windowing import Cutter, Span, phase_of

PAIRS = st.lists(st.integers(1, 37), max_size=40)


def cut(pairs: list[int], size: int, first: int = 1) -> list[Span]:
    cutter, spans, seq = Cutter(size), [], first
    for rows in pairs:
        spans += cutter.add(0, seq, rows)
        seq += rows
    return spans


def test_a_window_ends_within_a_pair_and_the_rest_begins_the_next():
    assert cut([7, 7, 7], 10) == [Span(0, 1, 10, 10, True), Span(0, 11, 20, 10, True)]


@given(pairs=PAIRS, size=st.integers(1, 50))
def test_windows_do_not_depend_on_how_rows_were_grouped_into_calls(pairs, size):
    assert cut(pairs, size) == cut([1] * sum(pairs), size)


@given(pairs=PAIRS, size=st.integers(1, 50))
def test_no_row_is_skipped_and_none_counted_twice(pairs, size):
    spans = cut(pairs, size)
    covered = [row for span in spans for row in range(span.first, span.last + 1)]
    assert covered == list(range(1, sum(pairs) // size * size + 1))
    assert all(span.rows == size for span in spans)


def test_a_phase_drops_the_open_window_and_the_next_row_begins_a_new_one():
    cutter = Cutter(10)
    assert cutter.add(0, 1, 9) == []
    assert cutter.end_phase() == [Span(0, 1, 9, 9, False)]
    assert cutter.end_phase() == []
    assert cutter.add(10, 11, 10) == [Span(10, 11, 20, 10, True)]


def test_a_late_truth_counts_in_a_window_of_its_own_phase():
    cutter = Cutter(2)
    assert cutter.add(50, 51) == []
    assert cutter.add(0, 52) == []
    assert cutter.add(50, 53) == [Span(50, 51, 53, 2, True)]
    assert cutter.add(0, 54) == [Span(0, 52, 54, 2, True)]


def test_progress_is_that_of_the_fullest_open_window():
    cutter = Cutter(4)
    assert cutter.progress_ratio == 0
    cutter.add(0, 1, 3)
    cutter.add(9, 10, 1)
    assert cutter.progress_ratio == 0.75
    cutter.add(0, 11, 1)
    assert cutter.progress_ratio == 0.25


def test_the_phase_of_a_row_is_the_last_mark_before_it():
    assert [phase_of([10, 20], row) for row in (1, 9, 11, 19, 21)] == [0, 0, 10, 10, 20]
    assert phase_of([], 5) == 0
