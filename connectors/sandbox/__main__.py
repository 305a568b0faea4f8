"""`python -m connectors.sandbox`: the sample company's vendors on one port."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from connectors.sandbox.server import serve

EXAMPLE = """example:
  python -m connectors.sandbox --port 8800 --state sandbox.db --latency-ms 50
  curl -u bamboohr-key-of-the-sandbox:x -H 'Accept: application/json' \\
       http://127.0.0.1:8800/bamboohr/api/v1/employees/directory
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m connectors.sandbox",
        description="Twins of an HR system, an SSO and three apps for the sample company, on loopback.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8800, help="0 takes a free one (default: 8800)")
    parser.add_argument("--state", type=Path, help="file that keeps everything; left out, nothing outlives the process")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait before each answer (default: 0)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    try:
        serve(given.port, given.state, given.latency_ms / 1000, given.until_stdin_closes)
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on 127.0.0.1:{given.port}: {error}. Choose another --port.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
