"""The sales that are simulated, what is kept of them, and docs/flash-sale.md."""

from __future__ import annotations

import re
import textwrap

import msgspec
from msgspec.structs import replace

from bench.markdown import table
from bench.simulation.flash_simulation import HOT, JOBS, PRODUCT, QUEUE, SETTINGS, SHARD, Outcome, Sale
from bench.units.key_heat import Touched, Touches

RUSHES = (10.0, 60.0)
SHARDS = (0, 4, 8, 16, 32)
JOB_SHARDS = 16

BASE = [Sale(rush=rush, shards=shards) for rush in RUSHES for shards in SHARDS]
MORE_JOBS = [Sale(rush=rush, shards=shards, job_shards=JOB_SHARDS) for rush in RUSHES for shards in (16, 32)]
#: What the page advises; the page's other sales differ from it in one thing each.
ADVISED = Sale(shards=16, job_shards=JOB_SHARDS)
OTHERS = {
    "as advised": ADVISED,
    "a transaction takes 5 ms": replace(ADVISED, transaction=0.005),
    "a transaction takes 20 ms": replace(ADVISED, transaction=0.020),
    "8 job shards": replace(ADVISED, job_shards=8),
    "3,000 processes to begin with": replace(ADVISED, processes=3000),
    "who was refused 5 times goes away": replace(ADVISED, patience=5),
}
#: Pieces come back while people still ask for them.
BACK = Sale(buyers=20_000, pieces=2000, shards=16, job_shards=JOB_SHARDS, back=((7.0, 2000),))
#: As many as in tests/e2e/test_last_pieces.py, where they meet at a real engine.
SMALL = [Sale(buyers=200, pieces=50, rush=1.0, shards=shards, wants_more=0) for shards in (0, 8)]
SALES = sorted(
    dict.fromkeys([*BASE, *MORE_JOBS, *OTHERS.values(), BACK, *SMALL]), key=lambda sale: (-sale.buyers, sale.shards)
)


class Run(msgspec.Struct, frozen=True):
    """A sale, and what became of it."""

    sale: Sale
    outcome: Outcome


class Kept(msgspec.Struct, frozen=True):
    """bench/simulation/flash.json."""

    touches: Touches
    runs: list[Run]


def read(data: bytes) -> Kept:
    """What `written` wrote."""
    return msgspec.json.decode(data, type=Kept)


def written(kept: Kept) -> bytes:
    """The content of bench/simulation/flash.json: a line for each key and each sale."""
    touches = ",\n".join(
        f"  {_json(step)}: [\n" + ",\n".join(f"    {_json(touch)}" for touch in getattr(kept.touches, step)) + "\n  ]"
        for step in Touches.__struct_fields__
    )
    runs = ",\n".join(f"  {_json(run)}" for run in kept.runs)
    return f'{{"touches": {{\n{touches}\n}},\n"runs": [\n{runs}\n]}}\n'.encode()


def page(kept: Kept) -> str:
    """docs/flash-sale.md."""
    found = {run.sale: run.outcome for run in kept.runs}
    parts = [_head(), _advice(kept.touches, found), _buyers(found), _figures(found), _limits(kept.touches, found)]
    parts += [_model(kept.touches), _honesty(found)]
    return "\n\n".join(_filled(block) for part in parts for block in part.split("\n\n")) + "\n"


