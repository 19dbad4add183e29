"""What a download meets in a classroom, each over real HTTP: good, altered, cut, slow, refused, stopped."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelyard.errors import ChecksumDiffers, DiskFull, ProgramMissing
from modelyard.toolbox import ask_version
from modelyard.toolbox.download import Limits
from modelyard.toolbox.memory import read_memory
from modelyard.toolbox.pins import parse_version
from modelyard.waiting import wait_until


def parts(box):
    return sorted(path.name for path in (box.cache / "downloads").glob("*"))


def installed(box):
    programs = box.cache / "programs"
    return sorted(path.name for path in programs.iterdir()) if programs.exists() else []


def test_a_release_is_fetched_checked_unpacked_and_found_from_then_on(publisher, release, make_box, view):
    publisher.publish(release)
    box = make_box()
    program = box.fetch_many(["prometheus"], view)["prometheus"]
    assert ask_version(program) == (3, 13, 2)
    assert installed(box) == [f"prometheus-3.13.2.{box.platform}"]
    assert (program.parent / "LICENSE").stat().st_size == 2_000_000, "the release is whole"
    assert parts(box) == []
    assert view.shown[-1] == ("prometheus", "fetched", str(program))
    assert box.find("prometheus") == make_box().look("prometheus") == program
    assert len(publisher.asked) == 1
    assert (box.arguments("prometheus"), box.root("prometheus")) == ((), None), "no package: it needs no help"
    assert box.look("promtool") == program.with_name("promtool"), "the release holds it"


def test_a_program_that_another_release_holds_is_fetched_with_it(publisher, release, make_box):
    publisher.publish(release)
    box = make_box()
    assert box.find("promtool").name == "promtool"
    assert box.look("prometheus") is not None


def test_a_wrong_sum_names_both_and_nothing_is_left(publisher, make_archive, release, make_box):
    altered = make_archive("prometheus, version 3.13.2 (branch: evil)")
    publisher.publish(altered)
    box = make_box()
    with pytest.raises(ChecksumDiffers) as refused:
        box.find("prometheus")
    told = str(refused.value)
    from hashlib import sha256

    assert sha256(release).hexdigest() in told
    assert sha256(altered).hexdigest() in told
    assert (installed(box), parts(box)) == ([], [])
    assert len(publisher.asked) == 1, "the same address is not asked again"
    assert "warning" in box.said[0]
    assert "the publisher changed this file" in box.said[0]


def test_where_the_publisher_changed_a_file_the_next_pinned_release_is_taken_and_that_is_said(
    publisher, serve, make_archive, release, make_box
):
    publisher.publish(make_archive("prometheus, version 3.13.2 (built again)"))
    other = serve()
    other.publish(release)
    box = make_box(publisher.address, other.address)
    assert box.find("prometheus").parent.name.startswith("prometheus-3.12.0")
    assert "is not the file that is pinned; it was not used" in box.said[0]


def test_a_file_that_was_cut_short_on_the_server_is_not_installed(publisher, release, make_box):
    publisher.publish(release[:-1000])
    box = make_box()
    with pytest.raises(ChecksumDiffers, match=r"sha256 found: .*\(2\.0 MB\)"):
        box.find("prometheus")
    assert installed(box) == []


def test_a_connection_that_is_cut_goes_on_where_it_ended(publisher, release, make_box):
    publisher.publish(release, cuts=[700_000, 500_000])
    make_box().find("prometheus")
    assert publisher.ranges() == ["", "bytes=700000-", "bytes=1200000-"]


def test_cuts_that_bring_nothing_end_the_download_and_the_part_stays_for_the_next_time(publisher, release, make_box):
    publisher.publish(release, cuts=[700_000, *[100] * 3])
    box = make_box()
    with pytest.raises(ProgramMissing, match="could not be downloaded: the connection was cut"):
        box.find("prometheus")
    assert "prometheus-3.13.2.test.tar.gz.part" in parts(box)
    have = (box.cache / "downloads" / "prometheus-3.13.2.test.tar.gz.part").stat().st_size
    make_box().find("prometheus")
    assert publisher.ranges()[-1] == f"bytes={have}-"


def test_a_file_that_changed_between_two_tries_is_fetched_anew(publisher, release, make_box):
    publisher.publish(b"an older file" * 100_000, cuts=[700_000, *[0] * 4], etag='"older"')
    with pytest.raises(ProgramMissing):
        make_box().find("prometheus")
    publisher.publish(release, etag='"newer"')
    make_box().find("prometheus")
    assert publisher.ranges()[-1] == "bytes=700000-", "it asked for the rest, if the file is the same"


def test_parts_of_two_files_do_not_fit_and_are_fetched_once_more(publisher, release, make_box):
    publisher.publish(b"another file" * 100_000, cuts=[700_000, *[0] * 4], etag="")
    with pytest.raises(ProgramMissing):
        make_box().find("prometheus")
    publisher.publish(release, etag="")
    make_box().find("prometheus")
    assert publisher.ranges()[-2:] == ["bytes=700000-", ""]


def test_a_server_that_answers_with_another_part_is_not_believed(publisher, release, make_box):
    publisher.publish(release, cuts=[700_000], headers={"Content-Range": "bytes 9-99/2000000"})
    make_box().find("prometheus")
    assert publisher.ranges() == ["", "bytes=700000-", ""]


def test_a_weak_tag_promises_nothing_and_is_not_sent(publisher, release, make_box):
    publisher.publish(release, cuts=[700_000], etag='W/"one"')
    make_box().find("prometheus")
    assert publisher.ranges() == ["", "bytes=700000-"]
    assert "If-Range" not in publisher.headers[-1]


def test_a_network_that_brings_a_little_each_time_brings_all_in_the_end(publisher, release, make_box):
    publisher.publish(release, cuts=[250_000] * 7)
    make_box().find("prometheus")
    assert len(publisher.asked) == 8, "more cuts than there are pauses"


def test_a_publisher_that_sends_elsewhere_is_followed_and_the_rest_is_asked_for_there(
    publisher, serve, release, make_box
):
    storage = serve()
    storage.publish(release, cuts=[700_000])
    publisher.publish(b"", moved_to=storage.address + "signed/prometheus-3.13.2.test.tar.gz")
    make_box().find("prometheus")
    assert storage.ranges() == ["", "bytes=700000-"]
    assert len(publisher.asked) == 2, "an address that is signed for minutes is asked for anew"


def test_a_fetch_that_ends_with_an_error_of_its_view_leaves_no_thread(publisher, release, make_box, view):
    publisher.publish(release, pause_after=700_000)
    view.show = interrupted
    with pytest.raises(KeyboardInterrupt):
        make_box().fetch_many(["prometheus"], view)
    publisher.files["/prometheus-3.13.2.test.tar.gz"].go_on.set()
    wait_until(
        lambda: "fetch prometheus" not in {thread.name for thread in threading.enumerate()},
        what="the thread",
        deadline_s=30,
    )
    assert make_box().look("prometheus") is None


def interrupted(service, state, told=""):
    if "0.7 of" in told:
        raise KeyboardInterrupt


def test_a_server_that_knows_no_ranges_begins_anew(publisher, release, make_box):
    publisher.publish(release, cuts=[700_000], ranges=False)
    make_box().find("prometheus")
    assert publisher.ranges() == ["", "bytes=700000-"]


def test_a_server_that_goes_silent_is_asked_for_the_rest(publisher, release, make_box):
    answer = publisher.publish(release, pause_after=700_000)
    publisher.asked = Forgetting(answer)
    make_box().find("prometheus")
    assert list(publisher.asked) == ["", "bytes=700000-"]


class Forgetting(list):
    """Ends the silence with the second request."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def append(self, asked):
        super().append(asked[1])
        if len(self) == 2:
            self.answer.pause_after = None


