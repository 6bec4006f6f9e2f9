"""What a PostgreSQL server, or the way to it, says no with: in words for people, and never with a password."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import asyncpg

from lipsync_async.unreachable import in_question

URL_FORM = (
    "write the URL as postgresql://user:password@host:5432/database,"
    " with the odd characters of a password as in URLs (%2F for /, %40 for @)"
)
_REFUSED = (
    "the user or the password is refused: see that both are those of this server (a password is looked for in the URL,"
    " in PGPASSWORD and in ~/.pgpass)"
)
_NO_RIGHTS = "this user may not use or make the journal's tables: grant it USAGE and CREATE on the schema"
_CURES: Mapping[type[Exception], str] = {
    asyncpg.exceptions.InvalidPasswordError: _REFUSED,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError: _REFUSED,
    asyncpg.exceptions.InvalidSchemaNameError: _NO_RIGHTS,
    asyncpg.exceptions.InsufficientPrivilegeError: _NO_RIGHTS,
}
"""By what the server raised; the first class in its order of inheritance."""


def away(error: Exception) -> str:
    """Why there was no answer."""
    if isinstance(error, OSError) and "SSL" in str(error):
        return "there is no TLS there, and the URL asks for it (sslmode)"
    if isinstance(error, OSError):
        return in_question(error, "PostgreSQL")
    return str(error) or type(error).__name__


def refused(error: Exception, url: str) -> str:
    """What the server said no to, with its cure."""
    if isinstance(error, asyncpg.exceptions.InvalidCatalogNameError):
        database = unquote(urlsplit(url).path.strip("/"))
        return f"there is no database {database or 'of this name'} on that server: make it first, with createdb"
    cure = next((_CURES[kind] for kind in type(error).__mro__ if kind in _CURES), "")
    return f"{cure} [{error}]" if cure else str(error)
