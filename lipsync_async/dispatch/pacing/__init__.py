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

**Running tasks.** A task holds its place from its create to its end; the gateway tells an end late, by its freshness,
and a look comes later still.
So what is seen is neither how many run nor how many may; both are believed, each with a doubt:

- *How long tasks take, and how late that is seen* (`survival`): each end that is seen tells when it was, on the
  gateway's own clock. The share of tasks that lasts beyond an age, over the share that is unseen beyond it,
  is the chance that a task of that age runs. Tasks that were not seen to end count too, or the short ones would speak
  for all; where nobody waits for tasks, only their age counts.
- *How many run* (`running`): the sum of these chances over all tasks that were not seen to end. Its doubt is the sum of
  `p (1 - p)`; of 20 tasks of 60 to 180 s whose ends are never seen, it is 1.8 tasks. It does not add up with time.
- *How many may* (`allowance`): a weight for every number. A refusal says that as many run as may; an acceptance, that
  fewer do. A number weighs more, the likelier it makes the reply; and for each number, the reply also says how many
  run, for as long as the same tasks are in doubt. A number that the user told outweighs all others until a reply
  speaks clearly against it: then a refusal is more likely to say that one task more ran.
- *When to send* (`ceiling`): when the chance of a refusal has fallen far enough. An empty place costs what it could
  have done until its end were seen, a refusal costs a request: the later ends are seen, the greater a chance is borne.

It is a belief about tasks that run, so a number that the user tells means those, and not ends that were not seen yet.
It is exact where ends are seen at once, for then all that are unseen run; and no worse than without sight where they
are seen very late, for then the age alone says more than a drip can.
Until that is known, and where no end is ever seen, sends drip: refusals alone say when a place became free.

**Whether it was their number** has a short proof of its own: a task runs a minute at least.
Where more tasks began since the first refusal than can have ended (none younger than that), it was not.
"""

from .face import Pacing
from .pacer import Pacer, PacerStatistics

__all__ = ["Pacer", "PacerStatistics", "Pacing"]
