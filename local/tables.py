"""Makes an empty mall: every table that is not there yet, and the operator admin / admin.

    python -m local.tables

Both are left alone where they are there already.
"""

from __future__ import annotations

from chalicelib.mall.operators import service as operators
from chalicelib.platform.store import tools
from infra.tables import every_table
from local.owner import NAME, PASSWORD


def create_all() -> int:
    """Create the tables of all wings; how many were missing."""
    return sum(tools.create(table) for table in every_table())


def main() -> None:
    """Create what is missing and say so."""
    print(f"{create_all()} tables created")
    operators.bootstrap(NAME, PASSWORD)


if __name__ == "__main__":
    main()
