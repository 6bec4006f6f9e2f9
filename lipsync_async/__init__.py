"""Bulk lip-sync jobs for Kling's advanced lip sync: bounded, paced, never paid for twice, keyed by external_task_id.

Everything that a user needs is here: the client, the builder, outcomes, errors, and the types of hooks and results.
Every other module is private, and may change or move without notice.
Names are loaded when they are first used: the import itself loads neither aiohttp nor asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callbacks import Callbacks
    from .client import LipSyncClient
    from .config import Ambiguous, Following, Limits, RetryPolicy, RunOptions, Timeouts
    from .dispatch.account import Event, Observer
    from .dispatch.pacing import PacerStatistics
    from .dispatch.streaming import Jobs, JournalLike, OnProgress, OutcomeStream, Progress, Requests
    from .downloads.store import Store
    from .endings import (
        Downloaded,
        DownloadFailed,
        DownloadKind,
        Ended,
        Ending,
        FailureKind,
        Result,
        StillRunning,
        Succeeded,
        TaskFailed,
        TaskLost,
        TaskState,
        Video,
    )
    from .engines.delivered import submit_delivered
    from .engines.packing import pack
    from .errors import (
        BatchError,
        CallbackVerificationError,
        ClaimLostError,
        ClientClosedError,
        ConfigurationError,
        DownloadError,
        DuplicateIdError,
        InvalidRequestError,
        JobError,
        JobListError,
        JournalError,
        LipSyncError,
        NoFaceError,
        NotSentError,
        OutcomeUnknownError,
        RejectedError,
        Severity,
        TaskError,
        TaskFailedError,
        TaskLostError,
        TaskNotFoundError,
        Violation,
        WaitTimeoutError,
        WrongArgumentError,
    )
    from .gateways import ANYAPI, CHAINHUB, KLING, Gateway
    from .jobs import JobLine, JobList, ListReport
    from .journal import Journal
    from .models import FaceChoice, LipSyncRequest, Sound, SoundSource, SpeechSource, VideoSource
    from .outcomes import (
        RESULT_FIELDS,
        Accepted,
        BatchResult,
        BatchStatistics,
        LookUp,
        NotSent,
        Outcome,
        Rejected,
        Unknown,
    )
    from .request.audio import AudioBytes, AudioFile, AudioInfo, Container
    from .request.builder import RequestBuilder
    from .request.checks import Facts, billed_units, check
    from .request.faces import Face
    from .request.ids import external_id_of
    from .request.session import FaceSession
    from .request.speech import Speech
    from .request.video import VideoFile, check_video
    from .sources.uploads import StoreUploads, Uploads
    from .task_results import Money, TaskResults
    from .tasks.follower import FollowingStatistics
    from .tasks.results import ResultStream
    from .tasks.telling import OnTaskProgress, TaskProgress
    from .terms import Action, Kind, Phase, TaskStatus, Verdict
    from .wire.callbacks import CallbackTask
    from .wire.credential import ApiKey
    from .wire.tokens import KlingKey

__all__ = [
    "ANYAPI",
    "CHAINHUB",
    "KLING",
    "RESULT_FIELDS",
    "Accepted",
    "Action",
    "Ambiguous",
    "ApiKey",
    "AudioBytes",
    "AudioFile",
    "AudioInfo",
    "BatchError",
    "BatchResult",
    "BatchStatistics",
    "CallbackTask",
    "CallbackVerificationError",
    "Callbacks",
    "ClaimLostError",
    "ClientClosedError",
    "ConfigurationError",
    "Container",
    "DownloadError",
    "DownloadFailed",
    "DownloadKind",
    "Downloaded",
    "DuplicateIdError",
    "Ended",
    "Ending",
    "Event",
    "Face",
    "FaceChoice",
    "FaceSession",
    "Facts",
    "FailureKind",
    "Following",
    "FollowingStatistics",
    "Gateway",
    "InvalidRequestError",
    "JobError",
    "JobLine",
    "JobList",
    "JobListError",
    "Jobs",
    "Journal",
    "JournalError",
    "JournalLike",
    "Kind",
    "KlingKey",
    "Limits",
    "LipSyncClient",
    "LipSyncError",
    "LipSyncRequest",
    "ListReport",
    "LookUp",
    "Money",
    "NoFaceError",
    "NotSent",
    "NotSentError",
    "Observer",
    "OnProgress",
    "OnTaskProgress",
    "Outcome",
    "OutcomeStream",
    "OutcomeUnknownError",
    "PacerStatistics",
    "Phase",
    "Progress",
    "Rejected",
    "RejectedError",
    "RequestBuilder",
    "Requests",
    "Result",
    "ResultStream",
    "RetryPolicy",
    "RunOptions",
    "Severity",
    "Sound",
    "SoundSource",
    "Speech",
    "SpeechSource",
    "StillRunning",
    "Store",
    "StoreUploads",
    "Succeeded",
    "TaskError",
    "TaskFailed",
    "TaskFailedError",
    "TaskLost",
    "TaskLostError",
    "TaskNotFoundError",
    "TaskProgress",
    "TaskResults",
    "TaskState",
    "TaskStatus",
    "Timeouts",
    "Unknown",
    "Uploads",
    "Verdict",
    "Video",
    "VideoFile",
    "VideoSource",
    "Violation",
    "WaitTimeoutError",
    "WrongArgumentError",
    "billed_units",
    "check",
    "check_video",
    "external_id_of",
    "pack",
    "submit_delivered",
]

__version__: str
_NAMES_OF = {
    "callbacks": ("Callbacks",),
    "client": ("LipSyncClient",),
    "config": (
        "Ambiguous",
        "Following",
        "Limits",
        "RetryPolicy",
        "RunOptions",
        "Timeouts",
    ),
    "dispatch.account": (
        "Event",
        "Observer",
    ),
    "dispatch.pacing": ("PacerStatistics",),
    "dispatch.streaming": (
        "Jobs",
        "JournalLike",
        "OnProgress",
        "OutcomeStream",
        "Progress",
        "Requests",
    ),
    "downloads.store": ("Store",),
    "endings": (
        "DownloadFailed",
        "DownloadKind",
        "Downloaded",
        "Ended",
        "Ending",
        "FailureKind",
        "Result",
        "StillRunning",
        "Succeeded",
        "TaskFailed",
        "TaskLost",
        "TaskState",
        "Video",
    ),
    "engines.delivered": ("submit_delivered",),
    "engines.packing": ("pack",),
    "errors": (
        "BatchError",
        "CallbackVerificationError",
        "ClaimLostError",
        "ClientClosedError",
        "ConfigurationError",
        "DownloadError",
        "DuplicateIdError",
        "InvalidRequestError",
        "JobError",
        "JobListError",
        "JournalError",
        "LipSyncError",
        "NoFaceError",
        "NotSentError",
        "OutcomeUnknownError",
        "RejectedError",
        "Severity",
        "TaskError",
        "TaskFailedError",
        "TaskLostError",
        "TaskNotFoundError",
        "Violation",
        "WaitTimeoutError",
        "WrongArgumentError",
    ),
    "gateways": (
        "ANYAPI",
        "CHAINHUB",
        "KLING",
        "Gateway",
    ),
    "jobs": (
        "JobLine",
        "JobList",
        "ListReport",
    ),
    "journal": ("Journal",),
    "models": (
        "FaceChoice",
        "LipSyncRequest",
        "Sound",
        "SoundSource",
        "SpeechSource",
        "VideoSource",
    ),
    "outcomes": (
        "RESULT_FIELDS",
        "Accepted",
        "BatchResult",
        "BatchStatistics",
        "LookUp",
        "NotSent",
        "Outcome",
        "Rejected",
        "Unknown",
    ),
    "request.audio": (
        "AudioBytes",
        "AudioFile",
        "AudioInfo",
        "Container",
    ),
    "request.builder": ("RequestBuilder",),
    "request.checks": (
        "Facts",
        "billed_units",
        "check",
    ),
    "task_results": (
        "Money",
        "TaskResults",
    ),
    "request.faces": ("Face",),
    "request.ids": ("external_id_of",),
    "request.session": ("FaceSession",),
    "request.speech": ("Speech",),
    "request.video": (
        "VideoFile",
        "check_video",
    ),
    "sources.uploads": (
        "StoreUploads",
        "Uploads",
    ),
    "tasks.follower": ("FollowingStatistics",),
    "tasks.results": ("ResultStream",),
    "tasks.telling": (
        "OnTaskProgress",
        "TaskProgress",
    ),
    "terms": (
        "Action",
        "Kind",
        "Phase",
        "TaskStatus",
        "Verdict",
    ),
    "wire.callbacks": ("CallbackTask",),
    "wire.credential": ("ApiKey",),
    "wire.tokens": ("KlingKey",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # asked for seldom, and looked up in the installed package
        return import_module(".about", __name__).installed_version()
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
