"""A gateway's language: requests to bytes, replies of any dialect to a `Reply`, and what a reply means.

It imports the words and `request`; it never decides when to send.
Only `transport` and its two ways, `lean` and `plain`, touch the network.
Start to read at `verdicts.judge`, beside the wire contract, sections 2 to 5 (`docs/wire-contract.md`).
"""

from .bodies import Body, canonical, encode
from .replies import read_reply
from .tasks import TaskReply, read_task, read_task_list

__all__ = ["Body", "TaskReply", "canonical", "encode", "read_reply", "read_task", "read_task_list"]
