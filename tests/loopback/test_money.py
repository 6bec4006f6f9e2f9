"""Never paid twice, never another's task: one test a promise, from both sides, over real sockets in virtual time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import Event, Gateway, Limits, LipSyncClient, RunOptions, Timeouts
from lipsync_async.errors import NotSentError, OutcomeUnknownError, RejectedError
from lipsync_async.journal import Journal
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind

from .acts import KEY, SMALL, client, request, requests
from .hurried import hurry
from .raw import NOT_FOUND, Connection, RawServer, Request, answering, created, reply, task_of

pytestmark = pytest.mark.usefixtures("way")
SETTLE, HOLD = 6.0, 30.0


class Shop:
    """A gateway that keeps what it made, takes duplicates, and shows the tasks of a key to that key alone."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], str] = {}
        """Tasks by key and external id."""
        self.paid: Counter[str] = Counter()
        self.lose: set[str] = set()
        """Jobs whose next reply is lost."""
        self.forget: set[str] = set()
        """Jobs whose next create is lost before it is read."""
        self.asked: list[Request] = []
        self.answer: Callable[[str], bytes | None] = lambda _: None
        """What a look-up is answered with instead of the truth."""
        self.gate: asyncio.Event | None = None
        """Creates are made, and answered when it is set."""
        self.enough = asyncio.Event()
        """Set when three tasks were made."""

    def make(self, sent: Request) -> bytes:
        """Makes the task."""
        name = sent.external_task_id
        self.paid[name] += 1
        if self.paid.total() >= 3:
            self.enough.set()
        task = task_of(name) if self.paid[name] == 1 else f"{task_of(name)}{self.paid[name]}"
        self.made.setdefault((sent.headers["authorization"], name), task)
        return created(name, task)

    def find(self, sent: Request) -> bytes:
        """Answers a query by external id."""
        self.asked.append(sent)
        name = sent.path.split("?")[0].rsplit("/", 1)[1]
        task = self.made.get((sent.headers["authorization"], name))
        return self.answer(name) or (created(name, task) if task else NOT_FOUND)

    async def __call__(self, connection: Connection) -> None:
        """Serves one connection."""
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(self.find(sent))
            elif sent.external_task_id in self.forget:
                self.forget.discard(sent.external_task_id)
                return connection.reset()
            else:
                told = self.make(sent)
                if sent.external_task_id in self.lose:
                    self.lose.discard(sent.external_task_id)
                    return connection.reset()
                if self.gate is not None:
                    await self.gate.wait()
                await connection.send(told)
        return None

    @property
    def twice(self) -> list[str]:
        """What was paid more than once."""
        return [name for name, count in self.paid.items() if count > 1]


def submitter(server: RawServer, **options: Any) -> LipSyncClient:
    """A client whose gateway settles within seconds."""
    profile: dict[str, Any] = {"settle_time": SETTLE, "hold_time": HOLD} | options.pop("profile", {})
    usual: dict[str, Any] = {"api_key": KEY, "timeouts": SMALL, "limits": Limits(initial_per_second=1000.0)}
    return LipSyncClient(Gateway(name="shop", base_url=server.url, **profile), **usual | options)


