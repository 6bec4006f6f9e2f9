"""Where sound comes from: a file or bytes, what they hold, and their Base64 in slices.

The content decides, never the name (contract, section 2).
A duration is right or None: later rules refuse under 2 s and over 60 s, so a wrong figure would be a wrong refusal.
"""

from .info import AudioInfo, Container
from .probing import probe
from .sources import SLICE, AudioBytes, AudioChanged, AudioFile, base64_size

__all__ = ["SLICE", "AudioBytes", "AudioChanged", "AudioFile", "AudioInfo", "Container", "base64_size", "probe"]
