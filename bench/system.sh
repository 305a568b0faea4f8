#!/bin/sh
# Installs what pip cannot: a Chromium for Playwright, PostgreSQL's server programs.
set -u
have() { command -v "$1" >/dev/null 2>&1; }
postgres_there() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

wanted=""
have chromium || have google-chrome || ls "$HOME"/.cache/ms-playwright/chromium* >/dev/null 2>&1 || wanted="$wanted chromium"
postgres_there || wanted="$wanted postgresql"
[ -n "$wanted" ] || exit 0
if have apt-get && [ "$(id -u)" = 0 ]; then
    echo "Installing$wanted"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
else
    echo "Not installed:$wanted. Tests that need them will be skipped; a browser: .venv/bin/playwright install chromium"
fi
