"""Requests of a revision without a replica: held, forwarded, and what becomes of those that cannot be."""

import asyncio
import stat
from collections import Counter

KEY = ("default", "m-predictor-00001")


def test_a_request_waits_for_the_first_replica_and_asks_for_it_once(rig):
    async def story(control, clients):
        await control.tell()
        asked = clients.begin(3)
        await control.until_held(3)
        assert control.pokes == [KEY]
        report = (await control.heard())[KEY]
        assert (report.active, report.queued) == (0, 3)
        await control.tell(rig.stand_in().port)
        answers = await asyncio.gather(*asked)
        assert [answer.status for answer in answers] == [200] * 3
        assert all(answer.by_activator for answer in answers)
        await control.until(lambda: control.reports[-1][KEY].concurrency == 0, "the report that all is over")

    rig.play(story)


def test_as_many_as_may_are_held_and_answered_and_those_beyond_are_told_when_to_come_again(rig):
    async def story(control, clients):
        await control.tell()
        asked = clients.begin(rig.limit)
        await control.until_held(rig.limit)
        refused = await asyncio.gather(*clients.begin(20))
        assert {(answer.status, answer.headers["Retry-After"]) for answer in refused} == {(503, "5")}
        assert "kubectl describe inferenceservice m -n default" in refused[0].json["next"]
        await control.tell(rig.stand_in().port)
        assert Counter([(await one).status for one in asked]) == {200: rig.limit}
        assert control.waiting() == 0

    rig.play(story)


def test_what_waits_too_long_is_told_what_for_and_what_to_type(rig):
    async def story(control, clients):
        await control.tell(timeout_s=1)
        answer = await clients.ask()
        assert answer.status == 504
        assert answer.json["error"] == "default/m-predictor-00001: 1 s have gone by without a ready replica"
        assert answer.json["next"] == "kubectl describe inferenceservice m -n default"
        slow = rig.stand_in()
        await control.tell(slow.port, timeout_s=1, activator_only=True)
        answer = await clients.ask(x_seconds=20)
        assert answer.status == 504
        assert f"without an answer of its replica on port {slow.port}" in answer.json["error"]

    rig.play(story)


def test_a_client_that_leaves_frees_its_place_while_it_waits_and_while_it_is_answered(rig):
    async def story(control, clients):
        await control.tell(cc=1)
        asked = clients.begin(5)
        await control.until_held(5)
        for one in asked[1:]:
            one.cancel()
        await control.until_held(1)
        replica = rig.stand_in()
        await control.tell(replica.port, cc=1)
        assert (await asked[0]).status == 200
        await control.tell(replica.port, cc=1, activator_only=True)
        (leaving,) = clients.begin(1, x_seconds=30)
        await control.until(lambda: any(r.get(KEY) and r[KEY].active for r in control.reports[-1:]), "it to be sent on")
        leaving.cancel()
        assert (await clients.ask()).status == 200  # with a containerConcurrency of 1 its place is free again

    rig.play(story)


def test_each_replica_has_no_more_requests_than_its_container_concurrency(rig):
    async def story(control, clients):
        replicas = [rig.stand_in() for _ in range(3)]
        for cc in (1, 4):
            await control.tell(cc=cc)
            asked = clients.begin(40, x_seconds=0.02)
            await control.until_held(40)
            await control.tell(*(replica.port for replica in replicas), cc=cc, activator_only=True)
            assert Counter([(await one).status for one in asked]) == {200: 40}
            for replica in replicas:
                told = await clients.session.get(f"http://127.0.0.1:{replica.port}/peak")
                assert (await told.json(content_type=None))["peak"] <= cc

    rig.play(story)


def test_requests_outlive_the_control_plane_and_the_next_one_is_asked_again(rig):
    async def story(control, clients):
        await control.tell()
        asked = clients.begin(3)
        await control.until_held(3)
        await control.client.close()
        replica = rig.stand_in()
        async with rig.control_plane() as after:
            await after.tell()
            await control.until(lambda: after.pokes == [KEY], "the poke")
            assert after.waiting() == 3
            await after.tell(replica.port)
            assert [(await one).status for one in asked] == [200] * 3

    rig.play(story)


def test_requests_of_a_revision_that_is_gone_do_not_wait_for_their_deadline(rig):
    async def story(control, clients):
        await control.tell()
        (asked,) = clients.begin(1)
        await control.until_held(1)
        await control.client.tell([])
        answer = await asked
        assert (answer.status, answer.json["error"]) == (503, "revision default/m-predictor-00001 is gone")

    rig.play(story)


def test_requests_that_are_held_outlive_the_activator_because_envoy_asks_the_next_one(rig):
    async def story(control, clients):
        await control.tell()
        asked = clients.begin(20)
        await control.until_held(20)
        rig.kill("activator")
        rig.start_activator()
        await control.tell(rig.stand_in().port)
        assert Counter([(await one).status for one in asked]) == {200: 20}

    rig.play(story)


def test_requests_die_with_envoy_and_leave_nothing_behind_in_the_activator(rig):
    async def story(control, clients):
        await control.tell()
        asked = clients.begin(3)
        await control.until_held(3)
        rig.kill("envoy")
        assert all(isinstance(end, Exception) for end in await asyncio.gather(*asked, return_exceptions=True))
        rig.start_envoy()
        await control.until_held(0)
        await control.tell(rig.stand_in().port)
        assert (await clients.ask()).status == 200

    rig.play(story)


def test_an_answer_comes_through_in_the_parts_in_which_the_model_gives_it(rig):
    async def story(control, clients):
        replica = rig.stand_in()
        await control.tell(replica.port, timeout_s=1, activator_only=True)
        headers = {"Host": "m.default.localhost", "x-parts": "2"}
        async with clients.session.post(clients.address + "/", headers=headers) as answer:
            assert await answer.content.readline() == b"part 0\n"
            await control.heard()  # a second later: an answer that has begun may end
            await clients.session.get(f"http://127.0.0.1:{replica.port}/go-on")
            assert await answer.content.readline() == b"part 1\n"

    rig.play(story)


def test_a_body_larger_than_what_is_kept_arrives_whole(rig):
    async def story(control, clients):
        await control.tell()
        (asked,) = clients.begin(1, body=b"x" * 5_000_000, path="/a%2Fb?c=%20d", host="m.default.localhost:80")
        await control.until_held(1)
        await control.tell(rig.stand_in().port)
        told = (await asked).json
        assert (told["size"], told["path"], told["headers"]["host"]) == (
            5_000_000,
            "/a%2Fb?c=%20d",
            "m.default.localhost:80",
        )
        assert (await asked).headers.getall("x-twice") == ["a", "b"]

    rig.play(story)


def test_only_the_yards_owner_reaches_the_activators_sockets(rig):
    for path in (rig.http, rig.control):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
