"""The Compose file with the one way out: its networks, its proxy, and which hosts that lets through.

Where Squid is installed it reads the list itself; nothing else here needs it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import faults_of_compose
from tests.test_deploy import COMPOSE, DEPLOY, EGRESS, SCALE, SERVICES

SQUID = shutil.which("squid", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PROXY: dict[str, Any] = EGRESS["services"]["egress"]
CONFIG = (DEPLOY / "egress" / "squid.conf").read_text()
#: What the proxy lets through; ".a.b" is a.b and all below it.
LIST = [line for line in (DEPLOY / "egress" / "hosts").read_text().splitlines() if line[:1] not in {"#", ""}]
NOBODY = 65534
#: Of a network from which nothing finds its way back.
NO_MASQUERADE = {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def merged(one: Any, other: Any) -> Any:
    """Return what Compose makes of *one* and *other*, as far as these files need it."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **other, **{key: merged(one[key], other[key]) for key in one.keys() & other.keys()}}
    return [*one, *other] if isinstance(one, list) and isinstance(other, list) else other


def together(base: dict[str, Any]) -> dict[str, Any]:
    taken = {
        name: merged(SERVICES[name], {key: value for key, value in each.items() if key != "extends"})
        for name, each in base["services"].items()
        if "extends" in each
    }
    found: dict[str, Any] = merged({**base, "services": {**base["services"], **taken}}, EGRESS)
    return found


BOTH = pytest.mark.parametrize("base", [COMPOSE, SCALE], ids=["one", "scale"])


def covered(host: str, names: list[str]) -> bool:
    """Tell whether *names* let *host* through."""
    return host in names or any(each[0] == "." and f".{host}".endswith(each) for each in names)


def test_compose_knows_all_that_the_file_says():
    assert faults_of_compose(EGRESS) == []
    wrong = deepcopy(EGRESS)
    wrong["services"]["egress"]["entry"] = []
    assert faults_of_compose(wrong)


@pytest.mark.rule(28)
@BOTH
def test_the_proxy_alone_has_a_way_out(base):
    said = together(base)
    assert faults_of_compose(said) == []

    def shut(network: str) -> bool:
        told = said["networks"].get(network) or {}
        return told.get("internal") is True or told.get("driver_opts") == NO_MASQUERADE

    ways = {name for name, each in said["services"].items() if not all(map(shut, each["networks"]))}
    assert ways - {"demo"} == {"egress"}  # the demo starts when it is asked to, and knows none of the bot's
    assert all(
        said["networks"][each] == {"internal": True} for each in said["services"]["rivulet"]["networks"]
    )
    assert "ports" not in said["services"]["rivulet"]


@pytest.mark.rule(28)
@BOTH
def test_the_bot_is_told_of_the_proxy_and_reaches_it_as_long_as_it_runs(base):
    bot, proxy = (together(base)["services"][name] for name in ("rivulet", "egress"))
    [port] = re.findall(r"^http_port (\d+)$", CONFIG, re.MULTILINE)
    assert bot["environment"]["HTTPS_PROXY"] == f"http://egress:{port}"
    assert {*bot["networks"]} & {*proxy["networks"]} == {"default"}
    assert "egress" in bot["depends_on"]  # so the proxy is stopped after the bot's last edits
    assert bot["environment"]["RIVULET_METRICS"]  # nothing of the other file is lost


@pytest.mark.rule(28)
def test_what_publishes_a_port_has_a_network_that_is_not_internal():
    grafana = together(COMPOSE)["services"]["grafana"]
    assert grafana["ports"]
    assert [EGRESS["networks"][name] for name in grafana["networks"] if name in EGRESS["networks"]] == [
        {"internal": True},
        {"driver_opts": NO_MASQUERADE},
    ]


@pytest.mark.rule(28)
def test_the_proxy_reads_the_files_that_are_here_and_refuses_all_that_no_line_allows():
    assert PROXY["volumes"] == ["./deploy/egress:/etc/egress:ro"]
    assert PROXY["entrypoint"][-1] == "/etc/egress/squid.conf"
    rules = [line for line in CONFIG.splitlines() if line.startswith(("acl ", "http_access "))]
    assert rules == [
        "acl tunnel method CONNECT",
        "acl https port 443",
        'acl named dstdomain -n "/etc/egress/hosts"',
        "http_access allow tunnel https named",
        "http_access deny all",
    ]


@pytest.mark.parametrize("host", LIST)
def test_the_list_has_names_alone_none_twice_and_none_within_another(host):
    assert re.fullmatch(r"\.?([a-z0-9-]+\.)+[a-z]+", host)
    assert LIST.count(host) == 1
    assert not covered(host.lstrip("."), [each for each in LIST if each != host])


@pytest.fixture
def squid() -> Iterator[int]:
    """A Squid with our settings, for which all names are this machine; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.getuid() == 0
        _prepare(folder, port)
        if root:  # Squid refuses to be
            os.chown(folder, NOBODY, NOBODY)
        other: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
        process = subprocess.Popen(
            [str(SQUID), "-N", "-n", f"t{port}", "-f", folder / "squid.conf"], cwd="/", **other
        )
        try:
            ends = time.monotonic() + 20
            while not (folder / "log").exists() or "Accepting HTTP" not in (folder / "log").read_text():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < ends
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _prepare(folder: Path, port: int) -> None:
    names = {f"a{each}" if each[0] == "." else each for each in LIST}
    (folder / "names").write_text("".join(f"127.0.0.1 {name}\n" for name in sorted(names)))
    shutil.copy(DEPLOY / "egress" / "hosts", folder)
    said = CONFIG.replace("/etc/egress/hosts", f"{folder}/hosts")
    said = said.replace("http_port 3128", f"http_port 127.0.0.1:{port}")
    said = re.sub(r"^access_log .*", "access_log none", said, flags=re.MULTILINE)
    said = re.sub(r"^cache_log .*", f"cache_log {folder}/log", said, flags=re.MULTILINE)
    (folder / "squid.conf").write_text(f"{said}hosts_file {folder}/names\n")


def asked(port: int, request: str) -> int:
    """Return the status that the proxy answers *request* with."""
    with socket.create_connection(("127.0.0.1", port), 20) as line:
        line.sendall(f"{request} HTTP/1.1\r\nHost: slack.com\r\n\r\n".encode())
        return int(line.recv(4096).split()[1])


@pytest.mark.rule(28)
@pytest.mark.skipif(not SQUID, reason="there is no Squid here")
def test_squid_lets_through_what_the_list_names_and_nothing_else(squid):
    for each in LIST:
        name = f"a{each}" if each[0] == "." else each
        assert asked(squid, f"CONNECT {name}:443") != 403, name
        assert asked(squid, f"CONNECT {name}:80") == 403
        assert asked(squid, f"CONNECT {name.lstrip('.')}.evil.example:443") == 403
        assert asked(squid, f"CONNECT evil{each.lstrip('.')}:443") == 403
        assert asked(squid, f"GET http://{name}/") == 403
    for other in (
        "example.com",
        "127.0.0.1",
        "[::1]",
        "2130706433",
        "169.254.169.254",
        "localhost",
        "egress",
    ):
        assert asked(squid, f"CONNECT {other}:443") == 403, other
    assert asked(squid, "CONNECT a.discord.com:443") == 403  # without the dot, nothing below
    assert asked(squid, "GET http://egress/squid-internal-mgr/menu") == 403
