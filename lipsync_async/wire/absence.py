"""What says that there is no such task, and what only sounds like it (contract, section 5).

A job that is proven absent is sent again, and paid again where the proof was wrong.
So the words of a framework that has no such route, of a proxy or of a start page are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lipsync_async.terms import Reply

_CODES = frozenset({"tasknotexist", "tasknotexists", "taskdoesnotexist", "tasknotfound", "nosuchtask"})
"""Without what stands between their words."""
_STATUSES = frozenset({400, 404, 410, 422})
"""Statuses, beside a 2xx, with which words are believed; 401, 402, 403, 429 say nothing of a task."""
_NOT_THERE = (
    r"(?:(?:was|is|are|does|do|did|could|can)\s*)?(?:not|n['’]?t)\s*(?:be\s+)?(?:exist\w*|found)"
    r"|(?:is\s+)?(?:non-?existent|unknown)"
)
_ID = (
    r"(?:[\s:=#]{0,9}(?:with )?(?:id )?"
    r"(?:[\"'(\[][A-Za-z0-9_.-]{1,80}[\"')\]]|(?=[\w.-]{0,80}\d)[A-Za-z0-9_.-]{1,80}))?"
)
"""An id between the words: in quotes, or with a figure in it; `task type not found` names no task."""
_NO_PART = r"(?![\s_-]*(?:type|mode|action|name|queue|kind|handler|service))"
_TASK = re.compile(
    rf"(?:\b|_)tasks?(?:[\s_-]*ids?)?{_ID}[\s:,.-]*(?:{_NOT_THERE})"
    rf"|\b(?:no such|unknown|non-?existent) (?:external[\s_-]*)?task\b{_NO_PART}"
    rf"|\b(?:can ?not|can['’]?t|could ?n[o'’]?t|unable to) (?:be )?find (?:(?:the|this|that|your) )?task\b{_NO_PART}"
    r"|\bno task (?:was )?(?:found|exists?)\b"
    r"|任务\s*(?:id|编号)?[\s:：]*(?:[A-Za-z0-9_.-]{1,80})?\s*(?:已?不存在|未找到|没有找到|找不到)"
    r"|(?:找不到|未找到|没有找到|查无|无)(?:该|此|指定的?|对应的?|相关的?)?任务(?!类型|队列|名称)"
    r"|(?:该|此)任务不存在",
    re.IGNORECASE,
)
"""The platform's phrase, in the languages and spellings that are likely."""
_OF_ITS_OWN = re.compile(
    rf"(?:\b(?:video|job|record|generation|order|work|item|entry|data)s?|\bid){_ID}[\s:,.-]*(?:{_NOT_THERE})"
    r"|\bno (?:such )?(?:video|job|record|generation|order|id|result)s?\b(?: (?:was |were )?found| exists?)?"
    r"|(?:记录|视频|作品|订单|数据|编号|结果|id)[\s:：]*(?:[A-Za-z0-9_.-]{1,80})?\s*(?:已?不存在|未找到|没有找到|找不到)"
    r"|(?:找不到|未找到|没有找到|查无|无)(?:该|此|指定的?|对应的?|相关的?)?(?:记录|视频|作品|订单|数据|结果)",
    re.IGNORECASE,
)
"""What a gateway may say of what it keeps a task as."""
_OF_A_ROUTE = re.compile(
    r"invalid url|\broutes?\b|\bpage\b|\bpath\b|\burl\b|\buri\b|endpoint|\bcannot (?:get|post)\b|\bmethod\b|\baction\b"
    r"|channel|model|upstream|\bhost\b|\bserver\b|接口|路由|路径|渠道|模型|页面|地址",
    re.IGNORECASE,
)
"""Whatever else is said, it is about how the call was made or passed on."""


_AGE = re.compile(r"0*[1-9][0-9]*")
_HIT = re.compile(r"\b(?:hit|stale|revalidated|updating)\b", re.IGNORECASE)


def came_from_cache(headers: Mapping[str, str]) -> bool:
    """Whether a cache says that the answer is its own: it may be older than the task."""
    if _AGE.fullmatch(headers.get("Age", "").strip()):
        return True
    return any(_HIT.search(headers.get(name, "")) for name in ("X-Cache", "X-Cache-Status", "CF-Cache-Status"))


def says_no_such_task(reply: Reply) -> bool:
    """In the platform's own words: its code, the word for it, or its phrase."""
    if not (200 <= reply.status <= 299 or 400 <= reply.status <= 499):
        return False
    if reply.code == 1203 or _squeezed(reply.code) in _CODES or _squeezed(reply.message) in _CODES:
        return True
    return _may_say_so(reply) and _TASK.search(reply.message) is not None


def says_none(reply: Reply) -> bool:
    """In words that are the gateway's own: a record, a video, an id that is not there."""
    return _may_say_so(reply) and _OF_ITS_OWN.search(reply.message) is not None


def _may_say_so(reply: Reply) -> bool:
    """A refusal in JSON, about what was asked for."""
    refused = reply.status in _STATUSES or (200 <= reply.status <= 299 and not reply.success)
    return refused and reply.parsed and reply.code != 1202 and not _OF_A_ROUTE.search(reply.message)


def _squeezed(word: object) -> str:
    return re.sub(r"[_-]+", "", word).casefold() if isinstance(word, str) else ""
