"""`retry`: what of an earlier run can be sent again without a doubt; what may have been paid for never is.

Sent again are tasks that failed for a reason of the gateway's (under the next id of their job, which the journal ties
to it), jobs that were surely not acted upon, and jobs that were rejected and have been corrected in the list since.
What is unknown is for `reconcile`, and what never began for `submit`.
"""

from __future__ import annotations

import argparse
import shlex

from lipsync_async.endings import TaskFailed
from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import Gateway, gateway_for
from lipsync_async.jobs import JobLine
from lipsync_async.journal import AnyReader, Record, State, open_reader
from lipsync_async.tasks.again import MAY_BE_SUBMITTED_AGAIN
from lipsync_async.tasks.ties import ties_of
from lipsync_async.wire.identity import fingerprint

from .journals import last_ending
from .monitor import Monitor
from .plan import id_of
from .printing import say
from .sounds import open_list
from .submit import make_client, send
from .tally import ACCEPTED, Tally
from .target import look_at_folder

_FAILED, _NOT_SENT, _CORRECTED = "failed", "not sent", "corrected"
_SAID = {
    _FAILED: "whose tasks failed for a reason of the gateway's: under new ids, and paid anew",
    _NOT_SENT: "that were surely not acted upon: under their ids",
    _CORRECTED: "that were rejected, and have been corrected: under their ids",
}


def run(args: argparse.Namespace) -> int:
    """Sends it, and waits for the tasks; gives the exit code. Raises `LipSyncError` where nothing was sent."""
    gateway = gateway_for(args.gateway)
    _fill_in(args)
    monitor = Monitor(f"retry {args.journal}", 0, Tally(waits=True), gateway=gateway)
    make_client(args, gateway, monitor, args.max_in_flight)  # no key is an error before anything else happens
    with (
        open_list(args) as jobs,
        open_reader(args.journal, gateway=gateway.base_url, account=args.account) as reader,
    ):
        chosen = _Choice(args, gateway, reader)
        with jobs.part(chosen.takes) as part:
            counts = {what: chosen.counts[what] for what in _SAID if chosen.counts[what]}
            for what, count in counts.items():
                say(f"{count} job{'' if count == 1 else 's'} {_SAID[what]}", quiet=args.quiet)
            if not counts:
                how = f"lipsync-async status {shlex.quote(args.journal)} says how it stands"
                say(f"nothing of this list is to be sent again: {how}")
            if not counts or args.dry_run:
                say("nothing was sent" + (": this was a dry run" if args.dry_run else ""))
                return ACCEPTED
            reader.close()
            look_at_folder(args.download)
            return send(args, gateway, part, monitor)


def _fill_in(args: argparse.Namespace) -> None:
    """What `submit` has and this command has not. Raises `ConfigurationError`."""
    if args.jobs == "-":
        raise ConfigurationError("--jobs is the list's file: a list on standard input is read but once")
    args.sounds = args.video_url = args.limit = None
    args.wait = args.is_part = args.skip_invalid = True
    args.retry_rejected, args.ambiguous = False, "lookup"
    args.resubmit = tuple(sorted(MAY_BE_SUBMITTED_AGAIN))


class _Choice:
    """Which lines of the list are sent again."""

    def __init__(self, args: argparse.Namespace, gateway: Gateway, reader: AnyReader) -> None:
        self._gateway = gateway
        self._prefix = args.id_prefix
        self._reader = reader
        self._ties = ties_of(reader)
        self._wanted = {_FAILED} if args.failed else set(_SAID)
        self.counts = dict.fromkeys(_SAID, 0)

    def takes(self, line: JobLine) -> bool:
        """Whether this line is; it is counted. Raises `JournalError`."""
        what = self._what(line)
        if what not in self._wanted:
            return False
        self.counts[what] += 1
        return True

    def _what(self, line: JobLine) -> str:
        if line.request is None or line.errors:
            return ""
        record = self._reader.recall(id_of(line.request, self._gateway, self._prefix))
        if record is None:
            return ""
        if record.state is State.REJECTED:
            return _CORRECTED if record.fingerprint != fingerprint(line.request) else ""
        if record.state in {State.NOT_SENT, State.CLEARED}:
            return _NOT_SENT
        return _FAILED if self._failed(record) else ""

    def _failed(self, record: Record) -> bool:
        """Whether the job's last task failed for such a reason, and no other submission of it is in doubt."""
        ending = last_ending(self._reader, self._ties, record)
        if not isinstance(ending, TaskFailed) or ending.kind not in MAY_BE_SUBMITTED_AGAIN:
            return False
        later = self._ties.after.get(ending.external_task_id or "")
        begun = None if later is None else self._reader.recall(later)
        return begun is None or begun.state not in {State.OPEN, State.UNKNOWN}
