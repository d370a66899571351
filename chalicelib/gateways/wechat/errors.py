"""What can go wrong between the mall and WeChat. No text here ever holds an address, a key or a person's data."""

from __future__ import annotations

from chalicelib.core.errors import OutsideError

#: The code of a refusal whose body is not WeChat's: a gateway's page, say.
UNREADABLE = "http_{}"
_NOT_FOUND = 404


class WechatError(OutsideError):
    """WeChat refused a call, or no answer that can be trusted came back.

    `code` is WeChat's own where it sent one (`NOT_ENOUGH`, `40013`), else one of ours in lower case.
    `http` is None when there was no reply. `retryable`: the same call again may succeed and does no harm.
    `outcome_unknown`: the call may have taken effect, so ask (query) before deciding that it did not.
    """

    def __init__(
        self,
        code: str,
        *,
        http: int | None = None,
        request_id: str = "",
        retryable: bool = False,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(f"{code} http={http} request_id={request_id}")
        self.code = code
        self.http = http
        self.request_id = request_id
        self.retryable = retryable
        self.outcome_unknown = outcome_unknown

    @property
    def passing(self) -> bool:
        """Whether it may go away by itself; a refusal for good does not."""
        return self.retryable or self.outcome_unknown

    @property
    def is_unknown_number(self) -> bool:
        """Whether WeChat says that it knows nothing of the number it was asked about: by its status, as it spells this
        in one way here and in another there. A page that somebody between us answered says nothing of numbers."""
        return not self.passing and self.http == _NOT_FOUND and self.code != UNREADABLE.format(self.http)


class CallbackRejected(Exception):
    """A notification that cannot be believed or read; nothing in it may be acted on. Answer 401.

    `reason` is one of: header_missing, time, probe, unknown_serial, signature, malformed, undecryptable,
    foreign (another merchant's).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
