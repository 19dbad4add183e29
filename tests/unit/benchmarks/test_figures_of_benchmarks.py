import json
from importlib import import_module

import pytest

from loadtests.benchmarks import autoscaler
from loadtests.benchmarks.figures import Figure, describe, machine, ratio_of_medians, ratio_of_rounds, write_json
from loadtests.benchmarks.run import BENCHMARKS, main
from loadtests.benchmarks.yards import with_needs
from modelyard.substrates import local


def figure(value, *, aim=1.25, at_most=True):
    return Figure("up", "whole / slowest", value, "x", aim, at_most, {"whole, s": [5.0, 6.0, 10.0]})


def test_rounds_are_paired_so_that_a_slow_moment_counts_for_both():
    # the second round met a busy machine: both took ten times as long
    assert ratio_of_rounds([2.0, 20.0, 2.2], [1.0, 10.0, 1.0]) == 2.0


def test_a_ratio_of_medians_ignores_one_outlier_on_either_side():
    assert ratio_of_medians([3.0, 3.0, 90.0], [1.0, 1.0, 0.1]) == 3.0


@pytest.mark.parametrize(
    ("value", "at_most", "held"),
    [(1.25, True, True), (1.26, True, False), (1.25, False, True), (1.24, False, False)],
)
def test_an_aim_is_held_up_to_its_own_value(value, at_most, held):
    assert figure(value, at_most=at_most).is_held is held


def test_a_figure_is_told_with_its_verdict_and_the_spread_behind_it():
    told = describe(figure(1.5))
    assert "MISSED" in told
    assert "aim <= 1.25 x" in told
    assert "whole, s: 6 (5 to 10, 3 rounds)" in told


def test_what_is_kept_has_every_round_and_the_machine_before_and_after(tmp_path):
    path = tmp_path / "deep" / "figures.json"
    write_json(path, [figure(1.2)], machine())
    held = json.loads(path.read_text("utf-8"))
    assert held["figures"][0]["rounds"] == {"whole, s": [5.0, 6.0, 10.0]}
    assert held["figures"][0]["held"] is True
    assert len(held["before"]["load_1_5_15"]) == 3


def test_every_benchmark_of_the_list_can_be_measured():
    for name in BENCHMARKS:
        assert callable(import_module(f"loadtests.benchmarks.{name}").measure)


def test_an_unknown_benchmark_is_refused_with_those_that_there_are(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert (
        "no benchmark nothing: there are command_line, autoscaler, kubernetes_api, memory, gateway, activator,"
        " replicas, up" in capsys.readouterr().err
    )


def test_a_service_alone_still_gets_what_it_needs():
    for service in local.SERVICES:
        found = with_needs(service.name)
        assert {service.name, *service.needs} <= found


def test_the_replicas_of_the_autoscalers_benchmark_share_the_whole_load_unevenly():
    fleet = autoscaler.Fleet()
    before, after = (
        [autoscaler.stat_from(json.loads(one)) for one in fleet.answers_after(second, 1000)] for second in (1.0, 2.0)
    )
    loads = [autoscaler.load_between(*pair) for pair in zip(before, after, strict=True)]
    assert sum(load.rps for load in loads) == pytest.approx(50_000, rel=0.01)  # counters are whole requests
    assert sum(load.concurrency for load in loads) == pytest.approx(50_000 * 0.014)
    assert max(load.rps for load in loads) > 2 * min(load.rps for load in loads)
