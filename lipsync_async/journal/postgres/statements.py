"""The SQL of a shared journal. Each statement is one transaction.

Who takes a dead owner's job over locks the owner's row first, and who writes an intent holds on to its own. So no
intent is written between the look at a lease and the taking over.
`clock_timestamp()` is the server's time at this moment, and not that of the transaction's beginning.
"""

from __future__ import annotations

from lipsync_async.journal.claims import LEASES_UP

from .rows import COLUMNS, TYPES

VERSION = 1
LOCK = 0x4C697053
"""Of the advisory lock under which the schema is made."""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS lipsync_schema (version int NOT NULL);
CREATE TABLE IF NOT EXISTS lipsync_journals (
    id serial PRIMARY KEY, gateway text NOT NULL, account text NOT NULL, journal_id text NOT NULL, salt bytea NOT NULL,
    UNIQUE (gateway, account));
CREATE TABLE IF NOT EXISTS lipsync_owners (
    owner text PRIMARY KEY, lease timestamptz NOT NULL, seconds float8 NOT NULL, who text);
CREATE TABLE IF NOT EXISTS lipsync_jobs (
    journal int NOT NULL REFERENCES lipsync_journals, seq bigserial NOT NULL,
    {", ".join(f"{name} {kind}" for name, kind in TYPES.items())},
    owner text, fence bigint NOT NULL DEFAULT 0, step bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (external_task_id, journal));
CREATE UNIQUE INDEX IF NOT EXISTS lipsync_jobs_seq ON lipsync_jobs (journal, seq);
CREATE INDEX IF NOT EXISTS lipsync_jobs_owner ON lipsync_jobs (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS lipsync_jobs_doubt ON lipsync_jobs (journal, seq) WHERE state IN ('open', 'unknown');
CREATE TABLE IF NOT EXISTS lipsync_entries (
    journal int NOT NULL REFERENCES lipsync_journals, seq bigserial NOT NULL, kind text NOT NULL, name text NOT NULL,
    state text NOT NULL, value bytea NOT NULL, changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (journal, kind, name));
CREATE INDEX IF NOT EXISTS lipsync_entries_seq ON lipsync_entries (journal, kind, seq);
CREATE TABLE IF NOT EXISTS lipsync_notes (
    journal int NOT NULL REFERENCES lipsync_journals, name text NOT NULL, value text NOT NULL,
    PRIMARY KEY (journal, name));
"""
_SHOWN = ", ".join(f"j.{name}" for name in COLUMNS)
JOURNAL = "SELECT id, journal_id, salt FROM lipsync_journals WHERE gateway = $1 AND account = $2"
NEW_JOURNAL = (
    "INSERT INTO lipsync_journals (gateway, account, journal_id, salt) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (gateway, account) DO NOTHING"
)

BEAT = """
INSERT INTO lipsync_owners AS o (owner, lease, seconds, who)
VALUES ($1, clock_timestamp() + make_interval(secs => $2), $2, $3)
ON CONFLICT (owner) DO UPDATE SET lease = excluded.lease, seconds = excluded.seconds
"""
STRAYS = """
UPDATE lipsync_jobs SET owner = NULL
WHERE owner = $1 AND journal = $2 AND step <= $3 AND external_task_id <> ALL($4::text[])
"""
"""What the owner got up to that step and does not know of: the answer to its claim was lost."""

CLAIM = f"""
INSERT INTO lipsync_jobs AS j (journal, external_task_id, owner, fence, step)
SELECT $1, n.id, $2, 1, $4 FROM unnest($3::text[]) AS n(id) ORDER BY n.id
ON CONFLICT (external_task_id, journal) DO UPDATE SET owner = $2, fence = j.fence + 1, step = $4
WHERE (j.owner IS NULL OR (j.owner = $2 AND j.step < $4)) AND j.state IS DISTINCT FROM 'accepted'
RETURNING {_SHOWN}, j.fence
"""
STANDING = f"""
SELECT {_SHOWN}, j.owner IS DISTINCT FROM $3 AND (o.owner IS NULL OR o.lease < clock_timestamp()) AS over, j.owner
FROM lipsync_jobs j LEFT JOIN lipsync_owners o ON o.owner = j.owner
WHERE j.journal + 0 = $1 AND j.external_task_id = ANY($2::text[])
"""
TAKE_OVER = f"""
WITH dead AS MATERIALIZED (
    SELECT o.owner FROM lipsync_owners o
    WHERE o.owner = ANY($5::text[]) AND o.lease < clock_timestamp()
    AND clock_timestamp() > pg_postmaster_start_time() + {LEASES_UP} * make_interval(secs => o.seconds)
    ORDER BY o.owner FOR UPDATE)
UPDATE lipsync_jobs j SET owner = $2, fence = j.fence + 1, step = $4
FROM dead WHERE j.owner = dead.owner AND j.journal + 0 = $1 AND j.external_task_id = ANY($3::text[])
AND j.state IS DISTINCT FROM 'accepted'
RETURNING {_SHOWN}, j.fence
"""

# `journal + 0` is no use to an index: what has no statistics yet is else found by its journal, which is all of it.
_SET = ", ".join(f"{name} = n.{name}" for name in COLUMNS if name != "external_task_id")
_FIRST = 6
"""The number of the first parameter that is a column."""
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(TYPES.values(), _FIRST))
_NAMES = ", ".join(COLUMNS)
WRITE = f"""
WITH me AS MATERIALIZED (
    SELECT 1 FROM lipsync_owners WHERE owner = $2 AND lease > clock_timestamp() FOR KEY SHARE),
n AS (SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bool[], {_ARRAYS}) AS n(fence_, step_, ends, {_NAMES}))
UPDATE lipsync_jobs j
SET step = n.step_, owner = CASE WHEN n.ends THEN NULL ELSE j.owner END, changed_at = clock_timestamp(), {_SET}
FROM n
WHERE j.journal + 0 = $1 AND j.external_task_id = n.external_task_id AND j.fence = n.fence_ AND j.step <= n.step_
AND j.state IS DISTINCT FROM 'accepted'
AND CASE WHEN n.state = 'open' THEN j.owner = $2 AND EXISTS (SELECT 1 FROM me)
    ELSE j.owner = $2 OR j.owner IS NULL END
