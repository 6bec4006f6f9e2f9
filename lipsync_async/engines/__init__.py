"""Task engines in front of a shared journal: they deliver at least once, and the journal pays once.

`delivered` says what a delivery of one job comes to, for any engine; `packing` writes a request as plain values;
`postgres_queue` is the worked-out engine, procrastinate (the extra `procrastinate`).
It imports the client and what is below it, and is imported by `cli` alone. Start to read at `delivered`.
"""
