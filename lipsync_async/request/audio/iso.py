"""ISO base media files (MP4, M4A, QuickTime, 3GP): which tracks there are, and how long the sound is.

The duration that the movie's header states must agree with the sum of the samples in its tables and fragments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from struct import iter_unpack

from attrs import evolve, frozen

from .boxes import Box, boxes_of, children_of, find_box
from .info import CUT_SHORT, TOO_LARGE, Container, Finding, ask_tinytag, settle, unpack

_MAX_TRACKS = 64
_FIRST = {b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"sidx", b"free", b"skip", b"wide", b"pnot"}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_PICTURE_CODECS = {b"jpeg", b"mjpa", b"mjpb", b"png "}
_MP4V_PICTURE = re.compile(rb"\x04(?:\x80\x80\x80)?.[\x6c\x6d]", re.DOTALL)
"""A decoder descriptor of the object type JPEG or PNG (ISO 14496-1, 7.2.6.6): so MP4 stores a cover as a track."""


_CODECS = {
    b"Opus": "Opus", b"alac": "ALAC", b"fLaC": "FLAC", b".mp3": "MP3", b"ac-3": "AC-3", b"ec-3": "E-AC-3",
    b"samr": "AMR", b"sawb": "AMR-WB", b"lpcm": "PCM", b"sowt": "PCM", b"twos": "PCM", b"in24": "PCM",
}  # fmt: skip
_MP4A = re.compile(rb"\x03(?:\x80\x80\x80)?....\x04(?:\x80\x80\x80)?.(.)", re.DOTALL)
"""An `mp4a`'s descriptors, up to its object type: 0x40 for AAC, 0x69 and 0x6b for MP3 (ISO 14496-1, 7.2.6)."""


@frozen
class _Track:
    number: int
    kind: bytes
    """The handler: `soun`, `vide`, `text`..."""
    codec: bytes
    holds: str
    """The codec by its usual name, where it is sound and no AAC."""
    is_cover: bool
    scale: int
    """Units a second."""
    units: int
    """The sum of its samples' durations, without fragments."""


def is_iso(data: bytes) -> bool:
    """Whether the data begin like an ISO base media file."""
    return data[4:8] in _FIRST


def read_iso(data: bytes, size: int) -> Finding:
    """Tells audio from video, and measures the sound; `data` is the beginning of the file's `size` bytes."""
    boxes = list(boxes_of(data, 0, size))
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand.startswith(b"3g"):
        told = f"its brand is {brand.decode('latin-1').strip()}"
        return Finding(Container.THREE_GP, None, f"{told}: ffmpeg -i IN -vn -c:a aac OUT.m4a makes an m4a of its sound")
    movie = next((box for box in boxes if box.name == b"moov"), None)
    if movie is None:
        # The tracks are not known then; a brand that stands for audio only is believed.
        container = Container.M4A if brand in _AUDIO_BRANDS else Container.OTHER
        return Finding(container, None, "it is an MP4 file without its index (moov): cut short, or never finished")
    tracks = [_track(data, box) for box in islice(children_of(data, movie, b"trak"), _MAX_TRACKS)]
    sound = [track for track in tracks if track.kind == b"soun"]
    found = _refusal(tracks) or _measure(data, size, boxes, movie, sound)
    return evolve(found, codec=sound[0].holds) if found.container is Container.M4A else found


def _refusal(tracks: Sequence[_Track]) -> Finding | None:
    for track in tracks:
        if track.kind == b"vide" and not track.is_cover:
            return Finding(Container.VIDEO, None, f"it has a video track ({track.codec.decode('latin-1').strip()})")
    if not any(track.kind == b"soun" for track in tracks):
        return Finding(Container.OTHER, None, "it is an MP4 file without sound")
    return None