def test_a_slow_server_is_waited_for_and_its_progress_is_shown(publisher, release, make_box, view):
    answer = publisher.publish(release, pause_after=700_000)
    box = make_box(limits=Limits(silence_s=60.0))
    shown = threading.Event()

    def show(service, state, told=""):
        view.shown.append((service, state, told))
        if "0.7 of 2.0 MB (35%)" in told:
            shown.set()
            answer.go_on.set()

    view.show = show
    box.fetch_many(["prometheus"], view)
    assert shown.is_set()
    assert len(publisher.asked) == 1


def test_an_optional_program_that_is_slow_does_not_hold_the_yard_up_and_is_remembered(
    publisher, release, make_box, view, monkeypatch
):
    monkeypatch.setattr(
        "modelyard.toolbox.crew.decide_too_slow", lambda done_bytes, *rest, **more: done_bytes >= 700_000
    )
    answer = publisher.publish(release, pause_after=700_000)
    box = make_box(limits=Limits(silence_s=60.0), optional=True)
    assert box.fetch_many(["prometheus"], view) == {}
    assert "too slow to wait for" in box.why_missing("prometheus")
    assert "without it: no metrics" in box.why_missing("prometheus")
    again = make_box(optional=True)
    assert again.fetch_many(["prometheus"], view) == {}
    assert "./invoke fetch prometheus tries again" in again.why_missing("prometheus")
    assert len(publisher.asked) == 1, "not tried again the same day"
    answer.pause_after = None
    answer.go_on.set()
    assert again.find("prometheus"), "a person who asks for it gets it"
    assert make_box(optional=True).why_missing("prometheus") == ""
    assert read_memory(again.cache) == {}


def test_a_file_that_is_gone_is_asked_for_once(publisher, make_box):
    box = make_box()
    with pytest.raises(ProgramMissing, match=r"does not have it \(404\)") as missing:
        box.find("prometheus")
    assert "MODELYARD_MIRROR" in missing.value.allowed
    assert len(publisher.asked) == 1


