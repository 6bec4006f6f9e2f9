"""Checks the built pages: `links.py FOLDER`. Every link leads somewhere, and no page loads anything from elsewhere.

Links to other hosts are not followed; the gate has no network. Their hosts must be among `KNOWN`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

KNOWN = frozenset({"github.com", "keepachangelog.com", "pradyunsg.me", "semver.org", "www.sphinx-doc.org"})
"""Hosts that a page may name as a link."""
_LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src"), ("video", "src")}


class Page(HTMLParser):
    """The anchors of a page, and what it links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        """Address, and whether it is loaded with the page."""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what matters of one tag."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                canonical = ("rel", "canonical") in attrs
                self.links.append((value, (tag, name) in _LOADS and not canonical))


def faults(folder: Path) -> Iterator[str]:
    """Every fault of the pages below a folder, in words."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        yield f"{folder} has no pages"
    for page in pages.values():
        for address, loaded in page.links:
            told = _fault(page, address, loaded, pages)
            if told:
                yield f"{page.path.relative_to(folder)}: {address}: {told}"


def _fault(page: Page, address: str, loaded: bool, pages: dict[Path, Page]) -> str:
    parts = urlsplit(address)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        if loaded:
            return "is loaded from another host"
        return "" if parts.hostname in KNOWN else "is a host that is not known"
    target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
    if not target.exists():
        return "leads nowhere"
    found = pages.get(target)
    if parts.fragment and found is not None and unquote(parts.fragment) not in found.anchors | {"top"}:
        return "has no such anchor"
    return ""


def main(folder: str) -> int:
    """Prints all faults; gives the exit code."""
    told = list(dict.fromkeys(faults(Path(folder))))
    print("\n".join(told) if told else f"{folder}: all links are in order")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
