"""OpenLDAP's slapd and a Samba Active Directory domain as processes of their own, on loopback, with throw-away keys.

They are read with OpenLDAP's own ldapsearch, which shares nothing with the connector.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.foreign import GROUPS, Shown
from tests.ldap_client import Authority, OtherClient, Row, quoted
from tests.stage import free_port

PRESETS = Path(__file__).parents[1] / "connectors" / "presets"
PATIENCE = 60.0  # seconds a server may take to come up on a busy machine
DOMAIN = "DC=juniperfinch,DC=example"
SUFFIX = "dc=juniperfinch,dc=example"
ROBOT_SECRET = "canary-Darjeeling-4711"
ADMIN_SECRET = "canary-Admin-Assam-4711"
LOCKED = "000001010000Z"
SBIN = ("/usr/sbin", "/usr/local/sbin")


# servers


class LdapServer:
    """What the two have in common."""

    name: str
    prefix: str
    """Of the preset's variables."""
    program: str
    base: str

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = Path()
        self.host, self.port = "127.0.0.1", 0
        self.robot = ""

    @property
    def rules_yaml(self) -> str:
        """The preset as it is shipped."""
        return (PRESETS / f"{self.name}.yaml").read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return f"ldaps://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Values for the preset's variables."""
        ca = str(self.authority.file)
        given = {"URL": self.url, "USER": self.robot, "PASSWORD": ROBOT_SECRET, "CA_FILE": ca, "BASE": self.base}
        return {f"{self.prefix}_{name}": value for name, value in given.items()}

    def missing(self) -> str:
        """Why it cannot be started here; empty where it can."""
        for needed in (self.program, "ldapsearch", "ldapmodify"):
            if not found(needed):
                return f"{needed} is not installed (bench/system.sh installs it)"
        return ""

    def start(self, folder: Path) -> dict[str, str]:
        """Make it, start it, and fill it; the values of the preset's variables."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(folder / "tls")
        self.make()
        self.launch()
        self.fill()
        return self.environment

    def launch(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self.admin.may_sign_in():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{self.name} did not come up: {(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it by its own process id."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """As after an update of the machine; `meanwhile`: while it is away."""
        self.stop()
        meanwhile()
        self.launch()

    def make(self) -> None: ...

    def fill(self) -> None: ...

    def command(self) -> list[str]: ...

    admin: OtherClient

    def row(self, filter: str, *attributes: str) -> Row | None:
        """The one entry that matches."""
        rows = self.admin.rows(self.base, filter, *(attributes or ("*", "+")))
        assert len(rows) < 2, rows
        return rows[0] if rows else None

    def groups_of(self, dn: str) -> frozenset[str]:
        """By the groups' own lists."""
        rows = self.admin.rows(self.base, f"(member={quoted(dn)})", "cn")
        return frozenset(row["cn"][0] for row in rows)


def found(program: str) -> str:
    """Where a program is; also where a user's PATH does not lead."""
    return shutil.which(program) or next((f"{p}/{program}" for p in SBIN if os.access(f"{p}/{program}", os.X_OK)), "")


SLAPD = """
{includes}
attributetype ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY MAY ( sshPublicKey $ uid ) )
modulepath {modules}
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload unique
pidfile {folder}/slapd.pid
sizelimit 50
idletimeout {idle}
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
suffix "{suffix}"
directory {folder}/db
maxsize 67108864
rootdn "cn=admin,{suffix}"
rootpw {admin}
index objectClass,entryUUID,uid,mail,cn,member eq
limits dn.exact="cn=rollcall,{suffix}" size=50 size.prtotal=unlimited
access to attrs=userPassword by dn.exact="cn=rollcall,{suffix}" write by self write by anonymous auth by * none
access to dn.subtree="ou=Vault,{suffix}" by dn.exact="cn=rollcall,{suffix}" read by * none
access to dn.subtree="ou=People,{suffix}" by dn.exact="cn=rollcall,{suffix}" write by users read
access to dn.subtree="ou=Leavers,{suffix}" by dn.exact="cn=rollcall,{suffix}" write by users read
access to dn.subtree="ou=Groups,{suffix}" by dn.exact="cn=rollcall,{suffix}" write by users read
access to * by users read by anonymous auth
overlay ppolicy
ppolicy_default "cn=default,ou=Policies,{suffix}"
ppolicy_hash_cleartext
overlay memberof
overlay unique
unique_uri ldap:///{suffix}?mail?sub
"""
SCHEMAS = ("core", "cosine", "inetorgperson", "nis")

TREE = (
    """
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: juniperfinch
o: Juniper & Finch

dn: cn=rollcall,{suffix}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: rollcall
userPassword: {robot}
"""
    + "".join(
        f"\ndn: ou={ou},{{suffix}}\nobjectClass: organizationalUnit\nou: {ou}\n"
        for ou in ("People", "Leavers", "Groups", "Policies", "Vault")
    )
    + """
dn: cn=default,ou=Policies,{suffix}
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMinLength: 12
pwdCheckQuality: 1
"""
)


