"""The sidecar and the stand-in as benchmarks run them, and connected accounts with tokens that they can use."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from cryptography.fernet import Fernet
from figures import connect, sidecar_url

PROGRAMS = Path(os.environ["PROGRAMS"])
PLATFORMS = {"google": "youtube", "facebook": "facebook", "instagram": "instagram", "tiktok": "tiktok", "linkedin": "linkedin", "x": "x"}
NOT_DUE = "9999-01-01T00:00:00Z"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text[:1] in (b"{", b"[") else None


def status(pid, name):
    """A line of /proc/…/status in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:"))


def times(pid):
    """(parent, processor seconds, those of children that have ended)"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS


def processor_seconds(pid):
    return times(pid)[1]


def server_seconds():
    """Processor seconds of the whole database server so far."""
    with connect() as connection:
        postmaster = times(connection.execute("select pg_backend_pid()").fetchone()[0])[0]
        _, own, ended = times(postmaster)
        total = own + ended
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent, seconds, _ = times(entry.name)
                except (FileNotFoundError, ProcessLookupError):
                    continue
                total += seconds if parent == postmaster else 0
        return total


class Service:
    """A program of ours, until the end of a `with`."""

    def __init__(self, program, environment, ready_path):
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self.process = subprocess.Popen([PROGRAMS / program], env=environment, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(100):
            try:
                call("GET", self.url + ready_path)
                return
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.process.kill()
        raise SystemExit(f"{program} did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Standin(Service):
    def __init__(self):
        port = str(free_port())
        super().__init__("analytics_standin", {"STANDIN_PORT": port, "PORT": port}, "/catalog")

    def consents(self, provider, count, age_seconds, scopes=()):
        return call("POST", f"{self.url}/oauth/grants",
                    {"provider": provider, "user": "mira", "count": count, "age_seconds": age_seconds, "scopes": list(scopes)})

    def requests(self):
        """Calls so far by provider."""
        counts = dict.fromkeys(PLATFORMS, 0)
        for line in call("GET", f"{self.url}/requests")["requests"]:
            counts[line["target"]] = counts.get(line["target"], 0) + line["count"]
        return counts


class Sidecar(Service):
    def __init__(self, standin, key, **settings):
        port = free_port()
        pages = f"127.0.0.1:{free_port()}"
        environment = {
            "PORT": str(port), "DATABASE_URL": sidecar_url(), "TOKEN_KEYS": key, "SIDECAR_LOG": "error", "SIDECAR_LISTEN": f"127.0.0.1:{port}",
            "SIDECAR_WEBHOOK_LISTEN": "127.0.0.1:0", "SIDECAR_OAUTH_LISTEN": pages, "OAUTH_PUBLIC_URL": f"http://{pages}",
            "OAUTH_BASE_URL": standin.url, "DECODO_URL": standin.url, "DECODO_USERNAME": "demo", "DECODO_PASSWORD": "demo",
        }
        for provider in PLATFORMS:
            environment |= {f"{provider.upper()}_CLIENT_ID": "standin-client", f"{provider.upper()}_CLIENT_SECRET": "standin-secret"}
        with connect() as connection:
            connection.execute("select analytics_private.set_setting('oauth_public_url', %s)", (f"http://{pages}",))
        super().__init__("analytics-sidecar", environment | settings, "/readyz")


def new_key():
    return Fernet.generate_key().decode()


def sealed(fernet, workspace, account, column, secret):
    """Fernet with a binding inside, as the sidecar seals."""
    return fernet.encrypt(b"\x01" + workspace.bytes + account.bytes + bytes([len(column)]) + column.encode() + secret.encode()).decode()


def workspaces(count):
    """(workspace, owner) of so many new users."""
    with connect() as connection:
        users = [uuid.uuid4() for _ in range(count)]
        connection.execute("insert into auth.users (id, email) select u, u || '@example.org' from unnest(%s::uuid[]) u", (users,))
        return connection.execute("select id, owner_id from analytics.workspaces where owner_id = any (%s) order by id", (users,)).fetchall()


def add_accounts(key, accounts):
    """Connected accounts whose refresh is not due. Each: workspace, owner, provider, platform_user_id, handle, tokens, scopes, issued_at, expires_at.

    Triggers and foreign keys would take most of the time, and are not what is measured.
    """
    fernet = Fernet(key)
    with connect() as connection:
        connection.execute("set session_replication_role = replica")
        ids = [uuid.uuid4() for _ in accounts]
        with connection.cursor() as cursor:
            with cursor.copy("""copy analytics.social_accounts (workspace_id, id, created_by, platform, handle, platform_user_id, status) from stdin""") as copy:
                for id, account in zip(ids, accounts):
                    copy.write_row((account["workspace"], id, account["owner"], PLATFORMS[account["provider"]], account["handle"], account["platform_user_id"], "active"))
            with cursor.copy("""copy analytics_private.oauth_tokens (workspace_id, social_account_id, id, provider, purpose, consent_key, access_token, refresh_token,
                    token_type, scopes, issued_at, expires_at, first_consent_at, refresh_at) from stdin""") as copy:
                for id, account in zip(ids, accounts):
                    access, refresh = account["tokens"]["access_token"], account["tokens"]["refresh_token"]
                    copy.write_row((
                        account["workspace"], id, uuid.uuid4(), account["provider"], "insights", account["handle"],
                        sealed(fernet, account["workspace"], id, "access_token", access),
                        refresh and sealed(fernet, account["workspace"], id, "refresh_token", refresh),
                        "Bearer", account["scopes"], account["issued_at"], account["expires_at"], account["issued_at"], NOT_DUE))
        connection.execute("reset session_replication_role")
        connection.execute("analyze analytics.social_accounts")
        connection.execute("analyze analytics_private.oauth_tokens")
