"""From a finished task to its video: whole and in its place, or not there at all (contract, section 5b).

It imports the words and `wire`, and knows nothing of `dispatch`, `tasks` and the journal.
`names`, `addresses`, `heads`, `budget`, `content` and `meter` know no clock, no loop and no network.
Start to read at `fetcher.Fetcher`, then `stream.Stream`; `crew.Crew` is what a client holds.
"""
