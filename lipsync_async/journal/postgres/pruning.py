"""Forgetting old jobs in PostgreSQL, some at a time, so that nobody who writes has to wait."""

from __future__ import annotations

from lipsync_async.errors import JournalError
from lipsync_async.journal.claims import Away

from . import statements
from .opening import read_url

AT_ONCE = 5000
PATIENCE = 60.0
_KINDS = """
WITH RECURSIVE found AS (
    SELECT min(kind) AS kind FROM lipsync_entries WHERE journal = $1
    UNION ALL
    SELECT (SELECT min(kind) FROM lipsync_entries WHERE journal = $1 AND kind > found.kind)
    FROM found WHERE found.kind IS NOT NULL)
SELECT kind FROM found WHERE kind IS NOT NULL
"""
"""One look at the index a kind, however many entries there are."""
_JOBS = """
WITH old AS (
    SELECT journal, external_task_id FROM lipsync_jobs
    WHERE journal = $1 AND seq > $4 AND owner IS NULL AND changed_at < clock_timestamp()
    AND (state IN ('accepted', 'rejected', 'not_sent') AND COALESCE(last_intent_at, first_intent_at, 0) < $2
         OR state IS NULL AND changed_at < to_timestamp($2))
    ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED),
kept AS (
    DELETE FROM lipsync_entries e USING old, unnest($5::text[]) AS of(kind)
    WHERE e.journal = old.journal AND e.kind = of.kind AND e.name = old.external_task_id)
DELETE FROM lipsync_jobs j USING old
WHERE j.journal = old.journal AND j.external_task_id = old.external_task_id RETURNING j.state, j.seq
"""
"""Each piece begins where the one before ended: what was deleted still lies there, and is not read again."""
_HISTORIES = """
DELETE FROM lipsync_entries WHERE journal = $1 AND kind = ANY($2::text[]) AND starts_with(name, E'\\x01')
AND changed_at < to_timestamp($3) AND changed_at < clock_timestamp() - make_interval(secs => $4)
"""
"""What is kept for no job, but for a process: no id begins so. One that lives writes its own anew, whole."""
LIVES = 86_400.0
"""Seconds for which a history stays after its last line, whatever the day that was named."""
_OWNERS = """
DELETE FROM lipsync_owners o WHERE o.lease < to_timestamp($1) AND o.lease < clock_timestamp() - interval '1 day'
AND NOT EXISTS (SELECT 1 FROM lipsync_jobs j WHERE j.owner = o.owner)
"""


async def prune_postgres(url: str, gateway: str, account: str, before: float) -> int:
    """Returns how many jobs went. Raises `JournalError`."""
    address = read_url(url)
    line = address.line(PATIENCE)
    count = last = 0
    try:
        row = await line.ask(lambda one: one.fetchrow(statements.JOURNAL, gateway, account))
        kinds = [found["kind"] for found in await line.ask(lambda one: one.fetch(_KINDS, row["id"]))]
        while gone := await line.ask(lambda one: one.fetch(_JOBS, row["id"], before, AT_ONCE, last, kinds)):  # noqa: B023
            count += sum(job["state"] is not None for job in gone)
            last = max(job["seq"] for job in gone)
        await line.ask(lambda one: one.execute(_HISTORIES, row["id"], kinds, before, LIVES))
        await line.ask(lambda one: one.execute(_OWNERS, before))
    except Away as error:
        raise JournalError(f"the journal {address.name} does not answer: {error}") from error
    finally:
        await line.aclose()
    return count
