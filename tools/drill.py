"""`make drill`: a mall is lost and restored, and must agree with WeChat's books to the fen.

A mall of its own, with tables of its own also in an engine that others use, plays `make demo`; somebody orders; its
tables are exported. Then the worst: the shopper pays while the mall is down, and every table is gone. It is restored as
it was before the payment, opened again, and finds out by itself. The audit at the end must find no difference; the exit
status is 1 otherwise.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from pathlib import Path

from local.demo import purchase
from local.demo.play import play
from local.demo.stage import Demo, Unexpected
from local.mall import Mall
from local.processes import StartError


def main() -> int:
    """Drill; the exit status."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prefix = f"drill-{secrets.token_hex(4)}-"
        try:
            with Mall(folder / "mall", prefix=prefix, say=lambda what: print(f"  {what}", flush=True)) as mall:
                try:
                    drill(mall, folder / "export")
                finally:
                    mall.run("tools.snapshot", "wipe")
        except (StartError, Unexpected) as fault:
            print(f"drill: {fault}", file=sys.stderr)
            return 1
    return 0


def drill(mall: Mall, folder: Path) -> None:
    """Lose the mall and restore it. Raises Unexpected, and StartError when the audit finds a difference."""
    ports = {"PORT": mall.ports.api, "SANDBOX_PORT": mall.ports.sandbox, "CONTROL_PORT": mall.ports.control}
    mall.environment |= {name: str(port) for name, port in ports.items()} | {"YUTANG_LOCAL": str(mall.data)}
    mall.furnish()
    demo = Demo(mall)
    play(demo)
    demo.arrive("高远舟")
    order = purchase.place(demo, purchase.choose(demo))
    path = f"/v1/orders/{order['order_id']}"
    demo.step("Paying has begun; now everything is exported: the point in time to which the mall will be restored")
    payment = demo.shopper.call("POST", f"{path}/payment", tell="package")
    with mall.closed():
        began = time.monotonic()
        print(f"    {mall.run('tools.snapshot', 'export', str(folder)).strip()}")
        demo.step("The mall is down. The shopper pays all the same, and no callback finds anybody")
        prepay_id = payment["package"].removeprefix("prepay_id=")
        demo.wechat.call("POST", "/_control/pay", {"prepay_id": prepay_id, "notify": "none"}, tell="transaction_id")
        demo.step("All tables are gone; and restored")
        print(f"    {mall.run('tools.snapshot', 'wipe').strip()}")
        print(f"    {mall.run('tools.snapshot', 'restore', str(folder)).strip()}")
        print(f"    {time.monotonic() - began:.1f} s for export, wipe and restore")
    demo.step("Open again: the watch over the order asks WeChat, and learns that it was paid")
    demo.advance(120)
    demo.wait(demo.shopper, path, lambda now: now["state"] == "awaiting_shipment", "state paid_fen")
    demo.step("The audit: orders, journal, balances, stock, coupons and WeChat's books against each other")
    print(mall.run("tools.audit"), end="")


if __name__ == "__main__":
    sys.exit(main())
