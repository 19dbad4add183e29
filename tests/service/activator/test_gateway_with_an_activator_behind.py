"""What Envoy does with replicas that break off, with the activator behind them, and with what clients claim."""

import asyncio
import subprocess
from collections import Counter
from contextlib import asynccontextmanager

OLD, NEW = "m-predictor-00001", "m-predictor-00002"


@asynccontextmanager
async def steady(clients, count=8, **how):
    """Clients that ask one request after the other; a Counter of what they were answered."""
    seen, ended = Counter(), asyncio.Event()

    async def ask():
        while not ended.is_set():
            try:
                seen[(await clients.ask(**how)).status] += 1
            except OSError as error:
                seen[repr(error)] += 1

    asking = [asyncio.create_task(ask()) for _ in range(count)]
    try:
        yield seen
    finally:
        ended.set()
        await asyncio.gather(*asking)


async def more(control, seen, count=60):
    """Wait for so many more answers."""
    until = sum(seen.values()) + count
    await control.until(lambda: sum(seen.values()) >= until, f"{until} answers, of which {seen} came")


def test_none_is_lost_from_zero_to_two_replicas_and_back_again_under_load(rig):
    async def story(control, clients):
        await control.tell()
        async with steady(clients) as seen:
            await control.until_held(8)
            one, two = rig.stand_in(), rig.stand_in()
            for ports in ((one.port,), (one.port, two.port), (one.port,)):
                await control.tell(*ports)
                await more(control, seen)
            two.kill()  # drained: Envoy and activator were told before
            await more(control, seen)
            await control.tell()
            await control.until_held(8)
            one.kill()
            await control.tell(rig.stand_in().port)
            await more(control, seen)
        assert set(seen) == {200}, seen

    rig.play(story)


def test_a_replica_that_is_killed_costs_nobody_an_answer_though_nobody_takes_it_away(rig):
    async def story(control, clients):
        one, two = rig.stand_in(), rig.stand_in()
        await control.tell(one.port, two.port)
        async with steady(clients, x_seconds=0.05) as seen:
            await more(control, seen)
            one.kill()
            await more(control, seen, 200)
            two.kill()
            await control.until_held(8)
            await control.tell(rig.stand_in().port)
            await more(control, seen)
        assert set(seen) == {200}, seen

    rig.play(story)


def test_with_the_control_plane_dead_too_a_killed_replica_costs_nobody_an_answer(rig):
    async def story(control, clients):
        one, two = rig.stand_in(), rig.stand_in()
        await control.tell(one.port, two.port)
        await control.client.close()
        async with steady(clients, x_seconds=0.05) as seen:
            await more(control, seen)
            before = rig.envoy_count("upstream_rq_retry")
            one.kill()
            await more(control, seen, 200)
        assert set(seen) == {200}, seen
        # Half of the requests would meet the dead one if it were not ejected.
        assert 0 < rig.envoy_count("upstream_rq_retry") - before < 60

    rig.play(story)


def test_with_the_activator_dead_replicas_serve_on(rig):
    async def story(control, clients):
        await control.tell(rig.stand_in().port, rig.stand_in().port)
        async with steady(clients) as seen:
            await more(control, seen)
            rig.kill("activator")
            await more(control, seen, 200)
            rig.start_activator()
            await more(control, seen)
        assert set(seen) == {200}, seen

    rig.play(story)


def test_a_replica_that_comes_back_on_its_port_gets_requests_again(rig):
    async def story(control, clients):
        replica = rig.stand_in()
        await control.tell(replica.port)
        replica.kill()
        (asked,) = clients.begin(1)
        await control.until_held(1)
        rig.stand_in(replica.port)
        assert (await asked).by_activator
        last = None
        async with steady(clients, count=2) as seen:
            while last is None or last.by_activator:
                last = await clients.ask()
        assert set(seen) == {200}

    rig.play(story)


def test_errors_of_a_model_never_take_its_replica_out(rig):
    async def story(control, clients):
        await control.tell(rig.stand_in().port)
        for status in (500, 502, 503, 504):
            answers = await asyncio.gather(*clients.begin(20, x_status=status))
            assert [answer.status for answer in answers] == [status] * 20
            assert not any(answer.by_activator for answer in answers)
        assert not (await clients.ask()).by_activator

    rig.play(story)


