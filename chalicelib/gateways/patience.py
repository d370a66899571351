"""How patient the mall is with WeChat Pay: what its codes mean for money that is on its way out. Pure.

`outbound.Policy` says what each figure means, and `outbound.next_step` obeys it.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.gateways.outbound import Policy

#: How old a signature may be, in seconds, before WeChat (and the mall) refuses it.
SIGNATURE_SECONDS = 300

_NOT_NOW = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED"})

#: A refund asks every half minute: most are done within minutes. After seven failures, some five minutes, operators see
#: why it waits; after an hour it is counted at each attempt, whatever the reason.
REFUNDS = Policy(
    parked_codes=_NOT_NOW,
    park_seconds=600.0,
    believed_after=3,
    shown_after=7,
    ask_seconds_min=30.0,
    ask_seconds_max=30.0,
    late_after=timedelta(hours=1),
)

#: WeChat wants a minute between two refunds of one payment.
REFUNDS_APART = timedelta(seconds=60)
#: So long after another refund of the payment was asked for, a refusal may still be one of that rule: it is believed
#: later.
REFUNDS_CLEAR = timedelta(seconds=120)

#: A transfer waits for its receiver, a day at most: asked about ever more rarely, and once when the day (and a little
#: more) is over. It fails only when WeChat refuses it twice alike; of one that WeChat has forgotten nothing hurries.
TRANSFERS = msgspec.structs.replace(
    REFUNDS,
    ask_seconds_min=10.0,
    ask_seconds_max=3600.0,
    refusals_alike=True,
    shows_refusals=True,
    decided_within=timedelta(days=1, seconds=30),
    late_after=None,
    forgotten_seconds=6 * 3600.0,
)

#: How long after the mall sends nothing more for a transfer a request for it may still arrive: a worker that has not
#: seen it yet lives for 85 s at most (jobs.worker.LEASE_SECONDS), and its signature for SIGNATURE_SECONDS. Before that
#: WeChat's not knowing the transfer decides nothing.
STRAY_REQUESTS = timedelta(seconds=600)
