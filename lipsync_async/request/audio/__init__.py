"""Sound from a file or from bytes: what it is, how long it is, and its Base64 text in slices.

The content decides what a sound is, never its name (contract, section 2).
A duration is right or None: sounds under 2 s and over 60 s are refused, so a wrong duration would be a wrong refusal.
"""

from .info import AudioInfo, Container
from .probing import probe
from .sources import SLICE, AudioBytes, AudioChanged, AudioFile, base64_size

__all__ = ["SLICE", "AudioBytes", "AudioChanged", "AudioFile", "AudioInfo", "Container", "base64_size", "probe"]
