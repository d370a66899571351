"""Handing a message to its platform: the only place here that knows other people's servers."""

from __future__ import annotations

from chalicelib.core.errors import MallError, OutsideError
from chalicelib.growth.messaging.carrying.rules import Letter, Verdict, verdict


class Uncarried(Exception):
    """A call failed: what becomes of the message, and the platform's code."""

    def __init__(self, meaning: Verdict, code: str) -> None:
        super().__init__(f"{meaning}: {code}")
        self.meaning = meaning
        self.code = code


def carry(letter: Letter) -> str:
    """Hand a message to its platform: the platform's own id of it, "" where it gives none. Raises Uncarried."""
    try:
        return handed(letter)
    except OutsideError as fault:
        code = str(getattr(fault, "code", type(fault).__name__))
        raise Uncarried(verdict(code, fault.passing, bool(getattr(fault, "outcome_unknown", False))), code) from fault
    except MallError as fault:  # a secret that cannot be read now: nothing was called
        raise Uncarried("later", fault.code) from fault
    except LookupError as fault:
        if type(fault) is not LookupError:
            raise
        raise Uncarried("ours", "not_configured") from None  # a secret that is not set: nothing was called


def handed(letter: Letter) -> str:
    """Call the platform, once. Raises the errors of its client."""
    from chalicelib.gateways.wechat import mini, oa  # requests and cryptography: only who sends pays for them

    match letter.way:
        case "subscribe":
            mini.send_subscribe(letter.to, letter.template_id, letter.fields, _page(letter))
        case "mini_text":
            mini.send_text(letter.to, letter.text)
        case "oa_text":
            oa.send_text(letter.to, letter.text)
        case "template":
            return oa.send_template(letter.to, letter.template_id, letter.fields, _page(letter), letter.message_id)
        case "sms":
            from chalicelib.gateways.sms import service as sms

            return sms.send(letter.to, letter.template_id, letter.fields, letter.message_id)
        case "call":
            raise ValueError("a call is a task, which nobody outside is told of")
    return ""


def _page(letter: Letter) -> str:
    """The page that the message opens, with which message it was; the mini-program tells when it is opened."""
    return f"{letter.page}{'&' if '?' in letter.page else '?'}m={letter.message_id}"
