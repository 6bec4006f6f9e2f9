"""What a result means for a paid call: tables to be read beside the wire contract, section 4, and their order.

The one question that matters is whether the gateway may have acted.
`RETRY`, `WAIT`, `STOP`, `REFRESH` and `FAIL` say that it surely has not; whatever is in doubt is `LOOK_UP`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from lipsync_async.gateways import Gateway
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict

from .codes import IN_DOUBT
from .tasks import TaskReply

ACCEPT = Verdict(Action.ACCEPT)

WAIT_RATE = Verdict(Action.WAIT, Kind.RATE)
WAIT_CAPACITY = Verdict(Action.WAIT, Kind.CAPACITY)
WAIT_HIDDEN_RATE = Verdict(Action.WAIT, Kind.RATE, hidden=True)
WAIT_HIDDEN_CAPACITY = Verdict(Action.WAIT, Kind.CAPACITY, hidden=True)

FAIL_REQUEST = Verdict(Action.FAIL, Kind.INVALID_REQUEST)
FAIL_CONTENT = Verdict(Action.FAIL, Kind.CONTENT_POLICY)
FAIL_SIZE = Verdict(Action.FAIL, Kind.TOO_LARGE)

REFRESH = Verdict(Action.REFRESH, Kind.AUTH)

STOP_AUTH = Verdict(Action.STOP, Kind.AUTH)
STOP_QUOTA = Verdict(Action.STOP, Kind.QUOTA)
STOP_PERMISSION = Verdict(Action.STOP, Kind.PERMISSION)
STOP_CONFIGURATION = Verdict(Action.STOP, Kind.CONFIGURATION)
STOP_ROUTE = Verdict(Action.STOP, Kind.CONFIGURATION, confirm_by="get")
STOP_NO_CHANNEL = Verdict(Action.STOP, Kind.CONFIGURATION, confirmations=3)
STOP_AT_ONCE = Verdict(Action.STOP, Kind.CONFIGURATION, confirmations=0)

RETRY_EARLY = Verdict(Action.RETRY, Kind.SERVER)

LOOK_UP_SERVER = Verdict(Action.LOOK_UP, Kind.SERVER)
LOOK_UP_TIMEOUT = Verdict(Action.LOOK_UP, Kind.TIMEOUT)
LOOK_UP_PROTOCOL = Verdict(Action.LOOK_UP, Kind.PROTOCOL)
LOOK_UP_DUPLICATE = Verdict(Action.LOOK_UP, Kind.DUPLICATE_ID)

KLING_CODES: Mapping[int, Verdict] = {
    1000: STOP_AUTH,
    1001: STOP_AUTH,
    1002: STOP_AUTH,
    1003: REFRESH,
    1004: REFRESH,
    1100: STOP_QUOTA,
    1101: STOP_QUOTA,
    1102: STOP_QUOTA,
    1103: STOP_PERMISSION,
    1200: FAIL_REQUEST,
    1201: FAIL_REQUEST,  # or the id exists: see `_says_exists`
    1202: STOP_CONFIGURATION,
    1203: FAIL_REQUEST,
    1300: FAIL_CONTENT,
    1301: FAIL_CONTENT,
    1302: WAIT_RATE,
    1303: WAIT_CAPACITY,
    1304: STOP_PERMISSION,
    5000: LOOK_UP_SERVER,
    5001: LOOK_UP_SERVER,
    5002: LOOK_UP_SERVER,
}
"""The platform's codes, whatever the HTTP status."""

GATEWAY_CODES: Mapping[int | str, Verdict] = {
    "quota_not_enough": STOP_QUOTA,
    "insufficient_user_quota": STOP_QUOTA,
    "pre_consume_token_quota_failed": STOP_QUOTA,
    "insufficient_quota": STOP_QUOTA,
    "model_not_found": STOP_NO_CHANNEL,  # no channel serves it: nothing was created
    "rate_limit_exceeded": WAIT_RATE,
    "task_not_exist": FAIL_REQUEST,  # new-api's words for 1203
    "task_not_found": FAIL_REQUEST,
    "sensitive_words_detected": FAIL_CONTENT,
    "content_policy_violation": FAIL_CONTENT,
    # Said after the call went upstream: it may have arrived there, or was even created and then not stored.
    **dict.fromkeys(IN_DOUBT, LOOK_UP_SERVER),
}
"""Words of new-api and its forks, whatever the HTTP status; `fail_to_fetch_task` and `task_failed` pass a status on."""

PHRASES: tuple[tuple[re.Pattern[str], Verdict], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        ("|".join(IN_DOUBT), LOOK_UP_SERVER),
        (r"令牌额度已用尽|额度不足|余额不足|quota is not enough|insufficient (balance|quota|credit)", STOP_QUOTA),
        (r"\binvalid url \(", STOP_ROUTE),
        (r"\baction is not\b", STOP_CONFIGURATION),
        (r"无可用渠道|no available channel", STOP_NO_CHANNEL),
        (r"上游负载已饱和", WAIT_HIDDEN_CAPACITY),
    )
)
"""What a 4xx says in words, where its code is not telling; of a 503 the missing channel alone is believed."""