class Slapd(LdapServer):
    """OpenLDAP with a password policy, memberof, unique addresses, and limits as administrators set them."""

    name, prefix, program, base = "openldap", "LDAP", "slapd", SUFFIX
    idle = 0

    def make(self) -> None:
        """slapd.conf, an empty database, a certificate."""
        (self.folder / "db").mkdir()
        self.port, self.plain_port = free_port(), free_port()
        certificate, key = self.authority.server("slapd", self.host)
        schemas = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS)
        paths = {"folder": self.folder, "ca": self.authority.file, "certificate": certificate, "key": key}
        modules = next(p for p in ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap") if Path(p).is_dir())
        text = SLAPD.format(
            includes=schemas, modules=modules, suffix=SUFFIX, admin=ADMIN_SECRET, idle=self.idle, **paths
        )
        (self.folder / "slapd.conf").write_text(text)
        self.robot = f"cn=rollcall,{SUFFIX}"

    def command(self) -> list[str]:
        listen = f"{self.url}/ ldap://{self.host}:{self.plain_port}/"
        return [found("slapd"), "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", listen]

    @property
    def admin(self) -> OtherClient:  # type: ignore[override]
        return OtherClient(self.url, f"cn=admin,{SUFFIX}", ADMIN_SECRET, self.authority.file)

    def fill(self) -> None:
        """The tree, and the groups that the lives need: groupOfNames wants a member."""
        self.admin.modify(TREE.format(suffix=SUFFIX, robot=ROBOT_SECRET))
        for name in GROUPS:
            self.group(name)

    def group(self, name: str, *members: str, below: str = "ou=Groups") -> str:
        """Make a group; returns its DN."""
        dn = f"cn={name},{below},{SUFFIX}"
        lines = "".join(f"member: {member}\n" for member in members or (self.robot,))
        self.admin.modify(f"dn: {dn}\nobjectClass: groupOfNames\ncn: {name}\n{lines}")
        return dn

    def sign_in(self, dn: str, password: str) -> bool:
        return self.admin.as_(dn, password).may_sign_in()

    def set_password(self, dn: str, password: str) -> None:
        self.admin.modify(f"dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n")

    def account(self, email: str) -> Shown | None:
        """By ldapsearch."""
        row = self.row(f"(mail={quoted(email)})")
        if row is None:
            return None
        return Shown(
            id=row["entryuuid"][0],
            active=LOCKED not in row.get("pwdaccountlockedtime", ()),
            groups=self.groups_of(row["dn"][0]),
            attributes=named(row, {"department": "departmentnumber"}),
        )


class SambaDomain(LdapServer):
    """A Samba Active Directory domain, of which only the LDAP service runs: its ports are fixed, so that it gets a
    loopback address of its own."""

    name, prefix, program, base = "active_directory", "AD", "samba-tool", DOMAIN

    def missing(self) -> str:
        """As for all, and the right to listen on ports below 1024."""
        if why := super().missing():
            return why
        if not found("samba") or not Path("/usr/share/samba/setup").is_dir():
            return "samba-ad-dc or samba-ad-provision is not installed (bench/system.sh installs them)"
        try:
            with socket.create_server((own_address(), 636)):
                return ""
        except OSError as error:
            return f"nobody but root may listen on port 636 here ({error.strerror})"

    def make(self) -> None:
        """A domain of its own, with a certificate."""
        self.host, self.port = own_address(), 636
        certificate, key = self.authority.server("samba", self.host)
        self.config = self.folder / "domain" / "etc" / "smb.conf"
        options = {
            "interfaces": f"{self.host}/8",
            "bind interfaces only": "yes",
            "server services": "ldap",
            "log file": str(self.folder / "samba.log"),
            "tls cafile": str(self.authority.file),
            "tls certfile": str(certificate),
            "tls keyfile": str(key),
            "pid directory": str(self.folder),
            "ncalrpc dir": str(self.folder / "ncalrpc"),
        }
        command = [
            found("samba-tool"),
            "domain",
            "provision",
            "--realm=JUNIPERFINCH.EXAMPLE",
            "--domain=JUNIPER",
            f"--adminpass={ADMIN_SECRET}",
            "--server-role=dc",
            "--dns-backend=NONE",
            "--host-name=dc1",
            f"--targetdir={self.folder / 'domain'}",
            *(f"--option={name}={value}" for name, value in options.items()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        text = self.config.read_text()
        lines = "".join(f"\t{name} = {value}\n" for name, value in options.items())
        self.config.write_text(text.replace("[global]\n", f"[global]\n{lines}", 1))
        self.robot = f"CN=rollcall,CN=Users,{DOMAIN}"
        self.as_system(KEEP_ON_DELETE)

    def as_system(self, script: str) -> None:
        """Run a script with the domain's database; Samba's modules are Debian's python's."""
        command = ["/usr/bin/python3", "-c", script, str(self.config), DOMAIN]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-2000:]

    def command(self) -> list[str]:
        return [found("samba"), "--foreground", "-M", "single", "-s", str(self.config), "--debug-stdout"]

    @property
    def admin(self) -> OtherClient:  # type: ignore[override]
        return OtherClient(self.url, "Administrator@juniperfinch.example", ADMIN_SECRET, self.authority.file)

    def fill(self) -> None:
        """OUs, groups, and the account that Rollcall uses, with no more rights than it needs."""
        self.admin.modify(AD_TREE.format(base=DOMAIN, robot=coded(ROBOT_SECRET)))
        self.as_system(DELEGATE)
        for name in GROUPS:
            self.group(name)

    def group(self, name: str, *members: str, below: str = "OU=Groups") -> str:
        """Make a group; returns its DN."""
        dn = f"CN={name},{below},{DOMAIN}"
        lines = "".join(f"member: {member}\n" for member in members)
        logon = f"{name} {random.randrange(10**6)}"
        self.admin.modify(f"dn: {dn}\nobjectClass: group\ncn: {name}\nsAMAccountName: {logon}\n{lines}")
        return dn

    def sign_in(self, dn: str, password: str) -> bool:
        return self.admin.as_(dn, password).may_sign_in()

    def set_password(self, dn: str, password: str) -> None:
        self.admin.modify(f"dn: {dn}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: {coded(password)}\n")

    def account(self, email: str) -> Shown | None:
        """By ldapsearch."""
        row = self.row(f"(&(objectClass=user)(userPrincipalName={quoted(email)}))")
        if row is None:
            return None
        return Shown(
            id=row["objectguid"][0],
            active=not int(row["useraccountcontrol"][0]) & 2,
            groups=self.groups_of(row["dn"][0]),
            attributes=named(row, {}),
        )


AD_TREE = (
    "".join(
        f"dn: OU={ou},{{base}}\nobjectClass: organizationalUnit\nou: {ou}\n\n" for ou in ("Staff", "Leavers", "Groups")
    )
    + """
dn: OU=Sales,OU=Staff,{base}
objectClass: organizationalUnit
ou: Sales

dn: CN=rollcall,CN=Users,{base}
objectClass: user
cn: rollcall
sAMAccountName: rollcall
userPrincipalName: rollcall@juniperfinch.example
unicodePwd:: {robot}
userAccountControl: 66048
"""
)


DELEGATE = """
import sys, ldb
from samba import param, sd_utils
from samba.auth import system_session
from samba.samdb import SamDB
from samba.ndr import ndr_unpack
from samba.dcerpc import security
lp = param.LoadParm()
lp.load(sys.argv[1])
base = sys.argv[2]
db = SamDB(session_info=system_session(), lp=lp)
robot = db.search(base, expression="(sAMAccountName=rollcall)", attrs=["objectSid"])[0]
sid = str(ndr_unpack(security.dom_sid, robot["objectSid"][0]))
acls = sd_utils.SDUtils(db)
for ou in ("OU=Staff,", "OU=Leavers,", "OU=Groups,"):
    acls.dacl_add_ace(ou + base, "(A;CI;GA;;;" + sid + ")")
acls.dacl_add_ace(base, "(OA;;CR;45ec5156-db7e-47bb-b53f-dbeb2d03c40f;;" + sid + ")")
show = ["show_deleted:1"]
bin = "CN=Deleted Objects," + base
before, audit, after = acls.read_sd_on_dn(bin, show).as_sddl().partition("S:AI")
acls.modify_sd_on_dn(bin, before + "(A;CI;LCRPWPLO;;;" + sid + ")" + audit + after, show)
"""
"""What an administrator delegates to Rollcall's account, as docs/apps/active_directory.md asks for it."""

KEEP_ON_DELETE = """
import sys, ldb
from samba import param
from samba.auth import system_session
from samba.samdb import SamDB
lp = param.LoadParm()
lp.load(sys.argv[1])
lp.set("dsdb:schema update allowed", "true")
db = SamDB(session_info=system_session(), lp=lp)
for name in ("User-Principal-Name", "Employee-ID"):
    dn = ldb.Dn(db, "CN=" + name + ",CN=Schema,CN=Configuration," + sys.argv[2])
    flags = int(db.search(dn, scope=ldb.SCOPE_BASE, attrs=["searchFlags"])[0]["searchFlags"][0])
    change = ldb.Message(dn)
    change["searchFlags"] = ldb.MessageElement(str(flags | 8), ldb.FLAG_MOD_REPLACE, "searchFlags")
    db.modify(change)
"""
"""Deleted objects keep the key and HR's number. Active Directory's recycle bin keeps everything; Samba 4.17 has one but
cannot bring back what is in it (`isRecycled: no such attribute`), so that tombstones must do here."""


def coded(password: str) -> str:
    """A password as LDIF takes it for unicodePwd."""
    return base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode()


def own_address() -> str:
    """A loopback address that hardly anybody else has taken."""
    return f"127.{random.randrange(64, 250)}.{random.randrange(1, 250)}.{random.randrange(1, 250)}"


def named(row: Mapping[str, list[str]], more: Mapping[str, str]) -> dict[str, str]:
    """HR's names -> the first values."""
    known = {
        "work_email": "mail",
        "given_name": "givenname",
        "family_name": "sn",
        "department": "department",
        "title": "title",
        **more,
    }
    return {name: row[attribute][0] for name, attribute in known.items() if attribute in row}


FOREIGN = (Slapd, SambaDomain)
