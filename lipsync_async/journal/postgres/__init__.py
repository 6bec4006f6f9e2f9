"""A journal in PostgreSQL, for many processes: `statements` has the SQL, `rows` the values, `line` a connection that
comes back, `table` what a `SharedJournal` asks, `reader` what is read at once, `opening` the URL and the schema.

Needs the extra `postgres` (asyncpg).
"""
