#!/bin/sh
# Installs what pip cannot: a Chromium for Playwright, PostgreSQL's server programs, and the directories of the tests:
# OpenLDAP and Samba's Active Directory. Nothing that is installed here is started.
set -u
have() { command -v "$1" >/dev/null 2>&1; }
postgres_there() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
slapd_there() { have slapd || [ -x /usr/sbin/slapd ]; }
samba_there() { { have samba || [ -x /usr/sbin/samba ]; } && have samba-tool && [ -d /usr/share/samba/setup ]; }

wanted=""
have chromium || have google-chrome || ls "$HOME"/.cache/ms-playwright/chromium* >/dev/null 2>&1 || wanted="$wanted chromium"
postgres_there || wanted="$wanted postgresql"
slapd_there || wanted="$wanted slapd"
have ldapsearch || wanted="$wanted ldap-utils"
samba_there || wanted="$wanted samba-ad-dc samba-ad-provision"
[ -n "$wanted" ] || exit 0
if have apt-get && [ "$(id -u)" = 0 ]; then
    echo "Installing$wanted"
    policy=/usr/sbin/policy-rc.d    # what Debian asks before it starts a service it has just installed
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' INT TERM
    fi
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
else
    echo "Not installed:$wanted. Tests that need them will be skipped; a browser: .venv/bin/playwright install chromium"
fi
