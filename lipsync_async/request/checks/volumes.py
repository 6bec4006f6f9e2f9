"""The rules for the two volumes."""

from __future__ import annotations

from collections.abc import Iterator

from lipsync_async.errors import Violation
from lipsync_async.gateways import Gateway
from lipsync_async.given import shown

from .values import warning

VOLUMES = ("sound_volume", "original_audio_volume")


def is_plain_volume(volume: object) -> bool:
    """Whether a volume is right for every gateway; anything else goes to `volume_faults`."""
    return type(volume) is int and 0 < volume <= 2


def volume_faults(path: str, volume: object, profile: Gateway) -> Iterator[Violation]:
    """The faults of one volume; the gateway's profile decides on fractions and on zero."""
    if isinstance(volume, bool) or not isinstance(volume, int | float) or volume != volume:
        found = "NaN" if isinstance(volume, float) else shown(volume)
        yield Violation(path, "not_a_number", f"must be a number from 0 to 2, not {found}")
    elif not 0 <= volume <= 2:
        yield Violation(path, "volume_out_of_range", "must be from 0 to 2")
    elif volume != int(volume) and not profile.fractional_volumes:
        yield Violation(path, "volume_fractional", f"must be 0, 1 or 2: {profile.name} takes no fractions")
    elif volume == 0 and profile.drops_zero_volume:
        yield warning(path, "volume_zero_dropped", f"{profile.name} may drop a 0 and play at the default volume")