def at(shop: Shop, scene: Callable[[RawServer, LipSyncClient], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Plays a scene with one client of a shop."""

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server, **options) as client:
            await scene(server, client)

    hurry(main())


async def earn_trust(client: LipSyncClient, shop: Shop) -> None:
    """One accepted job, and one that is lost and found: from then on a not-found may count."""
    await client.submit(request("witness"))
    shop.lose.add("found")
    assert (await client.submit(request("found"))).recovered
    await asyncio.sleep(SETTLE)


# --- a caller that gave up -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["submit", "submit_many", "stream"])
def test_what_arrived_within_the_grace_is_told_to_who_asks_again(way: str) -> None:
    """The note, `outcome_of` and `Event.task_id` name the task; the same job again is replayed, in every way."""
    shop, events = Shop(), list[Event]()
    task = task_of("job-1")

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        call = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(1.0)
        call.cancel()
        await asyncio.sleep(0.5)
        shop.gate.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert any(task in note for note in caught.value.__notes__)
        known = client.outcome_of("job-1")
        assert isinstance(known, Accepted)
        assert known.task_id == task
        assert [event.task_id for event in events if event.name == "outcome"] == [task]
        again: Outcome
        if way == "submit":
            again = await client.submit(request())
        elif way == "submit_many":
            again = (await client.submit_many([request()]))["job-1"]
        else:
            async with client.stream([request()]) as outcomes:
                (again,) = [outcome async for outcome in outcomes]
        assert isinstance(again, Accepted)
        assert (again.task_id, again.replayed) == (task, True)
        with pytest.raises(RejectedError) as refused:  # other content under the id
            await client.submit(request(sound_end_time=4000))
        assert (refused.value.kind, refused.value.found_task_id) == (Kind.ALREADY_EXISTS, task)
        assert client.outcome_of("another") is None

    at(shop, scene, observer=events.append)
    assert shop.paid == {"job-1": 1}


@pytest.mark.parametrize("made", [True, False])
def test_what_did_not_arrive_within_the_grace_is_looked_up(made: bool) -> None:
    """Timed out by the caller, unknown: the same job again is looked up, and never sent while absence is not proven."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.submit(request()), 1.0)
        assert isinstance(client.outcome_of("job-1"), Unknown)
        shop.gate.set()
        if not made:
            shop.made.clear()
        try:
            again = await client.submit(request())
        except OutcomeUnknownError:
            assert not made
        else:
            assert made
            assert again.task_id == task_of("job-1")

    at(shop, scene)
    assert (shop.paid, bool(shop.asked)) == ({"job-1": 1}, True)


def test_a_second_submit_joins_the_first() -> None:
    """Five calls with one id: one create, one task; another content is refused while it is under way."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        calls = [asyncio.ensure_future(client.submit(request())) for _ in range(5)]
        await asyncio.sleep(1.0)
        with pytest.raises(RejectedError) as refused:
            await client.submit(request(sound_end_time=4000))
        assert refused.value.kind is Kind.ALREADY_EXISTS
        shop.gate.set()
        assert {told.task_id for told in await asyncio.gather(*calls)} == {task_of("job-1")}

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_who_joins_outlives_the_cancellation_of_the_first() -> None:
    """The first call is cancelled, and its grace ends; the second one looks the job up."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        first = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(1.0)
        second = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        (end,) = await asyncio.gather(second, return_exceptions=True)
        assert isinstance(end, Accepted | OutcomeUnknownError), end

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_one_open_journal_serves_several_tasks_and_clients(tmp_path: Path) -> None:
    """`submit(journal=)` by ten tasks of two clients: each id is one job; a later run replays."""
    shop = Shop()

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server) as one, submitter(server) as two:
            path = tmp_path / "run.db"
            async with await Journal.open(path, gateway=server.url, account="default") as journal:
                jobs = requests(5)
                calls = [client.submit(job, journal=journal) for job in jobs for client in (one, two)]
                told = await asyncio.gather(*calls)
            assert {accepted.task_id for accepted in told} == {task_of(f"job-{number}") for number in range(5)}
            assert (await one.submit(jobs[0], journal=path)).replayed

    hurry(main())
    assert shop.paid == {f"job-{number}": 1 for number in range(5)}


# --- absence is proven freshly -------------------------------------------------------------------------------------


def test_what_was_lost_before_it_was_read_is_sent_again() -> None:
    """The honest case: trusted look-ups, a witness that is found, three not-founds; it is sent once more."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.forget.add("job-1")
        assert (await client.submit(request())).attempts == 2

    at(shop, scene)
    assert not shop.twice


def test_no_look_up_can_be_answered_by_a_cache() -> None:
    """A cache that keeps what an address was answered with proves no absence, for no address comes twice."""
    shop, cache, stored = Shop(), dict[str, bytes](), set[str]()

    def find(sent: Request) -> bytes:
        name = sent.path.split("?")[0].rsplit("/", 1)[1]
        truth = Shop.find(shop, sent) if name in stored or name in {"witness", "found"} else NOT_FOUND
        stored.add(name)  # the first answer is too early, and is kept
        assert "no-cache" in sent.headers["cache-control"]
        return cache.setdefault(sent.path, truth)

    shop.find = find  # type: ignore[method-assign]

    async def scene(server: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.lose.add("job-1")
        assert (await client.submit(request())).recovered
        paths = [sent.path for sent in server.requests if sent.method == "GET"]
        assert len(paths) == len(set(paths))

    at(shop, scene)
    assert not shop.twice


FRAMEWORKS = {
    "FastAPI": '{"detail":"Not Found"}',
    "Spring": '{"timestamp":"2026","status":404,"error":"Not Found","path":"/kling"}',
    "Kong": '{"message":"no Route matched with those values"}',
    "APISIX": '{"error_msg":"404 Route Not Found"}',
    "a page": "<html><body>404 Not Found</body></html>",
    "nothing": "",
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_frameworks_404_proves_no_absence(name: str) -> None:
    """The route of look-ups dies after it was trusted: what is in doubt stays unknown, and is not sent again."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.answer = lambda _: reply(FRAMEWORKS[name], 404)
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


def test_a_half_blind_gateway_proves_no_absence() -> None:
    """It forgets what it had, the witness too: the platform's own words prove nothing then."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.answer = lambda _: NOT_FOUND
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


@pytest.mark.parametrize("own", [True, False], ids=["told for another job", "told for none"])
def test_a_get_that_answers_anything_is_not_believed(own: bool) -> None:
    """It answers every id with one task, without saying whose: nothing is adopted."""
    shop = Shop()
    task = task_of("witness") if own else "12345"
    shop.answer = lambda _: reply({"code": 0, "data": {"task_id": task, "task_status": "processing"}})

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await client.submit(request("witness"))
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


@pytest.mark.parametrize("pages", [3, 25])
def test_a_list_that_was_not_read_to_its_end_proves_nothing(pages: int) -> None:
    """Short pages are read on until an empty one; 20 pages without an end leave the job unknown."""
    shop = Shop()
    by_id = shop.find
    last = reply({"code": 0, "data": []})

    def find(sent: Request) -> bytes:
        if "pageNum=" not in sent.path:
            return by_id(sent) if "/witness" in sent.path or "/found" in sent.path else NOT_FOUND
        number = int(sent.path.split("pageNum=")[1].split("&")[0])
        names = {1: "witness", 2: "found", pages: "job-1"}
        name = names.get(number, f"other-{number}")
        row = {"task_id": task_of(name), "task_status": "processing", "task_info": {"external_task_id": name}}
        return reply({"code": 0, "data": [row]}) if number <= pages else last

    shop.find = find  # type: ignore[method-assign]

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.lose.add("job-1")
        told = (await client.submit_many([request()]))["job-1"]
        assert isinstance(told, Accepted if pages == 3 else Unknown), told

    at(shop, scene, profile={"lists_tasks": True})
    assert not shop.twice


@pytest.mark.parametrize("late", [HOLD - 8.0, 10.0])
def test_a_slow_gateway_is_not_paid_twice_after_our_time_out(late: float) -> None:
    """It makes the task after we hung up, but within its hold time: the job is found, and was sent once."""
    shop = Shop()

    async def slow(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST" and sent.external_task_id == "job-1" and not shop.paid["job-1"]:
                await asyncio.sleep(SMALL.total + late)
            await connection.send(shop.make(sent) if sent.method == "POST" else shop.find(sent))

    async def main() -> None:
        async with RawServer(always=slow) as server, submitter(server) as client:
            await client.submit(request("witness"))
            client._ready().trust.proven = True
            told = await client.submit(request())
            assert (told.recovered, told.attempts) == (True, 1)

    hurry(main())
    assert not shop.twice


def test_after_the_hold_time_absence_is_proven() -> None:
    """The other side: it never made the task. It is sent again, and not before the hold time is over."""
    shop, moments = Shop(), list[float]()

    async def deaf_once(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST" and sent.external_task_id == "job-1":
                moments.append(asyncio.get_running_loop().time())
                if len(moments) == 1:
                    return await connection.hang()
            await connection.send(shop.make(sent) if sent.method == "POST" else shop.find(sent))
        return None

    async def main() -> None:
        async with RawServer(always=deaf_once) as server, submitter(server) as client:
            await client.submit(request("witness"))
            client._ready().trust.proven = True
            assert (await client.submit(request())).attempts == 2

    hurry(main())
    first, second = moments
    assert second - first >= SMALL.total + HOLD
    assert not shop.twice


def test_the_users_word_replaces_hold_time_and_witness_only() -> None:
    """With `trust_lookups=True` a time-out waits for the settle time; a framework's 404 still proves nothing."""
    shop = Shop()

    async def scene(server: RawServer, client: LipSyncClient) -> None:
        shop.forget.add("job-1")
        assert (await client.submit(request())).attempts == 2
        shop.answer = lambda _: reply(FRAMEWORKS["FastAPI"], 404)
        shop.lose.add("job-2")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request("job-2"))
        assert server.creates["job-2"] == 1

    at(shop, scene, trust_lookups=True)
    assert not shop.twice


