"""From a task to its end: when to ask for which task, what an answer means for it, and one loop that asks for all.

It imports the words, `wire` and `dispatch`; `planner`, `durations`, `freshness` and `fates` know no clock, no loop
and no network.
Start to read at `planner.Planner`, then `fates.judge_task`, beside the wire contract, section 5a.
"""