REASONS_TO_WAIT: tuple[tuple[re.Pattern[str], Verdict], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        (r"parallel|concurren|并发", WAIT_CAPACITY),
        (r"too many requests|rate.?limit|too (fast|frequent)|频繁|请求次数", WAIT_RATE),
    )
)
"""What a 429 gives as its reason."""

STATUSES: Mapping[int, Verdict] = {
    # Never followed, and never sent to twice; these say that the call belongs elsewhere.
    # 302 and 303 may say that it was dealt with (POST, redirect, GET), and are in doubt.
    **dict.fromkeys((301, 307, 308), STOP_AT_ONCE),
    401: STOP_AUTH,
    402: STOP_QUOTA,
    403: STOP_PERMISSION,
    **dict.fromkeys((404, 410), STOP_ROUTE),
    **dict.fromkeys((405, 406, 407, 411, 414, 415, 421, 426, 431), STOP_CONFIGURATION),
    408: LOOK_UP_TIMEOUT,
    409: LOOK_UP_DUPLICATE,
    413: FAIL_SIZE,
    424: LOOK_UP_SERVER,  # a gateway's word for "upstream failed"
    425: RETRY_EARLY,  # "unwilling to process" (RFC 8470)
    451: FAIL_CONTENT,
    499: LOOK_UP_TIMEOUT,  # nginx: the gateway itself hung up on its upstream
    # Never begun: the method, the protocol, or a portal's login in between.
    **dict.fromkeys((501, 505, 511), STOP_CONFIGURATION),
}
"""Statuses without a code that is known; any other 4xx is the job's fault, all the rest is in doubt."""

BELIEVED_BROKEN: Mapping[int, Verdict] = {status: STATUSES[status] for status in (401, 402, 403, 413)}
"""Statuses that say *refused* for certain, even where the body did not arrive whole; 429 is another."""


_IN_GENERAL: Mapping[int, Verdict] = {4: FAIL_REQUEST, 5: LOOK_UP_SERVER}
"""By the hundred."""


def judge(
    result: Reply | Failure, gateway: Gateway, *, seen_reply: bool = True, external_task_id: str | None = None
) -> Verdict:
    """What a create's result means.

    `seen_reply`: a reply of this gateway was read before.
    `external_task_id` is the job's: a reply that names another job is in doubt, whatever it says.
    """
    if not isinstance(result, Reply):
        return _judge_failure(result)
    if result.broken:
        return _judge_broken(result)
    if external_task_id is not None and result.external_task_id not in {None, external_task_id}:
        return LOOK_UP_PROTOCOL
    verdict = _judge_whole(result, gateway, seen_reply)
    return LOOK_UP_PROTOCOL if result.conflicting and verdict.action is not Action.LOOK_UP else verdict


def _judge_whole(result: Reply, gateway: Gateway, seen_reply: bool) -> Verdict:
    if result.task_id is not None:
        return ACCEPT if result.success and 200 <= result.status <= 299 else _contradiction(result)
    verdict = _by_code(result, gateway) or _by_phrase(result) or _by_status(result, seen_reply)
    return LOOK_UP_DUPLICATE if verdict == FAIL_REQUEST and _says_exists(result.message) else verdict


def _judge_broken(reply: Reply) -> Verdict:
    """The body did not arrive whole: only a status that refuses for certain is believed."""
    if reply.status == 429:
        return _why_to_wait(reply)
    return BELIEVED_BROKEN.get(reply.status) or (LOOK_UP_SERVER if reply.status >= 500 else LOOK_UP_PROTOCOL)


def _judge_failure(failure: Failure) -> Verdict:
    """Up to the last slice nothing can have been acted upon (contract, section 4, rule 2)."""
    if failure.phase >= Phase.SENT:
        return Verdict(Action.LOOK_UP, failure.kind)
    if failure.kind is Kind.CONFIGURATION:
        return STOP_AT_ONCE
    return Verdict(Action.FAIL if failure.kind is Kind.VALIDATION else Action.RETRY, failure.kind)


def _contradiction(reply: Reply) -> Verdict:
    """A task's id beside a refusal: perhaps the task that has our id already, in any case nothing to send again."""
    return LOOK_UP_DUPLICATE if _says_exists(reply.message) else LOOK_UP_PROTOCOL


def _by_code(reply: Reply, gateway: Gateway) -> Verdict | None:
    code = reply.code
    if code is None or reply.success:
        return None
    found = gateway.codes.get(code) or (KLING_CODES.get(code) if isinstance(code, int) else GATEWAY_CODES.get(code))
    if found is None and isinstance(code, int) and 5000 <= code <= 5999:
        return LOOK_UP_SERVER
    return found


