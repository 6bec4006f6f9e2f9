"""A list as the client takes it: a request a line, and where a line is broken, what stands for it with its faults."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from lipsync_async.models import BrokenRequest, LipSyncRequest

from .joblist import JobList
from .report import JobLine


def requests_in(jobs: JobList) -> Iterator[tuple[int, LipSyncRequest | BrokenRequest]]:
    """Each line's number and request. Raises `JobListError` where the list cannot be read on."""
    for line in jobs:
        yield line.line, _broken(line) if line.request is None or line.errors else line.request


def _broken(line: JobLine) -> BrokenRequest:
    faults = (evolve(fault, path=f"line {line.line}{f': {fault.path}' if fault.path else ''}") for fault in line.errors)
    return BrokenRequest(line.given_id or None, tuple(faults))