def test_a_server_that_is_too_busy_is_asked_again(publisher, release, make_box):
    publisher.publish(release, refusals=[503, 429])
    make_box().find("prometheus")
    assert len(publisher.asked) == 3


def test_the_login_page_of_a_wlan_is_told_as_one(publisher, make_box):
    publisher.publish(b"<html>Welcome to the WLAN</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    box = make_box()
    with pytest.raises(ProgramMissing, match="is there a login page of this WLAN"):
        box.find("prometheus")
    assert parts(box) == []


def test_a_disk_without_room_for_it_is_told_before_the_download_stands_by_a_claim_of_its_size(
    publisher, release, make_box
):
    publisher.publish(release)
    box = make_box(limits=Limits(room_ratio=1e9))
    with pytest.raises(DiskFull, match=r"has .* free, and .* are needed"):
        box.find("prometheus")
    assert installed(box) == []


def test_a_program_that_does_not_run_here_is_not_installed(publisher, make_archive, make_box):
    content = make_archive("of another machine")
    publisher.publish(content)
    box = make_box(content=content)
    with pytest.raises(ProgramMissing, match="does not run on this machine"):
        box.find("prometheus")
    assert installed(box) == []


def test_an_archive_that_reaches_outside_of_its_folder_is_refused(publisher, make_archive, make_box):
    content = make_archive(also=[("prometheus-3.13.2.test/../../../../evil", 0o644, b"x")])
    publisher.publish(content)
    box = make_box(content=content)
    with pytest.raises(ProgramMissing, match="cannot be unpacked"):
        box.find("prometheus")
    assert not list(box.cache.parent.rglob("evil"))


def test_a_release_that_is_one_program_is_made_executable(publisher, make_box):
    content = b"#!/bin/sh\necho kind version 3.1.0\n"
    publisher.publish(content, "kind-linux")
    box = make_box(content=content, name="prometheus")
    pin = box.pins["prometheus"]
    [(platform, file)] = pin.releases[0].files.items()
    pin.releases[0].files[platform] = type(file)(publisher.address + "kind-linux", "kind-linux", file.sha256)
    assert os.access(box.find("prometheus"), os.X_OK)


def test_two_at_once_ask_the_publisher_once_and_both_have_it(publisher, release, make_box):
    answer = publisher.publish(release, pause_after=700_000)
    boxes = [make_box(limits=Limits(silence_s=60.0)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(box.find, "prometheus") for box in boxes]
        assert answer.paused.wait(30)
        answer.go_on.set()
        programs = {one.result(60) for one in running}
    assert len(programs) == 1
    assert len(publisher.asked) == 1


def wait_for_part(cache, size_bytes):
    part = cache / "downloads" / "prometheus-3.13.2.test.tar.gz.part"
    wait_until(lambda: part.stat().st_size == size_bytes, what="the part", deadline_s=30, interval_s=0.01)


FETCH = """
import pathlib, sys
from modelyard.toolbox import Toolbox
from modelyard.toolbox.pins import File, Pin, Release
box = Toolbox(pathlib.Path(sys.argv[1]), path="")
name = "prometheus-3.13.2.test.tar.gz"
file = File(sys.argv[2] + name, name, sys.argv[3])
box.pins["prometheus"] = Pin(
    "prometheus", ("prometheus",), "3.0", program="prometheus", releases=(Release("3.13.2", "", {box.platform: file}),)
)
from modelyard.console import ends_cleanly
ends_cleanly(lambda: print(box.find("prometheus")))()
"""


@pytest.fixture
def fetch_in_a_process(tmp_path, publisher, release):
    import sys
    from hashlib import sha256

    running = []

    def start():
        argv = [sys.executable, "-c", FETCH, str(tmp_path / "cache"), publisher.address, sha256(release).hexdigest()]
        running.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_process_that_is_killed_in_the_middle_leaves_its_part_to_the_one_that_waits(
    tmp_path, publisher, release, fetch_in_a_process
):
    answer = publisher.publish(release, pause_after=700_000)
    first = fetch_in_a_process()
    wait_for_part(tmp_path / "cache", 700_000)
    second = fetch_in_a_process()
    first.kill()
    first.wait(30)
    answer.pause_after = None
    told, complaints = second.communicate(timeout=60)
    assert second.returncode == 0, complaints
    assert parse_version(told.rpartition("/prometheus-")[2]) == (3, 13, 2)
    assert publisher.ranges() == ["", "bytes=700000-"]


def test_ctrl_c_ends_a_download_at_once_and_keeps_the_part(tmp_path, publisher, release, fetch_in_a_process):
    import signal

    publisher.publish(release, pause_after=700_000)
    process = fetch_in_a_process()
    wait_for_part(tmp_path / "cache", 700_000)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=10)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert (tmp_path / "cache" / "downloads" / "prometheus-3.13.2.test.tar.gz.part").stat().st_size == 700_000