# --- another account, another's task -------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from tests.loopback.acts import SMALL, requests
from lipsync_async import Gateway, LipSyncClient

async def main():
    async with LipSyncClient(Gateway(name="shop", base_url=sys.argv[1]), api_key="key-of-A") as client:
        await client.submit_many(requests(3), journal=sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.parametrize("key", ["key-of-A", "key-of-B"])
def test_another_accounts_key_proves_no_absence(key: str, tmp_path: Path) -> None:
    """Killed with -9 amid its creates; the next run has another account's key: unknown, nothing is sent again."""
    shop = Shop()

    async def killed() -> str:
        shop.gate = asyncio.Event()
        async with RawServer(always=shop) as server:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, server.url, str(tmp_path / "run.db"), stderr=subprocess.DEVNULL
            )
            await shop.enough.wait()
            child.send_signal(signal.SIGKILL)
            await child.wait()
            return server.url

    url = asyncio.run(killed())
    shop.gate = None

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server, api_key=key) as client:
            await earn_trust(client, shop)
            async with await Journal.open(tmp_path / "run.db", gateway=url, account="default") as journal:
                result = await client.submit_many(requests(3), journal=journal)
        kinds = {type(outcome) for outcome in result.values()}
        assert kinds == ({Accepted} if key == "key-of-A" else {Unknown})

    hurry(main())
    assert not shop.twice


