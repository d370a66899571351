"""What orders owe to later, and which events they publish."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, event, handles, subscribe

CLOSE_UNPAID = handles(
    "orders.close_unpaid", "chalicelib.commerce.orders.closing.service:close_unpaid", OUTSIDE, leased=False
)
REPORT_SHIPPING = handles(
    "orders.report_shipping", "chalicelib.commerce.orders.delivery.service:report_shipping", OUTSIDE
)
RECEIVE = handles("orders.receive", "chalicelib.commerce.orders.delivery.service:receive_by_time", leased=False)
COMPLETE = handles("orders.complete", "chalicelib.commerce.orders.delivery.service:complete")
PUSH_REFUND = handles("orders.push_refund", "chalicelib.commerce.orders.refunds.push:push_refund", OUTSIDE)

subscribe("member.blocked", "orders.close_held", "chalicelib.commerce.orders.closing.service:close_held", OUTSIDE)

#: An order is paid and stands, also while its group is still open; or it costs nothing and its payment was begun.
PAID = event("order.paid")
#: An order goes to shipping, and only now counts as sold: at payment, or when its group has come together.
CONFIRMED = event("order.confirmed")
#: Told by the version before, and still heard. Now a completion itself counts the purchase, and owes what follows one.
COMPLETED = event("order.completed")
STOCK_RETURNED = event("stock.returned")
COUPON_USED = event("coupon.used")
COUPON_RETURNED = event("coupon.returned")
#: What happens to the money of an order that pays commissions: published only of orders that have a chain.
REFERRED_CONFIRMED = event("referred_order.confirmed")
REFERRED_REFUNDED = event("referred_order.refunded")
REFERRED_RECEIVED = event("referred_order.received")
REFERRED_COMPLETED = event("referred_order.completed")
#: One that was never paid is over.
REFERRED_CLOSED = event("referred_order.closed")
