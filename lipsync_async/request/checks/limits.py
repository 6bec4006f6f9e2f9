"""The numbers of the contract's section 2, and the tolerances around them."""

from __future__ import annotations

MIN_CUT, MAX_CUT = 2_000, 60_000
"""The shortest and the longest sound in milliseconds; they hold for the clip and for the cut."""
SLACK = 100
"""Milliseconds by which decoders disagree on a clip's length: this close to a limit is a warning, not an error."""
INTERVAL_SLACK = 50
"""Milliseconds by which identify-face may report a face's end too late: "a few" in the contract, one or two frames."""
MAX_SOUND_BYTES, LARGE_SOUND_BYTES = 5_242_880, 5_000_000
"""The two readings of the "5 MB" of a sound file: above the larger is an error, above the smaller a warning."""
TINY_SOUND_BYTES = 1_000
"""2 s of MP3 at its lowest bit rate are 2,000 bytes: a far shorter Base64 text is more likely the name of a file."""
MAX_INTEGER = 2**63 - 1
"""The largest integer that a gateway's 64 bits hold."""
MAX_EXTRA_DEPTH, MAX_EXTRA_VALUES = 32, 10_000
"""How deep `extra_body` may be nested, and how many values it may hold: it may contain itself."""
MAX_SPEECH_TEXT = 1_000
"""Characters of a text that is spoken."""
SLOWEST_SPEECH, FASTEST_SPEECH = 0.8, 2.0
"""How fast a text is spoken."""
