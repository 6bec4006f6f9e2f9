"""How a job gets through: one batch is a `Run`, and what all runs of a client share is an `Account`.

It imports the words, `request`, `wire` and `journal`; every decision is made in a room without a clock or a network.
Start to read at `run.Run`, and follow one job: `entry`, `sending`, `asking`, `delivery`.
"""
