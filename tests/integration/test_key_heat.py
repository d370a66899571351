"""What an order touches is what bench/simulation/flash.json says, so that the page of the flash sale stays true."""

from __future__ import annotations

from bench.simulation import flash
from bench.simulation.flash_page import read
from bench.units.key_heat import Measurement
from local.client import Operator, Sandbox, in_process
from local.clock import LocalClock
from tests.support.operators import owner_token


def test_an_order_touches_what_the_simulation_of_a_rush_takes_from_the_file(
    own_tables: None, sandbox: str, mall_clock: LocalClock, one_instant: None
) -> None:
    send = in_process()
    measured = Measurement(send, Sandbox(sandbox), Operator(send, owner_token())).run()
    assert measured == read(flash.FILE.read_bytes()).touches, "run: python -m bench.simulation"
