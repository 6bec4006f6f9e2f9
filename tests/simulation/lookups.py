"""What the modelled gateway answers when it is asked for a task: with caches, blind machines and routes that die."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from yarl import URL

from . import replies
from .ledger import Ledger, Task
from .replies import EPOCH, FRAMEWORKS, GOOD_KEY, Answer
from .ways import Ways


class Lookups(Ledger):
    """The queries; `gateway` adds the creates."""

    def __init__(self, ways: Ways, dice: Random) -> None:
        super().__init__()
        self.ways = ways
        self.dice = dice
        self.queries = 0
        self.blind_answers = 0
        """Tasks that were there, and of which a blind machine said that they are not."""
        self.accounts = {GOOD_KEY: "ours"}
        """Which account a key is of; those of tokens are called as their issuer."""
        self._cache: dict[str, tuple[float, Answer]] = {}

    # -- whose key it is --------------------------------------------------------------------------------------------

    @property
    def good_keys(self) -> set[str]:
        """The keys that are let in."""
        return set(self.accounts)

    @good_keys.setter
    def good_keys(self, keys: set[str]) -> None:
        self.accounts = dict.fromkeys(keys, "ours")

    def account_of(self, authorization: str) -> str:
        """The account of a key or a token."""
        key = authorization.removeprefix("Bearer ")
        issued = _issued(key)
        return self.accounts.get(key, "") if issued is None else issued["iss"]

    def judge_key(self, authorization: str, now: float) -> int | None:
        """The code of its refusal, if it is refused."""
        key = authorization.removeprefix("Bearer ")
        issued = _issued(key)
        if issued is not None:
            return 1004 if now - issued["iat"] > self.ways.token_life else None
        dead = key not in self.accounts or now >= self.ways.key_dies_at
        return self.ways.key_code if dead else None

    # -- answers ----------------------------------------------------------------------------------------------------

    def ask(self, url: URL, headers: Mapping[str, str], now: float) -> Answer:
        """A GET, through whatever cache stands before the gateway."""
        ways, key = self.ways, f"{headers['Authorization']} {url}"
        passes = ways.cache_obeys and "no-cache" in headers.get("Cache-Control", "")
        kept = self._cache.get(key)
        if kept is not None and not passes and now - kept[0] < ways.cache_seconds:
            return kept[1]
        listing = "pageNum" in url.query
        answer: Callable[[], Answer] = (
            (lambda: self.page(now, int(url.query["pageNum"]), self.account_of(headers["Authorization"])))
            if listing
            else (lambda: self.find(url.name, now, self.account_of(headers["Authorization"])))
        )
        given = answer()
        if ways.cache_seconds:
            self._cache[key] = now, given
        return given

    def find(self, any_id: str, now: float, account: str = "ours") -> Answer:
        """The answer to a query."""
        self.queries += 1
        ways = self.ways
        if ways.route_gone[0] <= now < ways.route_gone[1]:
            return 404, {}, FRAMEWORKS[ways.route_words]
        if ways.lookups == "none":
            said = {"error": {"message": "Invalid URL (GET /kling/v1/videos/advanced-lip-sync/x)"}}
            return 404, {}, json.dumps(said).encode()
        if ways.lookups == "broken" or self.dice.random() < ways.lookup_faults:
            return replies.envelope(500, 5000, "server error")
        task = self.by_id.get(any_id)
        if task is None and ways.lookups == "external":
            task = self.by_external.get((account, any_id))
        if ways.blind and self.dice.random() < ways.blind:
            self.blind_answers += task is not None
            task = None
        if task is not None and task.account == account and task.found_from <= now < task.found_until:
            return replies.data(self.told(task))
        if ways.anything != "no" and (last := self._last(now, account)) is not None:
            told = self.told(last)
            if ways.anything == "bare":
                del told["task_info"]
            return replies.data(told)
        return replies.envelope(404, 1203, "task not exist")

    def _last(self, now: float, account: str) -> Task | None:
        for task in reversed(self.tasks):
            if task.account == account and task.found_from <= now:
                return task
        return None

    def page(self, now: float, number: int = 1, account: str = "ours") -> Answer:
        """A page of the task list, the newest first; a gateway may give fewer than it is asked for."""
        self.queries += 1
        ways = self.ways
        if not ways.lists:
            return replies.envelope(404, 1202, "no such route")
        stored = [
            self.told(task)
            for task in self.tasks
            if task.account == account and task.found_from <= now < task.found_until
        ]
        if ways.pages == "stuck":
            number = 1
        begin = (number - 1) * ways.page_cap
        if ways.pages == "shift" and number > 1:
            begin -= self.dice.randint(-3, 3)  # rows came, or went, since the page before
        return replies.data(stored[::-1][max(0, begin) : max(0, begin) + ways.page_cap])

    def told(self, task: Task) -> dict[str, Any]:
        """A task, as the gateway tells it."""
        milliseconds = round((EPOCH + task.at + self.ways.clock_error) * 1000)
        return {
            "task_id": task.task_id,
            "task_status": "submitted",
            "task_info": {"external_task_id": task.external_task_id},
            "created_at": milliseconds,
        }


def _issued(key: str) -> dict[str, Any] | None:
    """What a JSON web token says; None: it is none."""
    if key.count(".") != 2:
        return None
    issued: dict[str, Any] = json.loads(b64decode(key.split(".")[1]))
    return issued