RETURNING j.external_task_id
"""
RELEASE = """
UPDATE lipsync_jobs j SET owner = NULL, step = n.step
FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS n(id, fence, step)
WHERE j.journal + 0 = $1 AND j.external_task_id = n.id AND j.fence = n.fence AND j.step <= n.step AND j.owner = $2
RETURNING j.external_task_id
"""
ACCEPT = f"""
UPDATE lipsync_jobs j SET owner = NULL, changed_at = clock_timestamp(), {_SET}
FROM unnest({", ".join(f"${number}::{kind}[]" for number, kind in enumerate(TYPES.values(), 2))}) AS n({_NAMES})
WHERE j.journal + 0 = $1 AND j.external_task_id = n.external_task_id AND j.state IS DISTINCT FROM 'accepted'
RETURNING j.external_task_id
"""
"""An acceptance of one who has lost the claim."""
WHY = """
SELECT external_task_id, owner, fence, step, state, task_id FROM lipsync_jobs
WHERE journal + 0 = $1 AND external_task_id = ANY($2::text[])
"""

KEEP = """
INSERT INTO lipsync_entries AS e (journal, kind, name, state, value)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[]) AS n(kind, name, state, value)
ORDER BY 2, 3
ON CONFLICT (journal, kind, name)
DO UPDATE SET state = excluded.state, value = excluded.value, changed_at = clock_timestamp()
"""
NOTE = """
INSERT INTO lipsync_notes (journal, name, value) VALUES ($1, $2, $3)
ON CONFLICT (journal, name) DO UPDATE SET value = excluded.value
"""
_JOB = f"SELECT {_SHOWN}, j.seq FROM lipsync_jobs j WHERE j.journal = $1 AND j.state IS NOT NULL"
RECALL = f"{_JOB} AND j.external_task_id = $2"
PAGE = f"{_JOB} AND j.state = ANY($2::text[]) AND j.seq > $3 ORDER BY j.seq LIMIT 500"
WITNESS = f"{_JOB} AND j.state = 'accepted' AND j.key IS NOT DISTINCT FROM $2 AND j.task_id <> '' LIMIT 1"
