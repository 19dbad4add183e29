import pytest

from modelyard.toolbox.progress import Progress, decide_too_slow, describe_progress, describe_seconds, describe_size
from modelyard.yard.view import PlainView


def test_progress_tells_size_share_rate_and_what_is_left():
    told = describe_progress("fetching from github.com", 31_400_000, 104_300_000, 2_100_000.0)
    assert told == "fetching from github.com: 31.4 of 104.3 MB (30%), 2.1 MB/s, 35 s left"


def test_a_bar_is_as_full_as_the_file():
    told = describe_progress("x", 25, 100, None, bar_cells=8)
    assert told.startswith("━━╌╌╌╌╌╌ x: ")


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [
        (0, 0, "looking for it"),
        (2_000_000, 0, "looking for it: 2.0 MB"),
        (150, 100, "looking for it: 0.0 of 0 kB (100%)"),
    ],
)
def test_a_size_that_is_not_known_is_not_guessed(done, total, told):
    assert describe_progress("looking for it", done, total, None) == told


@pytest.mark.parametrize(("size", "told"), [(999, "1 kB"), (99_000, "99 kB"), (104_300_000, "104.3 MB")])
def test_sizes_in_words(size, told):
    assert describe_size(size) == told


@pytest.mark.parametrize(("seconds", "told"), [(7.4, "7 s"), (99, "99 s"), (120, "2 min"), (7200, "2 h")])
def test_times_in_words(seconds, told):
    assert describe_seconds(seconds) == told


def test_a_rate_needs_two_looks_and_forgets_what_was_before_the_last_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("x")
    progress.begin("fetching", 0, 10_000)
    assert progress.rate(100.0) is None
    progress.add(1000)
    now[0] = 101.0
    progress.add(1000)
    assert progress.rate(101.0) == pytest.approx(1000.0)
    now[0] = 120.0
    progress.add(1)
    assert progress.rate(120.0) is None, "the burst of twenty seconds ago is no rate of now"
    assert (progress.done_bytes, progress.gained_bytes) == (2001, 2001)


def test_a_part_of_an_earlier_try_counts_as_done_and_not_as_gained():
    progress = Progress("x")
    progress.begin("fetching", 700, 1000)
    progress.add(100)
    assert (progress.done_bytes, progress.gained_bytes) == (800, 100)


@pytest.mark.parametrize(
    ("done_mb", "gained_mb", "total_mb", "elapsed_s", "given_up"),
    [
        (0, 0, 0, 3.9, False),  # nothing is known yet
        (0, 0, 200, 3.9, False),  # connections begin slowly
        (40, 40, 200, 4.0, True),  # 10 MB/s would bring 110 more of 160
        (100, 60, 200, 4.0, False),  # an earlier try and 15 MB/s: it comes in time
        (100, 20, 200, 4.0, True),  # the rate is of this try alone
        (0, 0, 0, 14.9, False),  # nobody said how large it is
        (199, 199, 200, 15.0, True),  # the time is over
    ],
)
def test_an_optional_program_is_given_up_as_soon_as_it_cannot_come_in_time(
    done_mb, gained_mb, total_mb, elapsed_s, given_up
):
    sizes = [size * 1_000_000 for size in (done_mb, gained_mb, total_mb)]
    assert decide_too_slow(*sizes, elapsed_s, patience_s=15.0) is given_up


def test_a_plain_line_that_says_the_same_comes_more_rarely(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    view = PlainView()
    for second in range(21):
        now[0] = 100.0 + second
        view.show("prometheus", "fetching", "another process is fetching it")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_plain_lines_tell_of_a_download_now_and_then_and_of_its_end(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    view = PlainView()
    for second in range(12):
        now[0] = 100.0 + second
        view.show("prometheus", "fetching", f"{second} of 12 MB")
    view.show("prometheus", "fetched", "/there")
    now[0] = 200.0
    view.show("prometheus", "waiting")
    now[0] = 203.0
    view.show("prometheus", "ready", "metrics")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "prometheus fetching 0 of 12 MB",
        "prometheus fetching 5 of 12 MB",
        "prometheus fetching 10 of 12 MB",
        "prometheus fetched 11.0s /there",
        "prometheus ready 3.0s metrics",
    ]