def _by_phrase(reply: Reply) -> Verdict | None:
    if not (400 <= reply.status <= 499 or reply.status == 503) or reply.html:
        return None
    found = next((verdict for pattern, verdict in PHRASES if pattern.search(reply.message)), None)
    return found if reply.status != 503 or found == STOP_NO_CHANNEL else None


def _by_status(reply: Reply, seen_reply: bool) -> Verdict:
    status = reply.status
    if 200 <= status <= 299:
        return _without_task(reply, seen_reply)
    if status == 429:
        return _why_to_wait(reply)
    if status == 404 and reply.parsed and _NAMES_A_PART.search(reply.message):
        return FAIL_REQUEST
    return STATUSES.get(status) or _IN_GENERAL.get(status // 100, LOOK_UP_PROTOCOL)


def _without_task(reply: Reply, seen_reply: bool) -> Verdict:
    """A gateway that has no such route answers with its start page; later on a page is an accident, and in doubt."""
    return STOP_ROUTE if reply.html and reply.status == 200 and not seen_reply else LOOK_UP_PROTOCOL


def _why_to_wait(reply: Reply) -> Verdict:
    """A hint without a word is a proxy's limit; without either, it may be anything."""
    if reply.code == "fail_to_fetch_task":
        return WAIT_HIDDEN_CAPACITY
    named = next((verdict for pattern, verdict in REASONS_TO_WAIT if pattern.search(reply.message)), None)
    return named or (WAIT_HIDDEN_RATE if reply.retry_after is None else WAIT_RATE)


_NAMES_A_PART = re.compile(r"session|face|audio", re.IGNORECASE)
"""A 404 that speaks of what the request names is about this job, not about the route."""
_ABSENT = re.compile(
    r"(?<!must )(?<!should )(not|n['’]?t|never) exist\w*|non-?exist\w*|\bno (such )?\w+ exists?|不\s*存在|不再存在",
    re.IGNORECASE,
)
_EXISTS = re.compile(
    r"exist|duplicat|repeat|unique|conflict|already|(been|is|was) (used|taken)|in use"
    r"|重复|存在|已被|占用|已使用|使用过|冲突|唯一",
    re.IGNORECASE,
)
_ANOTHERS_ID = re.compile(
    r"(face|audio|session|request|req|trace|log|voice|sound|video|image|model|channel"
    r"|人脸|音频|会话|请求|声音|视频|图片|模型|渠道)[\s_-]*(ids?(?![a-z])|identifier|编号|标识)",
    re.IGNORECASE,
)
"""Ids of what a request names, and of the call itself."""
_THE_ID = re.compile(
    r"task|external[\s_-]*id|(?<![a-z])ids?(?![a-z])|identifier|任务|外部|编号|标识"
    r"|duplicated? (request|submission)|重复(提交|请求)",
    re.IGNORECASE,
)
"""A plain "id" is ours: the only one that a request makes."""


def _says_exists(message: str) -> bool:
    """Whether a bad parameter is an external_task_id that exists (contract, section 5), in any likely wording."""
    rest = _ANOTHERS_ID.sub("", _ABSENT.sub("", message))
    return bool(_THE_ID.search(rest) and _EXISTS.search(rest))


class Finding(Enum):
    """What the answer to a look-up says (contract, section 5)."""

    FOUND = "found"
    """A task that carries the id that was asked for, or none."""
    NO_SUCH_TASK = "no such task"
    """In the platform's own words."""
    NOT_FOUND = NO_SUCH_TASK
    """The same, by its older name."""
    GATEWAY_SAYS_NONE = "the gateway says that there is none"
    """In words of the gateway's own: they count as the platform's, as long as a witness is found beside them."""
    PROVES_NOTHING = "proves nothing"


def judge_query(task: TaskReply, *, external_task_id: str | None = None) -> Finding:
    """What a query's answer says about the task that was asked for, by this id where it is given."""
    if task.found:
        return Finding.FOUND if external_task_id is None else answers(task, external_task_id)
    if task.found is False:
        return Finding.NO_SUCH_TASK
    return Finding.GATEWAY_SAYS_NONE if task.gateway_says_none else Finding.PROVES_NOTHING


def answers(task: TaskReply, external_task_id: str) -> Finding:
    """Whether a task that was found is the one that was asked for by its external id.

    A task that carries another id is another job's, and proves nothing.
    One that carries none counts, unless all that it tells is the id that was asked for, as its own.
    Whether it is old enough, and told for no other job, is for the caller to see.
    """
    told = task.reply.external_task_id
    if not task.found or told not in {None, external_task_id}:
        return Finding.PROVES_NOTHING
    echoed = told is None and task.reply.task_id == external_task_id
    return Finding.PROVES_NOTHING if echoed else Finding.FOUND
