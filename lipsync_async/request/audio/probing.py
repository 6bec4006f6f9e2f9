"""Look at the first bytes, and hand the content to the reader that knows them."""

from __future__ import annotations

from typing import BinaryIO

from .info import AudioInfo, Container, Finding
from .iso import is_iso, read_iso
from .mpeg import read_mpeg, skip_id3
from .riff import is_wav, read_wav

WINDOW = 8 * 1024 * 1024
"""At most this many bytes of a file are read: a create call takes 5 MiB (contract, section 2)."""

# The signatures of formats that are refused, for the message; of two that begin alike the longer stands first.
_LOOKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg (Vorbis or Opus)"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (8, b"AVI ", "AVI"),
    (0, b"RIFX", "a big-endian WAV (RIFX)"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF-C"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA or another ASF file"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"caff", "Core Audio (CAF)"),
    (0, b".snd", "Sun audio (AU)"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MThd", "MIDI"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


def probe(source: BinaryIO, size: int) -> AudioInfo:
    """Returns what the content of `source` is; `size` is its whole size in bytes.

    Reads at most its first 8 MiB.
    Raises `OSError` if it can't be read, and nothing else, whatever the bytes are.
    """
    window = source.read(min(size, WINDOW))
    # A source that ends early has the size that was read; `size` counts only for what lies after the window.
    found = _read(window, size if len(window) == WINDOW else len(window))
    return AudioInfo(found.container, found.duration, size, found.note, found.codec)


def _read(data: bytes, size: int) -> Finding:
    start = skip_id3(data)
    body, size = data[start:], size - start
    if not body:
        return Finding(Container.OTHER, None, "it holds nothing but a tag" if start else "it is empty")
    if is_wav(body):
        return read_wav(body, size)
    if is_iso(body):
        return read_iso(body, size)
    looks = _looks_like(body)
    # Signatures first: an AVI or a FLAC may contain bytes that look like MP3 frames.
    found = None if looks else read_mpeg(body, size)
    return found or Finding(Container.OTHER, None, f"it looks like {looks or _text(body) or 'nothing that is known'}")


def _looks_like(body: bytes) -> str:
    return next((name for at, magic, name in _LOOKS if body.startswith(magic, at)), "")


def _text(body: bytes) -> str:
    head = body[:512].removeprefix(b"\xef\xbb\xbf").strip().lower()
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if head.startswith((b"{", b"[")):
        return "JSON"
    return "text" if head.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in head) else ""
