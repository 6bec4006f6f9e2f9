"""The pacer: what the account allows, found and used to the full without being told.

An account has limits that nobody tells: requests a second, tasks that run at once; they differ per gateway and change.
One pacer per account is shared by everything that sends.
A reply teaches it; it holds requests back, and never decides about a job.

Three things can hold the next request back, and each is a module:
`gate` (a pause that was asked for), `ceiling` (running tasks), `rate` (requests a second).
Four rules hold in all of them:

- One refusal is one lesson: refusals of requests that were sent before the last cut are ignored.
- A Retry-After is never undercut.
- A pace that was not used proves nothing: growth counts accepted jobs only while the pace was what held them back.
- What the user gives is a cap and a start; a named code (1302 rate, 1303 capacity) overrides inference.
"""

from .pacer import Pacer, PacerStatistics

__all__ = ["Pacer", "PacerStatistics"]
