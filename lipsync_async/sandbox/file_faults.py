"""What goes wrong with a finished video's file: a table of what each fault does, and who meets which (issue 13's list).

A file's fault is drawn when it is first asked for, from the seed and the task's id: the order of arrival is no matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Literal

import attrs

from lipsync_async.sandbox.chances import check_chances, pick
from lipsync_async.sandbox.replies import FRONT_PAGE, HTML, Answer, answer

_THIRD = 1 / 3


def storage_refuses(status: int, code: str, said: str) -> Answer:
    """An error as object stores write it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{said}</Message></Error>'
    return Answer(status, body.encode(), "application/xml")


EXPIRED = storage_refuses(403, "AccessDenied", "Request has expired")
TWO_KEYS = storage_refuses(403, "AccessDenied", "Only one auth mechanism allowed")
NO_HEAD = storage_refuses(403, "SignatureDoesNotMatch", "The signature is for GET")
MISSING = storage_refuses(404, "NoSuchKey", "The specified key does not exist.")
BUSY = Answer(503, b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", HTML)
JSON_PAGE = answer(200, {"code": 500, "message": "file is being prepared", "data": None})


@attrs.frozen
class Behaviour:
    """How one request of a file is answered; as it is made, well."""

    instead: Answer | None = None
    """Another reply, and no file."""
    elsewhere: bool = False
    """A redirect to another origin."""
    edition: int = 0
    """Which file."""
    ranges: bool = True
    """Range is honoured."""
    framing: Literal["length", "chunks", "close"] = "length"
    """How the body's end is told."""
    share: float = 1.0
    """The part of the file after which the stream ends, if it is not at its end by then."""
    stop: Literal["close", "reset", "stall"] = "close"
    """How it ends then."""
    slow: bool = False
    endless: bool = False
    gzip: bool = False


WELL = Behaviour()
_CLOSED = Behaviour(share=_THIRD)
_RESET = Behaviour(share=_THIRD, stop="reset")


@attrs.frozen
class Fault:
    """A behaviour that the first requests of a file meet, and the one that comes after it."""

    text: str
    first: Behaviour
    times: int | None = None
    """How many requests meet it; None: all."""
    then: Behaviour = WELL


FILE_FAULTS: Mapping[str, Fault] = {
    "cut_once": Fault("the first stream is reset after a third", _RESET, 1),
    "cut_always": Fault("no stream brings more than a third of the file", _CLOSED),
    "range_ignored": Fault(
        "the first stream is reset after a third, later ones begin anew", _RESET, 1, Behaviour(ranges=False)
    ),
    "other_file": Fault(
        "the first stream is reset after a third, then another file is there", _RESET, 1, Behaviour(edition=1)
    ),
    "short": Fault("the first body is shorter than its Content-Length", _CLOSED, 1),
    "reset": Fault("the first two requests are reset without a byte", Behaviour(share=0.0, stop="reset"), 2),
    "html_200": Fault("the first two replies are an HTML page under 200", Behaviour(instead=FRONT_PAGE), 2),
    "json_200": Fault("the first two replies are JSON under 200", Behaviour(instead=JSON_PAGE), 2),
    "503": Fault("the first two replies are 503", Behaviour(instead=BUSY), 2),
    "not_yet": Fault("the first three replies are 404", Behaviour(instead=MISSING), 3),
    "gone": Fault("every reply is 404", Behaviour(instead=MISSING)),
    "stale_url": Fault("403, until a URL is used that was told after the first request", Behaviour(instead=EXPIRED)),
    "redirect": Fault("a redirect to another origin, which serves the file", Behaviour(elsewhere=True)),
    "chunked": Fault("chunks, no length and no ranges", Behaviour(framing="chunks", ranges=False)),
    "chunked_cut": Fault(
        "the first stream of chunks ends after a third", attrs.evolve(_CLOSED, framing="chunks", ranges=False), 1
    ),
    "until_close": Fault("no length: the body ends with its connection", Behaviour(framing="close", ranges=False)),
    "until_close_cut": Fault(
        "the same, and the first ends after a third", attrs.evolve(_CLOSED, framing="close", ranges=False), 1
    ),
    "slow": Fault("the file trickles", Behaviour(slow=True)),
    "stall": Fault("the first stream stands still after a third", attrs.evolve(_CLOSED, stop="stall"), 1),
    "endless": Fault("the file has no end", Behaviour(framing="chunks", ranges=False, endless=True)),
    "gzip": Fault("packed, whatever was asked for", Behaviour(gzip=True, ranges=False)),
}
KNOWN_FILE_FAULTS: Mapping[str, str] = {name: fault.text for name, fault in FILE_FAULTS.items()}
"""Every fault's name, and what it does."""


@attrs.define
class _Case:
    """What a file meets, how often it was asked for, and the number of the last URL that was told by then."""

    fault: str | None
    last_url: int
    asked: int = 0


class FileFaults:
    """Which file meets which fault, and how far it has got with it."""

    def __init__(self, chances: Mapping[str, float] | None, seed: int) -> None:
        self._seed = seed
        self.set(chances)

    def set(self, chances: Mapping[str, float] | None) -> None:
        """Replace the chances and forget what was drawn; ValueError for a wrong name, or for more than 1 in all."""
        self._chances = check_chances(chances, KNOWN_FILE_FAULTS, "file fault")
        self._cases: dict[str, _Case] = {}

    def meet(self, task_id: str, url: int, told: int) -> tuple[str | None, Behaviour]:
        """What a request meets: the fault's name, None for none, and the behaviour.

        `url` is the number of the URL that it came by, `told` that of the newest one.
        """
        case = self._cases.get(task_id)
        if case is None:
            throw = Random(f"files-{self._seed}-{task_id}").random()
            case = self._cases[task_id] = _Case(pick(self._chances, throw), told)
        case.asked += 1
        if case.fault is None:
            return None, WELL
        fault = FILE_FAULTS[case.fault]
        behaviour = fault.first if fault.times is None or case.asked <= fault.times else fault.then
        if case.fault == "stale_url" and url > case.last_url:
            behaviour = WELL
        return (None if behaviour is WELL else case.fault), behaviour
