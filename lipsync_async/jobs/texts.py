"""Texts that are not what their writer meant: ids that a spreadsheet rounded, placeholders, characters nobody sees."""

from __future__ import annotations

import re
import unicodedata

_PLACEHOLDERS = frozenset(
    {"nan", "none", "null", "nil", "undefined", "n/a", "#n/a", "<na>", "nat", "#ref!", "#value!", "#name?", "#div/0!"}
    | {"#num!", "#null!", "#spill!", "[object object]"}
)
"""What programs write for a cell without a value, in small letters."""
_NO_CELL = re.compile(r"\s*#(?:REF|VALUE|NAME|DIV/0|NUM|NULL|SPILL|N/A|####)[!?]?\s*", re.IGNORECASE)
_MANGLED = (
    (
        re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}"),
        "was rounded by a spreadsheet",
    ),
    (re.compile(r"[0-9]{15}0{3,7}"), "ends in zeros after its 15th digit, where spreadsheets and floats round"),
    (re.compile(r"[+-]?[0-9]+\.0+"), "was taken for a number"),
    (re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"), "was taken for a number"),
    (re.compile(r"=.*", re.DOTALL), "is a spreadsheet's formula"),
    (re.compile(r"'[0-9]+"), "begins with the ' that makes a spreadsheet's cell a text"),
)
_plain = re.compile(r"(?![0-9]{15}0{3,7}$)(?!(?i:nan|none|null|nil|undefined|nat)$)[A-Za-z0-9_-]+").fullmatch


def is_placeholder(text: str) -> bool:
    """Whether it stands for nothing: `nan`, `NULL`, `#REF!`; never for a text that merely holds one."""
    return text.strip().lower() in _PLACEHOLDERS or _NO_CELL.fullmatch(text) is not None


def mangled(text: str) -> str:
    """What a program did to an id that it took for a number; "" for nothing."""
    return next((told for pattern, told in _MANGLED if pattern.fullmatch(text.strip())), "")


def invisible(text: str) -> str:
    """The first character that nobody sees (category Cf), by its name and place; "" where there is none."""
    if text.isascii():
        return ""
    for place, char in enumerate(text, 1):
        if unicodedata.category(char) == "Cf":
            name = unicodedata.name(char, "no name")
            return f"an invisible character (U+{ord(char):04X} {name.lower()}) as its character {place}"
    return ""


def id_fault(text: str) -> tuple[str, str] | None:
    """The rule that an id breaks, and how it would be right; None for any that may be one."""
    if _plain(text):
        return None
    if is_placeholder(text):
        return (
            "placeholder",
            f"is {text.strip()}, which programs write for an empty cell: give the id, or leave it empty",
        )
    if told := mangled(text):
        return "mangled_id", f"{told}: make the column a text column, and fill in the ids anew"
    if told := invisible(text):
        return "invisible_character", f"holds {told}: write it anew by hand"
    return None
