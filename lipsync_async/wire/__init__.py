"""The wire, both ways: requests to JSON bytes, replies of any dialect to a `Reply`, job lines to requests.

Source of every rule: the wire contract, sections 2 to 4.  What to do about a reply is decided in `verdicts`.
"""

from lipsync_async.wire.bodies import Body, canonical, encode
from lipsync_async.wire.lines import read_request
from lipsync_async.wire.replies import TaskReply, read_reply, read_task, read_task_list

__all__ = ["Body", "TaskReply", "canonical", "encode", "read_reply", "read_request", "read_task", "read_task_list"]
