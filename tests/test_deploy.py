"""The files that deploy the bot, against the rules for containers, and against what the code exports.

There is no Docker where this is developed; `tests/image.py` does what the Dockerfile says without it.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

import bot
from bot.config import Settings, address_of
from bot.core.core import Core
from bot.guard.access import Access
from bot.model.script import Script
from bot.run.supervise import GRACE, PARTING
from bot.run.theatre import PORT
from bot.store.memory import Memory
from tests.fakes import ask
from tests.test_metrics import ended, quick, shown

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCALE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.scale.yml").read_text())
EGRESS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.egress.yml").read_text())
#: Those of all files; what one takes over from another, or adds to it, is there once.
EVERY = {
    **SERVICES,
    **{f"scale-{name}": each for name, each in SCALE["services"].items() if "extends" not in each},
    **{name: each for name, each in EGRESS["services"].items() if "image" in each},
}
OWN = ("rivulet", "demo", "scale-rivulet")
#: Of an image: a release, or a channel of Canonical's, which names Squid's version and Ubuntu's.
VERSION = re.compile(r":(v?\d+\.\d+\.\d+|\d+\.\d+-\d\d\.04_\w+)$")
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "rivulet.json").read_text())
#: What Prometheus itself adds, and what its library says of the process.
BESIDE = re.compile(r"up|process_(resident_memory_bytes|cpu_seconds_total)")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, in order."""
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, rest in pairs]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    begins = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[begins:]


@pytest.mark.rule(27)
@pytest.mark.parametrize("name", EVERY)
def test_every_container_is_confined(name):
    service = EVERY[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["init"] is True
    assert service["pids_limit"] == 256
    assert service["mem_limit"] == "512m"
    assert service["cpus"] <= 2
    assert int(service["user"].split(":")[0]) > 0
    for option in ("privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"):
        assert option not in service


@pytest.mark.parametrize("name", EVERY)
def test_no_container_fills_the_disk_with_its_log(name):
    logging = EVERY[name]["logging"]
    assert logging["driver"] == "json-file"
    assert {"max-size", "max-file"} <= set(logging["options"])


@pytest.mark.rule(26)
@pytest.mark.parametrize("name", EVERY)
def test_a_port_is_published_on_loopback_alone(name):
    for port in EVERY[name].get("ports", ()):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", EVERY)
def test_what_a_container_may_write_is_small_or_a_named_volume(name):
    for mount in EVERY[name].get("tmpfs", ()):
        options = mount.partition(":")[2].split(",")
        assert {"noexec", "nosuid"} <= set(options)
        assert any(re.fullmatch(r"size=\d+m", option) for option in options)
    for volume in EVERY[name].get("volumes", ()):
        source, _, rest = volume.partition(":")
        assert "docker.sock" not in volume
        assert source in {*COMPOSE["volumes"], *SCALE["volumes"]} or rest.endswith(":ro"), volume


@pytest.mark.rule(27)
def test_the_bot_has_one_volume_and_starts_without_any_profile_and_no_other_does():
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["rivulet"]
    assert SERVICES["rivulet"]["volumes"] == ["data:/data", "./config:/config:ro"]
    assert (ROOT / "config").is_dir()  # Docker would make it root's
    assert SERVICES["rivulet"]["tmpfs"] == ["/tmp:size=64m,noexec,nosuid,nodev"]
    assert SERVICES["rivulet"]["user"] == "10001:10001"
    assert SERVICES["rivulet"]["restart"] == "unless-stopped"
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", ())} == {
        "metrics",
        "demo",
    }


def test_a_stop_of_the_container_leaves_the_bot_time_for_its_last_edits():
    assert int(SERVICES["rivulet"]["stop_grace_period"].removesuffix("s")) > 2 * (GRACE + PARTING)


def test_the_container_is_healthy_when_the_platforms_were_heard_and_the_image_when_the_process_lives():
    test = SERVICES["rivulet"]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "-c"]
    assert "/readyz" in test[3]
    compile(test[3], "healthcheck", "exec")
    [health] = [rest for word, rest in last_stage() if word == "HEALTHCHECK"]
    command = json.loads(health[health.index("[") :])
    assert command[:2] == ["python", "-c"]
    assert "/healthz" in command[2]
    compile(command[2], "healthcheck", "exec")


def test_the_settings_come_from_the_env_file_and_no_file_here_holds_a_secret():
    assert SERVICES["rivulet"]["env_file"] == [{"path": ".env", "required": False}]
    for path in (*ROOT.glob("docker-compose*.yml"), ROOT / "Dockerfile", *DEPLOY.rglob("*.*")):
        if path.is_file():
            text = re.sub(r"REDIS_PASSWORD\b|\$\{REDIS_PASSWORD:\?[^}]*\}", "", path.read_text())
            assert not re.search(r"xox[a-z]-|xapp-|sk-ant-|PASSWORD", text), path


@pytest.mark.rule(26)
def test_metrics_are_read_within_the_network_of_compose_and_by_default_on_loopback():
    host, port = address_of(SERVICES["rivulet"]["environment"]["RIVULET_METRICS"]) or ("", 0)
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    [found] = scrape[0]["dns_sd_configs"]
    assert [found["names"], found["type"], found["port"], host] == [["rivulet"], "A", port, "0.0.0.0"]
    assert address_of(Settings.model_fields["metrics"].default) == ("127.0.0.1", port)
    assert COMPOSE["networks"]["metrics"]["internal"] is True
    assert SERVICES["prometheus"]["networks"] == ["metrics"]
    assert not any(str(port) in published for published in SERVICES["rivulet"].get("ports", ()))


def test_the_demo_publishes_the_theatres_page_and_shares_no_network_with_the_bot():
    demo = SERVICES["demo"]
    assert demo["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert demo["command"] == ["demo", "--host", "0.0.0.0"]
    assert not set(demo["networks"]) & set(SERVICES["rivulet"]["networks"])
    assert demo["healthcheck"] == {"disable": True}
    assert "env_file" not in demo


def test_all_services_of_ours_run_one_image_and_others_name_a_version():
    assert {EVERY[name]["image"] for name in OWN} == {"rivulet"}
    for name, service in EVERY.items():
        assert name in OWN or VERSION.search(service["image"]), name


def test_whoever_looks_at_the_dashboard_can_change_nothing_and_it_calls_nobody():
    says = SERVICES["grafana"]["environment"]
    assert says["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert says["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert says["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert says["GF_ANALYTICS_REPORTING_ENABLED"] == says["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"


@pytest.mark.rule(29)
def test_the_image_is_built_in_stages_from_hashed_wheels_and_runs_without_root():
    found = instructions()
    froms = [rest for word, rest in found if word == "FROM"]
    assert froms == ["python:3.13-slim AS build", "python:3.13-slim"]
    [install] = [rest for word, rest in found if word == "RUN" and " install " in rest and "pip" in rest]
    assert {"--require-hashes", "--only-binary", ":all:"} <= set(shlex.split(install))
    last = last_stage()
    assert not any("pip" in rest for word, rest in last if word == "RUN")
    assert ("USER", "10001:10001") in last
    assert ("VOLUME", "/data") in last
    after = [word for word, _ in last[last.index(("USER", "10001:10001")) :]]
    assert "RUN" not in after
    assert not any("@sha256" in rest for _, rest in found)  # none may be invented
    assert not any(word == "ADD" for word, _ in found)


def test_the_image_says_the_version_that_its_code_has():
    assert any(
        f"IMAGE_VERSION={bot.__version__}" in rest.split() for word, rest in last_stage() if word == "ENV"
    )


def test_the_image_copies_what_exists_and_sees_nothing_else():
    for _, rest in (pair for pair in instructions() if pair[0] == "COPY" and "--from" not in pair[1]):
        assert all((ROOT / source).exists() for source in rest.split()[:-1])
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {line for line in ignored if line.startswith("!")} == {"!bot", "!adapters", "!requirements.lock"}


def test_every_mounted_file_of_the_metrics_profile_exists():
    for name in ("prometheus", "grafana"):
        for volume in SERVICES[name]["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists()
    rules = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["rule_files"]
    assert all((DEPLOY / "prometheus" / name).exists() for name in rules)
    [provider] = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "dashboards" / "rivulet.yml").read_text()
    )["providers"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/rivulet.json"


async def exported() -> dict[str, set[str]]:
    """Every sample that the code exports, with its labels."""
    core = Core(Script("hello"), Memory(), Access())
    await core.mention(ask(quick(), key="slack/q1"))
    await ended(core)
    tally = core.means.tally
    for count in (tally.failures, tally.tokens, tally.cost, tally.tools, tally.handed):
        count.add(*("x" for _ in count.labels))
    tally.staleness.took(1.0, "slack")
    tally.trips.took(0.001)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(await shown(core)):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> list[tuple[str, str]]:
    """Every expression of a panel and of an alert, with what it belongs to."""
    panels = [
        (panel["title"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return panels + [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


async def test_every_metric_that_a_panel_or_an_alert_names_is_exported_with_its_labels():
    has = await exported()
    assert len(expressions()) > 30
    for title, expr in expressions():
        names = re.findall(r"\b(rivulet_\w+|process_\w+|up)\b", expr)
        assert names, title
        for name in names:
            assert name in has or BESIDE.fullmatch(name), (title, name)
        ours = [name for name in names if name in has and name.startswith("rivulet_")]
        labels = {*re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expr)}
        for group in re.findall(r"by \(([^)]*)\)", expr):
            labels.update(word.strip() for word in group.split(","))
        for label in labels - {"job", "instance"}:  # Prometheus' own
            assert not ours or any(label in has[name] for name in ours), (title, label)


async def test_the_dashboard_shows_all_that_is_exported_of_ours():
    said = " ".join(expr for _, expr in expressions())
    for name in await exported():
        if name.startswith("rivulet_"):
            family = re.sub(r"_(bucket|sum|count|created)$", "", name)
            assert family in said, name


def test_every_panel_can_be_of_one_replica_and_all_of_them_are_shown_unless_somebody_picks():
    [variable] = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["allValue"], variable["includeAll"]) == ("instance", ".*", True)
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            named = len(re.findall(r"\b(?:rivulet|process)_\w+", target["expr"]))
            assert target["expr"].count('instance=~"$instance"') == named, panel["title"]


def test_the_panels_have_numbers_of_their_own_a_title_and_a_text_and_do_not_overlap():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    sources = {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())}
    [source] = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    assert sources == {source["uid"]}


def test_the_systemd_unit_confines_the_bot_and_does_not_restart_a_mistake_in_the_settings():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd tells capitals apart
    unit.read(DEPLOY / "systemd" / "rivulet.service")
    service = unit["Service"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["User"] not in {"", "root"}
    assert service["StateDirectoryMode"] == "0700"
    assert service["RestartPreventExitStatus"] == "78"
    assert int(service["TimeoutStopSec"]) > 2 * (GRACE + PARTING)
