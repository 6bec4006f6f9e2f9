"""Citations are true: every section and rule of the wire contract that is cited exists, and every linked file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lipsync_async

ROOT = Path(__file__).parent.parent
PACKAGE = Path(lipsync_async.__file__).parent
"""Not always in `ROOT`: the suite runs against the built wheel too."""
CONTRACT = (ROOT / "docs" / "wire-contract.md").read_text(encoding="utf-8")

HEADING = re.compile(r"^## (\d+[a-z]?)\. .*\n((?:(?!## ).*\n)*)", re.MULTILINE)
RULE = re.compile(r"^(\d+)\. ", re.MULTILINE)
SECTIONS = {name: set(RULE.findall(text)) for name, text in HEADING.findall(CONTRACT)}
"""The rules of every section, by the section's name."""

NUMBERS = r"(\d+[a-z]?(?:(?:,| and| to) \d+[a-z]?)*)\b(?!\.\d)"
CITED = re.compile(
    rf"(?<!RFC \d{{4}}, )\b(?:rules? {NUMBERS} of (?:the )?(?:\w+'s )?)?"
    rf"sections? {NUMBERS}(?:, rules? {NUMBERS})?",
    re.IGNORECASE,
)
"""`section 5a`; `sections 1 to 5`; `section 4, rule 1`; `rules 3 to 5 of the contract's section 4`."""


def sources() -> list[Path]:
    """Every file of ours that may cite the contract."""
    places = (PACKAGE, ROOT / "tests", ROOT / "docs", ROOT / "benchmarks")
    found = [path for place in places for path in sorted(place.rglob("*")) if path.suffix in {".py", ".md"}]
    return [*found, *sorted(ROOT.glob("*.md"))]


def listed(numbers: str) -> list[str]:
    """`1 to 3` and `1, 2 and 3` as 1, 2, 3."""
    found: list[str] = []
    for joint, number in re.findall(r"(,| and| to|^) ?(\d+[a-z]?)", numbers):
        if joint.strip() == "to":
            found += map(str, range(int(found[-1]) + 1, int(number)))
        found.append(number)
    return found


def citations(text: str) -> Iterator[tuple[str, str | None]]:
    """Every pair of a section and a rule that a text cites; None: no rule in particular."""
    for before, sections, after in CITED.findall(re.sub(r"\s*\n[#\s]*", " ", text)):
        for section in listed(sections):
            rules: list[str | None] = [*listed(before or after)]
            for rule in rules or [None]:
                yield section, rule


def missing(text: str) -> list[tuple[str, str | None]]:
    """The citations of a text that lead nowhere."""
    return [(section, rule) for section, rule in citations(text) if not exists(section, rule)]


def exists(section: str, rule: str | None) -> bool:
    """Whether the contract has it."""
    return section in SECTIONS and (rule is None or rule in SECTIONS[section])


def test_the_contract_has_its_sections() -> None:
    """The headings and the numbered rules are read as they stand."""
    assert list(SECTIONS) == ["1", "2", "3", "4", "5", "5a", "5b", "6", "7"]
    assert {name: rules for name, rules in SECTIONS.items() if rules} == {"4": {"1", "2", "3", "4", "5"}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(contract, section 5a)", [("5a", None)]),
        ("the contract (sections 3 and 4)", [("3", None), ("4", None)]),
        ("contract, sections 1 to 3", [("1", None), ("2", None), ("3", None)]),
        ("contract, section 4,\n    # rule 1", [("4", "1")]),
        ("rules 3 to 5 of the contract's section 4", [("4", "3"), ("4", "4"), ("4", "5")]),
        ("(RFC 9110, section 10.2.3)", []),
        ("(RFC 9110, section 5)", []),
    ],
)
def test_every_form_of_a_citation_is_read(text: str, found: list[tuple[str, str | None]]) -> None:
    """Also over the end of a line."""
    assert list(citations(text)) == found


def test_a_wrong_citation_is_found() -> None:
    """A section or a rule that the contract does not have."""
    assert missing("contract, section 8; contract, section 4, rule 6; contract, section 2, rule 1") == [
        ("8", None),
        ("4", "6"),
        ("2", "1"),
    ]


def test_every_cited_section_exists() -> None:
    """In code, tests and docs; this file apart, which cites what does not exist."""
    texts = {path: path.read_text(encoding="utf-8") for path in sources() if path.name != "test_contract.py"}
    assert {path.name: lost for path, text in texts.items() if (lost := missing(text))} == {}
    assert sum(1 for text in texts.values() for _ in citations(text)) > 40


def place_of(link: str, page: Path) -> Path:
    """The file that a page's link means."""
    place = (page.parent / link).resolve()
    inside = place.relative_to(ROOT) if place.is_relative_to(ROOT) else place
    return PACKAGE.parent / inside if inside.parts[:1] == ("lipsync_async",) else place


def test_every_linked_file_exists() -> None:
    """No link of a page leads nowhere."""
    pages = [path for path in sources() if path.suffix == ".md"]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not place_of(link, page).exists()] == []


def test_every_page_that_is_named_exists() -> None:
    """`docs/...`, wherever it is named."""
    names = {name for path in sources() for name in re.findall(r"\bdocs/[\w./-]*\w", path.read_text(encoding="utf-8"))}
    assert "docs/wire-contract.md" in names
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []
