"""The toy mall as bench/load/http.py drives it."""

from __future__ import annotations

import secrets

from bench.load.http import Session


def prepare(session: Session, products: int, stock: int) -> list[str]:
    names = [secrets.token_hex(4) for _ in range(products)]
    for name in names:
        assert session.call("PUT", f"/stock/{name}?{stock}", {}, b"").status == 200
    return names


def arrive(session: Session, catalogue: list[str]) -> Shopper:
    return Shopper(session, catalogue)


class Shopper:
    def __init__(self, session: Session, products: list[str]) -> None:
        self._session = session
        self._products = products

    def product_list(self) -> None:
        assert self._call("/list") == 200

    def product_detail(self) -> None:
        assert self._call(f"/product/{self._products[0]}") == 200

    def add_to_cart(self) -> None:
        assert self._call(f"/cart/{self._products[-1]}") == 200

    def checkout(self) -> bool:
        """Two calls."""
        self.add_to_cart()
        status = self._call(f"/buy/{self._products[0]}")
        assert status in (200, 409), status
        return status == 200

    def _call(self, path: str) -> int:
        return self._session.call("GET", path, {}).status