def test_a_request_that_kills_its_replica_kills_three_costs_nobody_else_an_answer_and_is_told_so(rig):
    async def story(control, clients):
        replicas = [rig.stand_in() for _ in range(5)]
        await control.tell(*(replica.port for replica in replicas))
        async with steady(clients, count=4) as seen:
            await more(control, seen)
            answer = await clients.ask(x_poison="yes", x_envoy_max_retries=50, x_envoy_attempt_count=0)
            await more(control, seen)
        assert answer.status == 502
        assert "broke off" in answer.json["error"]
        assert sum(replica.lives for replica in replicas) == 2
        assert set(seen) == {200}, seen

    rig.play(story)


def test_a_large_body_is_sent_again_too(rig):
    async def story(control, clients):
        dead, living = rig.stand_in(), rig.stand_in()
        await control.tell(dead.port)
        dead.kill()
        asked = clients.begin(3, body=b"x" * 3_000_000)
        await control.until(lambda: control.waiting() or all(one.done() for one in asked), "held requests")
        await control.tell(living.port)
        answers = await asyncio.gather(*asked)
        assert [(answer.status, answer.json["size"]) for answer in answers] == [(200, 3_000_000)] * 3

    rig.play(story)


def test_a_split_is_what_was_asked_also_while_one_part_of_it_has_no_replica(rig):
    async def story(control, clients):
        old, new = rig.stand_in(), rig.stand_in()
        shares = ((NEW, 10, ""), (OLD, 90, "prev"))
        await control.tell_all({OLD: [old.port], NEW: []}, shares=shares)
        asked = clients.begin(1000)
        await control.until(lambda: sum(one.done() for one in asked) + control.waiting(NEW) == 1000, "all to be split")
        held = control.waiting(NEW)
        await control.tell_all({OLD: [old.port], NEW: [new.port]}, shares=shares)
        answers = await asyncio.gather(*asked)
        by_new = sum(answer.json["pid"] == new.process.pid for answer in answers)
        assert by_new == held
        assert 68 <= by_new <= 134  # 99.9% of a binomial of 1000 at 0.1, by scipy.stats.binom.interval, and one more

    rig.play(story)


def test_a_tags_host_reaches_its_revision_and_what_a_client_claims_changes_nothing(rig):
    async def story(control, clients):
        old, new = rig.stand_in(), rig.stand_in()
        shares = ((NEW, 0, "latest"), (OLD, 100, "prev"))
        claims = {
            "Knative_Serving_Revision": NEW,
            "Knative_Serving_Namespace": "kube-system",
            "K_Proxy_Request": "activator",
            "K_Network_Probe": "queue",
        }
        for held in (False, True):
            ports = {OLD: [old.port], NEW: [new.port]}
            await control.tell_all(ports, shares=shares, activator_only=held)
            for host, replica in (("m", old), ("prev-m-predictor", old), ("latest-m-predictor", new)):
                answer = await clients.ask(host=f"{host}.default.localhost", **claims)
                assert answer.json["pid"] == replica.process.pid
                headers = answer.json["headers"]
                assert headers.get("k-proxy-request") == ("activator" if held else None)
                assert "k-network-probe" not in headers
                assert headers["host"] == f"{host}.default.localhost"

    rig.play(story)


def test_who_has_no_route_and_who_has_no_revision_yet_are_answered_at_once(rig):
    async def story(control, clients):
        await control.tell_all({}, shares=())
        strange, waiting = await clients.ask(host="x.default.localhost"), await clients.ask()
        assert (strange.status, strange.json["known"]) == (404, ["m.default.localhost"])
        assert (waiting.status, waiting.json["next"]) == (503, "kubectl describe inferenceservice m -n default")

    rig.play(story)


def test_without_activator_and_replica_a_client_is_told_what_to_type(rig):
    async def story(control, clients):
        await control.tell()
        rig.kill("activator")
        try:
            answer = await clients.ask()
        finally:
            rig.start_activator()
        assert answer.status == 503
        assert answer.json["next"] == "kubectl get inferenceservices -A"

    rig.play(story)


def test_a_second_envoy_does_not_share_the_ports_silently(rig):
    ended = subprocess.run(
        rig.envoy_argv(rig.folder / "second.sock"), capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode != 0
    assert f"cannot bind '127.0.0.1:{rig.gateway_port}': Address already in use" in ended.stderr