def _measure(data: bytes, size: int, boxes: Sequence[Box], movie: Box, tracks: Sequence[_Track]) -> Finding:
    fragmented = any(box.name == b"moof" for box in boxes)
    if fragmented and size > len(data):
        return Finding(Container.M4A, None, TOO_LARGE)
    if not boxes[-1].whole or boxes[-1].name == b"moof":
        return Finding(Container.M4A, None, CUT_SHORT)
    payload = sum(box.end - box.start for box in boxes if box.name == b"mdat")
    units = _fragment_units(data, boxes, movie)
    counted = max((track.units + units.get(track.number, 0)) / (track.scale or 1) for track in tracks)
    # The header of a fragmented movie states the length of the whole, that of its first part, or none.
    return settle(Container.M4A, None if fragmented else ask_tinytag(data), counted, payload)


def _track(data: bytes, trak: Box) -> _Track:
    header, media = find_box(data, trak, b"tkhd").start, find_box(data, trak, b"mdia")
    kind = find_box(data, media, b"hdlr").start + 8
    table = find_box(data, media, b"minf", b"stbl")
    description = find_box(data, table, b"stsd")
    codec = data[description.start + 12 : description.start + 16]
    scale = find_box(data, media, b"mdhd").start
    return _Track(
        number=unpack(data, header + (20 if data[header : header + 1] == b"\1" else 12), 4),
        kind=data[kind : kind + 4],
        codec=codec,
        holds=_holds(codec, data[description.start : description.end]),
        # Exactly one picture: a film has more, and a fragmented film has none in this table.
        is_cover=unpack(data, find_box(data, table, b"stsz").start + 8, 4) == 1
        and (codec in _PICTURE_CODECS or _is_mp4v_picture(codec, data[description.start : description.end])),
        scale=unpack(data, scale + (20 if data[scale : scale + 1] == b"\1" else 12), 4),
        units=_table_units(data, find_box(data, table, b"stts")),
    )


def _is_mp4v_picture(codec: bytes, description: bytes) -> bool:
    return codec == b"mp4v" and _MP4V_PICTURE.search(description, description.find(b"esds")) is not None


def _holds(codec: bytes, description: bytes) -> str:
    if codec != b"mp4a":
        return _CODECS.get(codec, "")
    kind = _MP4A.search(description, max(0, description.find(b"esds")))
    return "MP3" if kind and kind[1] in {b"\x69", b"\x6b"} else ""


def _table_units(data: bytes, stts: Box) -> int:
    entries = data[stts.start + 8 : stts.end]
    entries = entries[: min(unpack(data, stts.start + 4, 4), len(entries) // 8) * 8]
    return sum(count * units for count, units in iter_unpack(">II", entries))


def _fragment_units(data: bytes, boxes: Sequence[Box], movie: Box) -> dict[int, int]:
    """Returns the length of all fragments in units, by track."""
    trexes = children_of(data, find_box(data, movie, b"mvex"), b"trex")
    defaults = {unpack(data, trex.start + 4, 4): unpack(data, trex.start + 12, 4) for trex in trexes}
    totals: dict[int, int] = {}
    for fragment in boxes:
        if fragment.name == b"moof":
            for traf in children_of(data, fragment, b"traf"):
                number, units = _traf_units(data, traf, defaults)
                totals[number] = totals.get(number, 0) + units
    return totals


def _traf_units(data: bytes, traf: Box, defaults: Mapping[int, int]) -> tuple[int, int]:
    at = find_box(data, traf, b"tfhd").start
    flags, number = unpack(data, at + 1, 3), unpack(data, at + 4, 4)
    default = defaults.get(number, 0)
    if flags & 0x8:
        default = unpack(data, at + 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0), 4)
    return number, sum(_trun_units(data, trun, default) for trun in children_of(data, traf, b"trun"))


def _trun_units(data: bytes, trun: Box, default: int) -> int:
    flags, count = unpack(data, trun.start + 1, 3), unpack(data, trun.start + 4, 4)
    if not flags & 0x100:
        return count * default
    first = trun.start + 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    step = 4 * (flags & 0xF00).bit_count()
    return sum(unpack(data, at, 4) for at in range(first, min(trun.end, first + count * step), step))
