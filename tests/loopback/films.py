"""Lists of videos and texts that are killed at random moments: what was identified and spoken, beside what was cut off.

The stand, the kills and the comparison of jobs are those of `waits`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from lipsync_async.cli import demo
from lipsync_async.journal import Reader
from lipsync_async.sources.resolving import SESSION, SPEECH, Kept
from lipsync_async.sources.sourcebook import Key, read_kept

from .waits import Account, Stand, play

CLIPS = Path(demo.__file__).parent / "demo_clips"
SOUNDS = ("speech_5.mp3", "speech_2.wav", "speech_5.m4a", "speech_2.mp3")
SPOKEN = 10
"""Every so-manieth job says a text."""
TEXTS = 8
EARLY = (0.3,) * 5
"""Seconds within which the first runs are killed after their first call: so long takes every reply."""


class FilmStand(Stand):
    """A list of so many videos; every URL is signed anew for each run."""

    def __init__(self, directory: Path, *, films: int, **options: Any) -> None:
        self.films = films
        self.signature = 0
        self.fell_into: Counter[Key] = Counter()
        """Kills that fell into a call, by the call's video or text."""
        super().__init__(directory, check_ids=True, **options)

    def requests(self) -> int:
        """Calls for videos and texts are requests, too: a kill may fall into the first of them."""
        return super().requests() + len(self.sandbox.ledger.preparations)

    def line(self, number: int) -> str:
        """A video, a face, and a sound or a text; no two alike."""
        url = f"https://films.example.com/{number % self.films}.mp4?X-Amz-Signature={self.signature}-{number}"
        line: dict[str, object] = {"video_url": url, "face": "first", "sound_insert_time": 20 * number}
        if number % SPOKEN:
            line["sound_path"] = str(CLIPS / SOUNDS[number % len(SOUNDS)])
        else:
            line |= {"text": f"This is the sentence number {number % TEXTS}.", "voice_id": "voice"}
        return json.dumps(line) + "\n"

    def killed(self) -> None:
        """What was on record as under way was cut off; the next list is signed anew."""
        for key, kept in self.kept().items():
            self.fell_into[key] += kept.state == "open"
        self.sign_anew()

    def sign_anew(self) -> None:
        """The same jobs, every URL with another signature."""
        self.signature += 1
        self._list.write_text("".join(map(self.line, range(self.jobs))), encoding="utf-8")

    def kept(self) -> dict[Key, Kept]:
        """What the journal holds of videos and texts."""
        if not self.journal.exists() or not self.journal.stat().st_size:
            return {}
        found: dict[Key, Kept] = {}
        with Reader(self.journal) as reader:
            for kind in (SESSION, SPEECH):
                for entry in reader.entries(kind):
                    kept = read_kept(entry)
                    assert kept is not None
                    found[kind, entry.name] = kept
        return found

    def source_faults(self) -> list[str]:
        """Each video was identified once, and once more a kill that fell into its call; the journal knows of each."""
        kept, identified = self.kept(), self.sandbox.ledger.identified
        faults = [f"{len(identified)} videos" for _ in "x" if len(identified) != self.films]
        for url, calls in identified.items():
            key = (SESSION, f"url:{url}")
            if calls > 1 + self.fell_into[key]:
                faults.append(f"{url} was identified {calls} times, and {self.fell_into[key]} kills fell into it")
            if calls > kept[key].calls:
                faults.append(f"{url} was identified {calls} times, and the journal knows of {kept[key].calls}")
        spoken = sum(it.kind == "speech" for it in self.sandbox.ledger.preparations)
        cut = sum(count for (kind, _), count in self.fell_into.items() if kind == SPEECH)
        words = len({number % TEXTS for number in range(0, self.jobs, SPOKEN)})
        if not words <= spoken <= words + cut:
            faults.append(f"{words} texts were spoken {spoken} times, and {cut} kills fell into that")
        faults += [f"{key} is {it.state}" for key, it in kept.items() if it.state != "done"]
        return faults


def run(
    directory: Path,
    *,
    jobs: int,
    films: int,
    kills: int,
    seed: int,
    per_second: float,
    task_seconds: tuple[float, float],
) -> tuple[Account, str]:
    """Kills runs of a list of videos, downloads and all; what came of the jobs, and of the videos in words."""
    stand = FilmStand(
        directory,
        films=films,
        jobs=jobs,
        per_second=per_second,
        task_seconds=task_seconds,
        seed=seed,
        download=True,
        latency=0.3,
    )
    account = play(stand, Random(f"films-{seed}"), kills, *EARLY, 2.0)
    account.faults += stand.source_faults()
    identified = sum(stand.sandbox.ledger.identified.values())
    cut = sum(count for (kind, _), count in stand.fell_into.items() if kind == SESSION)
    spoken = sum(it.kind == "speech" for it in stand.sandbox.ledger.preparations)
    return account, f"{films} videos identified by {identified} calls, {cut} cut off by kills; {spoken} texts spoken"