def test_a_duplicate_of_another_is_never_adopted(tmp_path: Path) -> None:
    """Refused as a duplicate, no attempt of ours in doubt: rejected, named, by this run, the next, and `reconcile`."""
    exists = reply({"code": 1201, "message": "external_task_id already exists"}, 400)

    async def main() -> None:
        path = tmp_path / "run.db"
        async with RawServer(always=answering(exists, found=created("job-1", "77"))) as server:
            for _ in range(2):
                async with client(server) as submitter:
                    told = (await submitter.submit_many([request()], journal=path))["job-1"]
                    assert isinstance(told, Rejected), told
                    assert (told.kind, told.found_task_id) == (Kind.ALREADY_EXISTS, "77")
                    async with submitter.reconcile(path) as outcomes:
                        assert [outcome async for outcome in outcomes] == []
            async with client(server) as submitter:
                with pytest.raises(RejectedError) as caught:
                    await submitter.submit(request())
                assert caught.value.found_task_id == "77"

    hurry(main())


def test_a_duplicate_after_a_lost_reply_of_ours_is_adopted() -> None:
    """The other side: our own attempt may have made it, so the task that is found is ours."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.lose.add("job-1")
        told = await client.submit(request())
        assert (told.recovered, told.task_id) == (True, task_of("job-1"))

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_swapped_replies_tell_no_job_the_others_task() -> None:
    """Each of two jobs is answered with the other's task: both are looked up, and get their own."""
    shop, waiting = Shop(), list[tuple[Connection, bytes]]()

    async def swapping(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(shop.find(sent))
                continue
            waiting.append((connection, shop.make(sent)))
            if len(waiting) == 2:
                (one, first), (two, second) = waiting
                await one.send(second)
                await two.send(first)

    async def main() -> None:
        async with RawServer(always=swapping) as server, submitter(server) as client:
            result = await client.submit_many(requests(2))
        assert {name: told.task_id for name, told in result.accepted.items()} == {
            name: task_of(name) for name in ("job-0", "job-1")
        }

    hurry(main())
    assert not shop.twice


def test_one_task_for_all_is_told_once() -> None:
    """A gateway that answers every create with one task id: the first job has it, the others are unknown."""

    async def main() -> None:
        same = reply({"code": 0, "data": {"task_id": "42"}})
        async with RawServer(always=answering(same)) as server, submitter(server) as client:
            result = await client.submit_many(requests(4))
        assert (len(result.accepted), len(result.unknown)) == (1, 3)
        assert set(server.creates.values()) == {1}

    hurry(main())


# --- pages, hints and outages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False], ids=["the route is there", "the route is missing"])
def test_a_page_costs_one_create(there: bool) -> None:
    """HTML with status 200 as the first reply: a GET tells whether the route is there, never a second create."""
    page = reply("<html>Welcome</html>", kind="text/html")

    async def main() -> None:
        async with RawServer(always=answering(page, found=NOT_FOUND if there else page)) as server:
            async with submitter(server) as client:
                told = (await client.submit_many([request()]))["job-1"]
            assert isinstance(told, Unknown if there else NotSent), told
            assert server.creates == {"job-1": 1}

    hurry(main())


def test_a_notice_before_the_json_is_read_by_its_json() -> None:
    """A warning of PHP before the answer: accepted, after one create."""
    body = created("job-1").split(b"\r\n\r\n", 1)[1]
    warned = reply(b"<br />\n<b>Warning</b>: Undefined key in <b>/www/relay.php</b><br />\n" + body, kind="text/html")

    async def main() -> None:
        async with RawServer(always=answering(warned)) as server, submitter(server) as client:
            assert (await client.submit(request())).task_id == task_of("job-1")
            assert server.total == 1

    hurry(main())


@pytest.mark.parametrize("status", [429, 503])
def test_a_giant_retry_after_ends_one_batch(status: int) -> None:
    """The job that met it ends; what comes later on that client is not held up for years."""
    giant = reply({"code": 1302, "message": "slow"} if status == 429 else b"", status, "Retry-After: 999999999")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(always=answering(giant, None)) as server, submitter(server) as client:
            with pytest.raises(NotSentError if status == 429 else OutcomeUnknownError):
                await client.submit(request())
            begun = loop.time()
            (end,) = await asyncio.gather(client.submit(request("job-2")), return_exceptions=True)
            assert isinstance(end, Accepted | NotSentError), end
            assert loop.time() - begun < 3600.0

    hurry(main())


def test_a_share_of_ambiguity_brakes() -> None:
    """Accepted creates answered with 500, and a clean 429 between: a few dozen are in doubt, not all 400."""
    shop = Shop()
    busy = reply({"code": 1302, "message": "slow"}, 429)

    async def half_broken(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(reply(b"", 500))
            elif sum(shop.paid.values()) % 5 == 4 and not shop.lose:
                shop.lose.add("a refusal")
                await connection.send(busy)
            else:
                shop.lose.clear()
                shop.make(sent)
                await connection.send(reply(b"", 500))

    async def main() -> None:
        quick = Timeouts(total=8.0, connect=4.0, grace=2.0)
        async with RawServer(always=half_broken) as server, submitter(server, timeouts=quick) as client:
            result = await client.submit_many(requests(400), options=RunOptions(ambiguous="report"))
        assert len(result.unknown) == shop.paid.total() < 150
        assert len(result.not_sent) == 400 - len(result.unknown)

    hurry(main())
    assert not shop.twice


def test_a_list_without_faults_is_none_the_worse() -> None:
    """The usual case: 200 jobs, 200 creates, no look-up."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        jobs = [evolve(request(), external_task_id=f"job-{number}") for number in range(200)]
        assert len((await client.submit_many(jobs)).accepted) == 200

    at(shop, scene)
    assert (shop.paid.total(), shop.twice, shop.asked) == (200, [], [])
