"""What can go wrong between the mall and who sends its SMS. No text here ever holds an address, a key or a phone."""

from __future__ import annotations

from chalicelib.core.errors import OutsideError


class SmsError(OutsideError):
    """The vendor refused to send, or no answer that can be understood came back.

    `code` is the vendor's own where it sent one (`LimitExceeded.PhoneNumberDailyLimit`, `isv.AMOUNT_NOT_ENOUGH`), else
    one of ours in lower case: `no_vendor` where none is configured, `not_a_mobile` for a phone that gets no SMS. `http`
    is None when there was no reply. `retryable`: nothing was sent, and the same call again may succeed.
    `outcome_unknown`: it may have been sent, and nothing tells whether it was.
    """

    def __init__(
        self, code: str, *, http: int | None = None, retryable: bool = False, outcome_unknown: bool = False
    ) -> None:
        super().__init__(f"{code} http={http}")
        self.code = code
        self.http = http
        self.retryable = retryable
        self.outcome_unknown = outcome_unknown

    @property
    def passing(self) -> bool:
        """Whether it may go away by itself; a refusal for good does not."""
        return self.retryable or self.outcome_unknown


class SmsRejected(Exception):
    """A callback that cannot be believed or read; nothing in it may be acted on. Answer 401.

    `reason` is one of: vendor (not the one that sends for the mall), token, malformed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
