"""HR's webhooks: how fast the receiver answers, and how soon a leaver's SSO account is disabled, on the twins.

    python -m bench.webhooks [LEAVERS] [--stages]
    python -m bench.webhooks burst [VENDOR …]

The way to the SSO alone, with many people known: bench.hr_to_sso. One look alone: bench.signal_look.
"""

from __future__ import annotations

import argparse
import sys

from bench import hr_to_sso, webhook_burst


def main() -> None:
    """Measure and print both, or the burst alone, of all vendors."""
    if sys.argv[1:2] == ["burst"]:
        webhook_burst.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("leavers", type=int, nargs="?", default=12)
    parser.add_argument("--stages", action="store_true", help="the share of each part of the way")
    given = parser.parse_args()
    webhook_burst.main(["bamboohr"])
    print(hr_to_sso.measured(given.leavers, given.stages))


if __name__ == "__main__":
    main()
