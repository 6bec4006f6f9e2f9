"""The pacer: what the account allows, found and used to the full without being told.

An account has limits that nobody tells: requests a second, tasks that run at once; they differ per gateway and change.
One pacer per account is shared by everything that sends.
A reply teaches it; it holds requests back, and never decides about a job.

**What is believed.**
Three things can hold the next request back, and each is a module:
`gate` (a pause that was asked for), `ceiling` (running tasks), `rate` (requests a second).
Beside them there may be refusals that no pace avoids, as where one of five channels behind a gateway is out:
`background` finds their share.

**What a refusal teaches.** It is taken for one that speaks of the pace until a test has shown otherwise.
Four rules hold for that:

- One refusal is one lesson: refusals of requests that were sent before the last cut are ignored.
- A Retry-After is never undercut.
- A pace that was not used proves nothing: growth counts accepted jobs only while the pace was what held them back.
- What the user gives is a cap and a start; a named code (1302 rate, 1303 capacity) overrides inference.

**When refusals do not speak of the pace.**
Where they go on, the pacer lowers the pace to well below what passed lately, and compares.
A limit lets through what it let through before, so it refuses hardly anything there; chance refuses the same share.
If the share stayed, the pacer raises the pace again: under a limit, twice the pace means half of it refused at least;
under chance, the share stays once more.
Only then is the share believed, as the background; from then on only what exceeds it is a lesson.
The pace at which this is tested is what was accepted lately, and so is the floor: it is never a constant.

**Why no limit is taken for chance.** What passed is measured from a refusal to a refusal.
The limiter was empty at both ends, so a saved burst does not count: what passed is the limit or, for pauses, less.
A limit that is refused at six tenths of that has fallen meanwhile; then the second step finds it, for half is refused.
A closed limiter refuses in a row, which counts once; running tasks end slowly, so a slow test begins a minute late.
A background never grows without such a test, however often it is exceeded, so a limit beside it keeps holding;
and it is tested again from below, so it goes when its cause does.
What can still be mistaken for chance is a limit that others use up without ever giving way.

**Running tasks** are the one case with a shorter proof: a task runs a minute at least.
Where more tasks began since the first refusal than can have ended (none younger than that), it was not their number.
"""

from .pacer import Pacer, PacerStatistics

__all__ = ["Pacer", "PacerStatistics"]