def _filled(block: str) -> str:
    """A paragraph, or a list's items, in lines of the usual length; headings and tables as they are."""
    if block.startswith(("#", "|")):
        return block
    filled = []
    for item in re.split(r"\n(?=- |\d\. )", block):
        mark = re.match(r"- |\d\. |", item)
        assert mark
        indent = " " * len(mark[0])
        text = " ".join(item.split())
        filled.append(
            textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
    return "\n".join(filled)


def _head() -> str:
    return f"""# A flash sale

{ADVISED.buyers:,} buyers want {ADVISED.pieces:,} pieces. What to set before, what buyers see, and what limits the sale.

Simulated, not measured on AWS: what an order reads and writes was measured, DynamoDB's limits are a model, which is
stated below. Written by `python -m bench.simulation`; do not edit, the next run writes it anew. `--kept` computes it
again from the touches in bench/simulation/flash.json, without an engine."""


def _advice(touches: Touches, found: dict[Sale, Outcome]) -> str:
    advised, none = found[ADVISED], found[Sale(shards=0)]
    four = replace(ADVISED, job_shards=Sale().job_shards)
    most, warm = replace(ADVISED, shards=32), OTHERS["3,000 processes to begin with"]
    many = found[warm]
    a_shard = int(advised.orders / advised.sold_out_seconds / ADVISED.shards)
    needed = -(-1000 // (10 * a_shard))
    placings = _placings_a_second(touches)
    writes = ", ".join(f"`{place}` {_up(units)}" for place, units in advised.peak_writes.items() if units > 4000)
    reads = ", ".join(f"`{place}` {_up(units)}" for place, units in advised.peak_reads.items() if units > 12_000)
    return f"""## Before the sale

1. **Spread the stock**: `PUT /v1/admin/skus/{{sku_id}}/shards {{"shards": {ADVISED.shards}}}`, once the stock is
   supplied and before the doors open. Without shards {none.sold:,} were sold in {none.sold_out_seconds:.0f} seconds,
   and {none.gave_up / Sale().buyers:.0%} of the buyers went away without an answer; with {ADVISED.shards} shards all
   were sold in {found[four].sold_out_seconds:.1f} seconds. How many: reckon with {a_shard} orders a second for a
   shard, up to {placings:,.0f} orders a second for a product; a sale of {1000:,} pieces that may take ten seconds needs
   {needed}. With 32, fewer buyers meet each other ({found[most].share_503:.1%} are told to try again instead of
   {advised.share_503:.1%}), and all is sold in {found[most].sold_out_seconds:.1f} seconds instead of
   {advised.sold_out_seconds:.1f}. Whether the crowd comes within {RUSHES[0]:.0f} seconds or {RUSHES[1]:.0f} changes
   little: its first seconds buy it all. 0 takes the shards away again.
2. **Spread the jobs**: `YUTANG_JOB_SHARDS={JOB_SHARDS}`. Every order owes a job (`orders.close_unpaid`) in its own
   transaction, and the default of {four.job_shards} shards serves {_jobs_a_second(touches, four):,.0f} tries of a
   transaction a second, those that met another included: with {ADVISED.shards} shards of stock they, and not the stock,
   are the limit ({_throttled(found[four], JOBS)} refusals). With {JOB_SHARDS} the sale takes
   {advised.sold_out_seconds:.1f} seconds. It may grow, and never shrink.
3. **Warm the tables**: DynamoDB gives a table partitions as it has needed them, and each serves only so much; a table
   on demand starts with 4,000 write units and 12,000 read units a second. Set its
   [warm throughput](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html) a day before
   (`aws dynamodb update-table --table-name ... --warm-throughput ...`), to the highest second of this sale: write
   units of {writes}; read units of {reads}. The default quota of a table is 40,000 of each: ask for more in time.
4. **Processes**: Lambda's concurrency is 10 or 50 in a new account and 1,000 when AWS was asked
   ([first](operations.md#before-the-first-time)); {advised.processes:,} were at work here, and who finds none free is
   turned away before the mall has seen them. Many more from the start are no help to a crowd of
   {ADVISED.rush:.0f} seconds: with {warm.processes:,} the sale took {many.sold_out_seconds:.1f} seconds, and
   {many.share_503:.0%} of the buyers were told to try again, because the product's key is where they waited then. API
   Gateway serves {ADVISED.gateway_rate:,.0f} requests a second in an account; this mall takes
   as many when its parameters `RequestsPerSecond` and `RequestsAtOnce` say so. With the 512 MB that the API's function
   has, its own part of a request takes three times as long as on a whole vCPU: give it 1,769 (`lambda_memory_size` in
   .chalice/config.json) for the day, so that fewer processes do."""


def _buyers(found: dict[Sale, Outcome]) -> str:
    advised, minute = found[ADVISED], found[replace(ADVISED, rush=60.0)]
    late = found[BACK].told_late
    return f"""## What buyers see

- An order, or "out of stock": one of both, and each piece once. All {ADVISED.pieces:,} were sold in every sale below
  that had shards.
- "Please try again" (503, with Retry-After), when orders met at the same shard six times in a row or a key was over
  its limit: {advised.share_503:.1%} of them at least once, when all come within {ADVISED.rush:.0f} seconds;
  {minute.share_503:.1%} within a minute. To press again is safe: the same Idempotency-Key is the same order.
- The door: API Gateway's 429, or its 500 when no process is free. {advised.share_door:.0%} met it at least once within
  {ADVISED.rush:.0f} seconds, {minute.share_door:.1%} within a minute. The program presses again after a second or so.
- Half of the buyers had their answer within {advised.answer_p50:.1f} seconds of the first press, 99 of 100 within
  {advised.answer_p99:.0f} ({minute.answer_p50:.2f} and {minute.answer_p99:.1f}, when they come within a minute).
- "Out of stock" may be a second old, no more. When {BACK.back[0][1]:,} pieces came back in the middle of a sale, the
  last buyer who was told there were none was told {late:.2f} seconds after."""


def _figures(found: dict[Sale, Outcome]) -> str:
    parts = ["## Figures"]
    for rush in RUSHES:
        sales = {f"{sale.shards}": sale for sale in BASE if sale.rush == rush}
        more = {f"{sale.shards}": sale for sale in MORE_JOBS if sale.rush == rush}
        parts += [f"All press within {rush:.0f} seconds; {BASE[0].job_shards} job shards, as by default:"]
        parts += [_table("shards", sales, found), f"The same with {JOB_SHARDS} job shards:"]
        parts += [_table("shards", more, found)]
    advised = f"{ADVISED.shards} shards, {JOB_SHARDS} job shards and {ADVISED.rush:.0f} seconds"
    parts += [f"One thing changed, at {advised}:", _table("", OTHERS, found)]
    return "\n\n".join([*parts, _COLUMNS])


_COLUMNS = """\
"Within": seconds until the last piece was sold. "Answer": seconds from a buyer's first press to an order or "out of
stock". Shares are of the buyers, at least once each. "Throttled" are requests that a key refused: the stock's shards,
the job shards, the product's own key (which is the stock's, too, where there are no shards). Transactions and write
units are all that were tried, by the orders that were sold."""


def _table(first: str, sales: dict[str, Sale], found: dict[Sale, Outcome]) -> str:
    head = (
        first, "sold", "within", "answer, p50", "p99", "longest", "503", "door", "conflicts", "throttled: shards",
        "jobs", "product", "transactions an order", "WRU an order", "gave up",
    )  # fmt: skip
    rows = []
    for name, sale in sales.items():
        of = found[sale]
        rows.append(
            (
                name, f"{of.sold:,}", f"{of.sold_out_seconds:.1f}", f"{of.answer_p50:.2f}", f"{of.answer_p99:.1f}",
                f"{of.answer_max:.1f}", f"{of.share_503:.1%}", f"{of.share_door:.1%}", f"{of.conflicts:,}",
                *(_throttled(of, name) for name in (SHARD, JOBS, PRODUCT)),
                f"{of.transactions_per_order:.1f}", f"{of.writes_per_order:.0f}", f"{of.gave_up / sale.buyers:.1%}",
            )
        )  # fmt: skip
    return table(head, rows)


def _limits(touches: Touches, found: dict[Sale, Outcome]) -> str:
    placings, stock = _placings_a_second(touches), 1 / ADVISED.transaction
    queue = ADVISED.order_shards * ADVISED.key_writes / _shared(touches)[QUEUE].writes
    eight, sixteen = (_jobs_a_second(touches, replace(ADVISED, job_shards=shards)) for shards in (8, JOB_SHARDS))
    tries = f"{_jobs_a_second(touches, Sale()):,.0f} tries of a transaction with 4, {eight:,.0f} with 8, {sixteen:,.0f}"
    held = f"{stock:,.0f} orders: one transaction at a time, of {1000 * ADVISED.transaction:.0f} ms"
    processes = f"{ADVISED.key_reads / touches.remembered[0].reads:,.0f} processes: each reads them once a second"
    rows = [
        ("a shard of the stock", held, "the SKU's shards, at most 32"),
        ("the job shards", f"{tries} with {JOB_SHARDS}", "`YUTANG_JOB_SHARDS`"),
        ("the product and the SKU's own item", f"{placings:,.0f} placings: each reads both, under one key", "nothing"),
        ("the queue of unpaid orders", f"{queue:,.0f} orders with {Sale().order_shards}", "`YUTANG_ORDER_SHARDS`"),
        ("settings and prices", processes, "`YUTANG_CACHE_SECONDS`"),
    ]
    best, advised = found[replace(ADVISED, shards=32)], found[ADVISED]
    return f"""## What limits

In a second:

{table(("shared by all orders", "serves", "raised by"), rows)}

The product's key is the limit that is left: at {ADVISED.shards} shards and {JOB_SHARDS} job shards it refused
{_throttled(advised, PRODUCT)} reads while the shards of stock refused {_throttled(advised, SHARD)} and the job shards
{_throttled(advised, JOBS)}; with 32 shards there are fewer conflicts, and the last piece goes after
{best.sold_out_seconds:.1f} seconds instead of {advised.sold_out_seconds:.1f}. A process that has seen the shards empty
answers for a second without that key, which is why the answers after the last piece are quick with shards, and slow
without: there every answer reads it. A call that waits to try again keeps its process, so that conflicts and throttles
come back as a shortage of processes: that is most of what meets buyers at the door."""


def _model(touches: Touches) -> str:
    rows = []
    steps = {"own": "an order, without shards", "shard": "an order, from a shard", "look": "a look at the shards",
             "told": "\"out of stock\", remembered", "remembered": "a process, once a second"}  # fmt: skip
    for step, name in steps.items():
        for touch in getattr(touches, step):
            key = f"`{touch.pattern}`" if touch.pattern else "its own"
            many = "each shard" if touch.keys > 1 else ""
            rows.append((name, f"`{touch.place}`", key, f"{touch.reads:g}", f"{touch.writes:g}", many))
    sale = Sale()
    return f"""## The model

What an order touches (`bench/units/key_heat.py`: orders of several members, recorded at the store's client; units by
`bench/units/request_units.py`). A key that the orders of two members touch is shared; `n` stands for a number.

{table(("", "table or index", "hash key", "RRU", "WRU", ""), rows)}

- **Keys.** Each hash key has a partition of its own, which serves {sale.key_writes:,.0f} write units and
  {sale.key_reads:,.0f} read units a second, a second's worth saved up at most. No burst beyond that, no adaptive
  capacity. [Partitions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html),
  [back-pressure of indexes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html).
- **Transactions.** One holds its items for {1000 * sale.transaction:.0f} ms, an assumption (5 and 20 above); another
  one that meets it is refused with TransactionConflict. A refused one costs all its units, save those of indexes:
  more than DynamoDB may charge. It is tried six times with the waits of `platform/store/transaction.py`, then 503.
  [Transactions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html).
- **Reads.** {1000 * sale.read:.0f} ms. What BatchGetItem leaves over is asked for again by `platform/store/read.py`;
  when all is refused, botocore's mode "standard" waits up to 1 and 2 seconds, then 503. Its budget for retries, of each
  process, is left out. [BatchGetItem](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
- **Processes.** {sale.processes:,} are there, {sale.processes_more:.0f} more may come a second, each
  {sale.start:.0f} s after it is wanted; one request at a time, {1000 * sale.work:.0f} ms beside DynamoDB. They take
  turns, so that each remembers as little as can be. What they remember is good for {sale.cache_seconds:g} s.
  [Lambda](https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html).
- **The door.** {sale.gateway_rate:,.0f} requests a second and {sale.gateway_burst:,.0f} at once.
  [API Gateway](https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html).
- **Buyers.** They are logged in and only press. One of {sale.wants_more} wants two pieces, as many want three. Who is
  told to try again does so after Retry-After (a second, at the door) and up to {sale.thinking:.0f} seconds more, and
  goes away when that was the {sale.patience}th time; the pages that they look at meanwhile are not in it.
- **The code.** Where an order takes its pieces is `rules.chosen`, the shard of an order and of its job `ids.shard`, the
  number of tries and their waits the store's own."""


def _honesty(found: dict[Sale, Outcome]) -> str:
    none, eight = (found[sale] for sale in SMALL)
    return f"""## What it does not show

- Hash keys may share a partition, above all in a table that is new or small: then less is served. That is what warm
  throughput is for, and nobody can see it. The other way round, DynamoDB lends what other partitions leave, and moves
  hot keys apart within minutes: then more is served.
- The limit of a whole table, which warm throughput and its quota set, is not in the model.
- The jobs of the first orders run a minute later, payments come in meanwhile: neither is in it.
- DynamoDB Local has no such limits, so that the model is held against it only in what must be true whatever the speed.
  `tests/e2e/test_last_pieces.py` lets 200 shoppers order the last 50 pieces of a real engine, without shards and
  with 8: 50 have one, 150 are told. The model says the same: {none.orders} and {none.told} without,
  {eight.orders} and {eight.told} with 8. `tests/deploy/test_flash.py` holds that, and this page to
  bench/simulation/flash.json."""


def _shared(touches: Touches) -> dict[str, Touched]:
    return {HOT[touch.place, touch.pattern]: touch for touch in touches.shard if touch.pattern}


def _jobs_a_second(touches: Touches, sale: Sale) -> float:
    return sale.job_shards * sale.key_writes / _shared(touches)[JOBS].writes


def _placings_a_second(touches: Touches) -> float:
    return ADVISED.key_reads / _shared(touches)[PRODUCT].reads


def _throttled(outcome: Outcome, name: str) -> str:
    assert name in (SHARD, JOBS, PRODUCT, QUEUE, SETTINGS)
    return f"{outcome.throttles.get(name, 0):,}"


def _up(units: float) -> str:
    """Rounded up to whole thousands, as one would ask for it."""
    return f"{-(-units // 1000) * 1000:,.0f}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
