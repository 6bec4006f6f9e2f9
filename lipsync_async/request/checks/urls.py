"""The rules for URLs: of a sound, and of a callback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from lipsync_async.errors import Violation

from .values import has_blank, is_unicode, type_name, unencodable

# It matches only URLs that are plainly right; all others go to `url_faults`, which is slower and thorough.
_is_plain_url = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[1-9][0-9]{0,3})?(?:[/?#][!-~]*)?").fullmatch


def is_plain_link(value: object) -> bool:
    """Whether a URL is plainly right; anything else goes to `url_faults`."""
    return type(value) is str and _is_plain_url(value) is not None


def url_faults(path: str, url: object) -> Iterator[Violation]:
    """Why `url` is not an absolute http or https URL, as violations at `path`."""
    if not isinstance(url, str):
        yield Violation(path, "not_a_string", f"must be a URL as a string, not {type_name(url)}")
    elif not is_unicode(url):
        yield unencodable(path)
    elif has_blank(url):
        yield Violation(path, "url_blank", "a URL has no blanks and no control characters: write %20 for a space")
    elif not url.lower().startswith(("http://", "https://")):
        yield Violation(path, "url_scheme", "the URL must begin with http:// or https://")
    elif not _has_host(url):
        told = "the URL must name a host (and a port up to 65535, if any): https://example.com/..."
        yield Violation(path, "url_host", told)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # brackets that don't match, or a port that is no number
        return False
