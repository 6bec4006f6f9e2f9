"""Made `schema_1.db` beside it, run on commit c4ec139, the last whose journals have schema 1; a test reads RECORDS.

`git worktree add ../old c4ec139`, then `PYTHONPATH=../old python tests/journal/data/make_schema_1.py`.
"""

from __future__ import annotations

from pathlib import Path

from lipsync_async.journal import Record, State, Store, Try

PATH = Path(__file__).with_name("schema_1.db")
GATEWAY = "https://api.example.com"
ACCOUNT = "studio"
NOTES = {"trusted": "yes", "an odd name \n": "网关 \x00 'said'"}
LISTS = {"a" * 64: 9, "b" * 64: 1_000_000}
ODD = "网关 said: 'no'; \"\\\x00\n\t\u2028 🎬 e\u0301"

RECORDS = (
    Record("open", b"\x00" * 16, State.OPEN, first_intent_at=1.7e9, last_intent_at=1.7e9, line=1),
    Record("open-bare", b"", State.OPEN),
    Record(
        "cleared",
        b"\xff" * 16,
        State.CLEARED,
        attempts=1,
        refusals=7,
        first_intent_at=1700000000.25,
        last_intent_at=1700000060.5,
        line=3,
        history=(Try(1, 1700000000.25, "answered", "rate", 429, 1302),),
    ),
    Record(
        "accepted",
        bytes(range(16)),
        State.ACCEPTED,
        attempts=1,
        first_intent_at=1700000001.0,
        last_intent_at=1700000001.0,
        line=4,
        task_id="860000000000000001",
        task_status="submitted",
        http_status=200,
        request_id="request-4",
    ),
    Record(
        "recovered",
        bytes(range(16, 32)),
        State.ACCEPTED,
        attempts=2,
        refusals=1,
        first_intent_at=1700000002.125,
        last_intent_at=1700000032.0,
        line=5,
        task_id="860000000000000002",
        recovered=True,
        history=(Try(1, 1700000002.125, "sent", "timeout"), Try(2, 1700000032.0, "sent", "connection", None, "E1")),
    ),
    Record(
        "rejected",
        b"r",
        State.REJECTED,
        attempts=1,
        first_intent_at=1700000003.0,
        last_intent_at=1700000003.0,
        line=6,
        http_status=400,
        kind="content_policy",
        code=1301,
        message=ODD,
        history=(Try(1, 1700000003.0, "answered", "content_policy", 400, 1301),),
    ),
    Record(
        "unknown",
        b"u",
        State.UNKNOWN,
        attempts=3,
        first_intent_at=1700000004.0,
        last_intent_at=1700000104.0,
        line=7,
        http_status=504,
        request_id="r-7",
        kind="timeout",
        code="E-" + ODD,
        message="no answer",
        phase="sent",
        history=tuple(Try(number, 1700000004.0 + number, "sent", "timeout", 504, ODD) for number in (1, 2, 3)),
    ),
    Record("not-sent", b"n", State.NOT_SENT, refusals=2, first_intent_at=1700000005.0, line=8, kind="cancelled"),
    Record(ODD, b"\x00\xff", State.UNKNOWN, message="\\ud83d!", code=str(1 << 70), phase="sent"),
)


def main() -> None:
    """Write it anew, closed cleanly, so that it is one file."""
    PATH.unlink(missing_ok=True)
    with Store(PATH, gateway=GATEWAY, account=ACCOUNT) as store:
        store.write(RECORDS)
        for name, value in NOTES.items():
            store.remember(name, value)
        for digest, count in LISTS.items():
            store.remember_list(digest, count)
    PATH.with_name(PATH.name + ".lock").unlink()


if __name__ == "__main__":
    main()
