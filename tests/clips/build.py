"""Odd clips, written in code."""

from __future__ import annotations

from pathlib import Path
from struct import pack

CLIPS = Path(__file__).parent
RATE = 8000
"""Hz; all WAV files made here are 8 kHz, mono, 16 bits: 16,000 bytes a second."""
SOUND = bytes(range(1, 251)) * 192
"""Three seconds of it."""


def clip(name: str) -> bytes:
    """The content of a clip of this directory."""
    return (CLIPS / name).read_bytes()


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, perhaps with a size that is a lie."""
    return name + pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def fmt(tag: int = 1, rate: int = RATE, byte_rate: int = 2 * RATE, align: int = 2, tail: bytes = b"") -> bytes:
    """A format chunk."""
    return chunk(b"fmt ", pack("<HHIIHH", tag, 1, rate, byte_rate, align, 16) + tail)


def riff(*chunks: bytes, name: bytes = b"RIFF") -> bytes:
    """A WAV file of these chunks."""
    return chunk(name, b"WAVE" + b"".join(chunks))


def wav(sound: bytes = SOUND, size: int | None = None) -> bytes:
    """A WAV file with this sound, perhaps with a size that is a lie."""
    return riff(fmt(), chunk(b"data", sound, size))


def rf64(sound: bytes = SOUND, promised: int | None = None, name: bytes = b"RF64") -> bytes:
    """A WAV file whose sizes are in a ds64 chunk."""
    ds64 = chunk(b"ds64", pack("<QQQI", 0, len(sound) if promised is None else promised, 0, 0))
    return riff(ds64, fmt(), chunk(b"data", sound, 0xFFFFFFFF), name=name)


def box(name: bytes, *content: bytes, size: int | None = None) -> bytes:
    """An ISO box, perhaps with a size that is a lie."""
    body = b"".join(content)
    return pack(">I", 8 + len(body) if size is None else size) + name + body


def large_box(name: bytes, content: bytes) -> bytes:
    """An ISO box with a 64-bit size."""
    return pack(">I4sQ", 1, name, 16 + len(content)) + content


def full(name: bytes, *words: int, flags: int = 0) -> bytes:
    """An ISO box of version 0 with 32-bit fields."""
    return box(name, pack(f">I{len(words)}I", flags, *words))


FTYP = box(b"ftyp", b"M4A ", b"\0\0\0\0")
MVHD = full(b"mvhd", 0, 0, 1000, 0)
TREX = full(b"trex", 1, 1, 1000, 0, 0)


def trak(
    kind: bytes = b"soun",
    samples: int = 0,
    scale: int = 1000,
    codec: bytes = b"mp4a",
    *,
    version: int = 0,
    claimed: int = 1,
) -> bytes:
    """A track of so many samples, each 1,000 units long."""
    stsd = box(b"stsd", pack(">II", 0, 1), box(codec, b"\0" * 80))
    stts = full(b"stts", claimed, samples, 1000)
    stsz = full(b"stsz", 0, samples)
    wide = version << 24
    tkhd = full(b"tkhd", 0, 0, 0, 0, 1, flags=wide) if version else full(b"tkhd", 0, 0, 1)
    mdhd = full(b"mdhd", 0, 0, 0, 0, scale, 0, 0, flags=wide) if version else full(b"mdhd", 0, 0, scale, 0)
    hdlr = box(b"hdlr", b"\0" * 8, kind)
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", box(b"stbl", stsd, stts, stsz))))


def movie(*tracks: bytes, sound: int = 3000, mvhd: bytes = MVHD, mvex: bytes = b"") -> bytes:
    """An M4A file of these tracks, with `sound` bytes of sound."""
    return FTYP + box(b"moov", mvhd, *tracks, mvex) + box(b"mdat", b"\1" * sound)


def fragment(*truns: bytes, tfhd: bytes | None = None, sound: int = 1000) -> bytes:
    """A fragment of track 1."""
    return box(b"moof", box(b"traf", tfhd or full(b"tfhd", 1), *truns)) + box(b"mdat", b"\1" * sound)


def fragmented(*fragments: bytes) -> bytes:
    """A fragmented M4A file of 1,000 units a second, and as many in a sample where nothing else is said."""
    return FTYP + box(b"moov", MVHD, trak(), box(b"mvex", TREX)) + b"".join(fragments)


def id3(content: bytes, flags: int = 0) -> bytes:
    """An ID3v2 tag."""
    size = len(content)
    return b"ID3\4\0" + bytes([flags, size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + content


def mp3(frames: int, header: bytes = b"\xff\xfb\x90\x00", length: int = 417, first: bytes = b"") -> bytes:
    """MP3 frames (at first: 128 kbit/s, 44.1 kHz, 417 bytes, 26.1 ms), all silent; `first` is put into the first."""
    frame = header.ljust(length, b"\0")
    return (header + first).ljust(length, b"\0") + frame * (frames - 1)


def adts(frames: int, length: int = 100) -> bytes:
    """ADTS frames at 44.1 kHz, of 23.2 ms."""
    header = b"\xff\xf1\x50" + pack(">I", 0x80000000 | length << 13 | 0x1FFC)
    return header[:7].ljust(length, b"\0") * frames
