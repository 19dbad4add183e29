"""What the chaos programs choose by their seeds, and how their figures are told."""

import json
import random
from dataclasses import replace

from loadtests.chaos.figures import Run, summary, table, write_json
from loadtests.chaos.ingest import pair
from loadtests.chaos.kills import choose_victim, describe
from modelyard.monitor.cloudevents import read_json
from modelyard.yard.marks import Marked

MARKED = [
    Marked(10, 1.0, "supervisor", 1, leads_session=True),
    Marked(11, 1.0, "mlflow", 10),
    Marked(12, 1.0, "mlflow", 11),
    Marked(13, 1.0, "replicas", 10),
    Marked(14, 1.0, "replicas", 13, leads_session=True),
    Marked(15, 1.0, "", 1),
]
GOOD = Run(1, "kill -9 envoy", True, 100, 3, 50, 0, 2.0)


def test_a_seed_chooses_the_same_victim_again_and_seeds_choose_all_kinds():
    chosen = [describe(choose_victim(MARKED, random.Random(seed))) for seed in range(40)]
    assert chosen == [describe(choose_victim(MARKED, random.Random(seed))) for seed in range(40)]
    kinds = {"kill -9 supervisor", "kill -9 mlflow", "kill -9 replicas", "kill -9 a model server"}
    assert set(chosen) == kinds, "and never what only repairs the yard"


def test_a_run_is_good_when_it_was_repaired_and_nothing_acknowledged_was_lost():
    assert GOOD.is_good
    assert not replace(GOOD, repaired=False).is_good
    assert not replace(GOOD, lost=1).is_good


def test_the_summary_counts_all_runs_and_tells_the_middle_and_the_longest():
    runs = [GOOD, replace(GOOD, ready_s=4.0), replace(GOOD, ready_s=10.0, failed=0), replace(GOOD, ready_s=3.0)]
    assert summary(runs) == (
        "4 of 4 repaired; 9 of 400 requests failed; 200 events acknowledged, 0 lost; "
        "time to ready: median 3.5 s, longest 10.0 s"
    )


def test_the_table_is_one_of_markdown():
    first, rule, row = table([GOOD]).splitlines()
    assert first.startswith("| seed | what was done | repaired |")
    assert set(rule) == {"|", "-"}
    assert [cell.strip() for cell in row.strip("|").split("|")] == list(GOOD.row())


def test_every_figure_is_written_down(tmp_path):
    write_json(tmp_path / "runs.json", [GOOD])
    assert Run(**json.loads((tmp_path / "runs.json").read_text())[0]) == GOOD


def test_a_pair_of_events_is_what_the_monitor_reads():
    request, response = read_json(pair("a-1"))
    assert (request.id, request.kind, request.model_version) == ("a-1", "request", "1")
    assert (response.id, response.kind, response.inferenceservice) == ("a-1", "response", "chaos-ingest")
