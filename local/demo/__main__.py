"""`make demo`: plays in the mall that `make run` opened; the exit status is 1 at the first step not as it should be."""

from __future__ import annotations

import sys

import requests

from local.demo.play import play, sum_up
from local.demo.stage import Demo, Unexpected
from local.mall import running
from local.processes import StartError


def main() -> int:
    """Play; the exit status."""
    try:
        demo = Demo(running())
        play(demo)
    except (StartError, Unexpected) as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1
    except requests.RequestException as fault:
        print(f"demo: the mall went away ({type(fault).__name__})", file=sys.stderr)
        return 1
    sum_up(demo)
    return 0


if __name__ == "__main__":
    sys.exit(main())
