"""The page by which workspaces install the bot: who may, and what is tried to get in all the same."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from adapters.slack import install, manifest
from adapters.slack.several import claims, pages
from adapters.slack.several.installations import Installations, name_of
from adapters.slack.several.oauth import authorization_url
from adapters.slack.several.seal import LINK, STATE, Seal, Tickets
from bot.platform import Unavailable
from bot.run.server import serving
from bot.store.alone import Undivided
from bot.store.vault import MemoryVault
from tests.several import CLIENT, SECRET, Browser, SeveralWorld, Shown

XSS = "<script>alert(1)</script>"


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[SeveralWorld]:
    monkeypatch.setattr(claims, "APART", 0.01)
    world = await SeveralWorld.open()
    assert isinstance(world, SeveralWorld)
    yield world
    await world.close()


@pytest.fixture
async def listed(monkeypatch) -> AsyncIterator[SeveralWorld]:
    """A world whose operator lets T2 and the organization E1 in by their ids."""
    monkeypatch.setattr(claims, "APART", 0.01)
    world = await SeveralWorld.open(RIVULET_SLACK_WORKSPACES="T2,E1")
    assert isinstance(world, SeveralWorld)
    yield world
    await world.close()


def plain(shown: Shown, status: int, says: str) -> None:
    """Expect one clear page, without a traceback, that runs nothing and is kept nowhere."""
    assert shown.status == status, shown
    assert says in shown.says
    assert "Traceback" not in shown.text
    assert "<script" not in shown.text
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert (shown.headers["Cache-Control"], shown.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


# Who may.


@pytest.mark.rule(4)
async def test_by_default_nobody_installs_it_without_a_link_of_the_operators(world):
    plain(await Browser().get(f"{world.url}/slack/install"), 403, "A link is needed")
    plain(await Browser().get(f"{world.url}/slack/install?key=x"), 403, "A link is needed")
    assert await world.names("") == []


@pytest.mark.rule(4)
async def test_a_link_lets_one_workspace_in_and_no_second_one(world):
    link = await world.link()
    early = Browser()
    address = await world.begun_at(early, link)  # begun before the link is used, ended after
    plain(await world.install("T1", link), 200, "The bot is installed in Team T1.")
    plain(await Browser().get(link), 410, "This link was used")
    plain(await early.get(await world.workspace("T2").allow(address)), 403, "has not let your workspace in")
    assert await world.names() == ["slack/install/-/T1"]


async def test_one_link_in_two_browsers_at_once_lets_one_workspace_in(world):
    link = await world.link()
    browsers = {team: Browser() for team in ("T1", "T2")}
    returns = {
        team: await world.workspace(team).allow(await world.begun_at(browser, link))
        for team, browser in browsers.items()
    }
    shown = await asyncio.gather(*(browsers[team].get(address) for team, address in returns.items()))
    assert sorted(each.status for each in shown) == [200, 403]
    assert len(await world.names()) == 1


async def test_a_link_that_is_only_looked_at_is_not_used(world):
    """Chats fetch the links that are pasted into them."""
    link = await world.link()
    for _ in range(3):
        assert (await Browser().get(link)).status == 200
    plain(await world.install("T1", link), 200, "Installed")


async def test_of_a_workspace_that_is_not_let_in_nothing_is_kept_and_the_token_is_given_back(listed):
    shown = await listed.install("T1", f"{listed.url}/slack/install")
    plain(shown, 403, "has not let your workspace in")
    assert await listed.names() == []
    [token] = await listed.workspace("T1").tokens_here()
    assert listed.emulator._oauth.of(token).over == "token_revoked"
    assert listed.platform._directory.known("T1") is None


async def test_the_operators_list_lets_workspaces_and_organizations_in_without_a_link(listed):
    listed.emulator.found("T3", "E1")
    plain(await listed.install("T2", f"{listed.url}/slack/install"), 200, "Team T2")
    plain(await listed.install("T3", f"{listed.url}/slack/install"), 200, "Team T3")
    plain(await listed.install("T3", f"{listed.url}/slack/install", whole=True), 200, "Org E1")
    assert await listed.names() == [f"slack/install/{name}" for name in ("-/T2", "E1/-", "E1/T3")]


async def test_a_workspace_that_has_it_may_install_it_anew_for_more_scopes_and_its_token_stays_good(listed):
    link = await listed.link()
    await listed.install("T1", link)
    plain(await listed.install("T1", f"{listed.url}/slack/install"), 200, "Installed")
    assert (await listed.final_in("T1", await listed.ask_in("T1", "why?"))).text == "Yes."


async def test_a_link_outlives_a_restart_once_only(world):
    link, other = await world.link(), await world.link()
    await world.install("T1", link)
    await world.restart(remember=True)
    plain(await Browser().get(link), 410, "This link was used")
    plain(await world.install("T2", other), 200, "Installed")


# What goes wrong.


async def test_who_says_no_at_slack_reads_so_and_nothing_is_installed(world):
    browser = Browser()
    address = await world.emulator.cancel(await world.begun_at(browser, await world.link()))
    plain(await browser.get(address), 200, "did not allow it")
    assert await world.names() == []


@pytest.mark.parametrize("error", [XSS, '"><img src=x onerror=alert(1)>', "a" * 5_000, "{title}", "%00", "é"])
async def test_whatever_stands_in_the_error_is_not_shown(world, error):
    shown = await Browser().get(f"{world.url}/slack/oauth_redirect?error={quote(error)}&state={quote(XSS)}")
    plain(shown, 200, "Begin again with the link")
    assert error not in shown.text
    assert "onerror" not in shown.text


async def test_slacks_word_for_an_error_is_shown(world):
    shown = await Browser().get(
        f"{world.url}/slack/oauth_redirect?error=invalid_team_for_non_distributed_app"
    )
    plain(shown, 200, "Slack says “invalid_team_for_non_distributed_app”.")


async def test_a_state_is_good_once_and_a_code_too(world):
    browser = Browser()
    address = await world.workspace("T1").allow(await world.begun_at(browser, await world.link()))
    cookies = dict(browser.cookies)
    plain(await browser.get(address), 200, "Installed")
    assert browser.cookies == {}
    plain(await browser.get(address), 400, "not begun in this browser")
    plain(await Browser(cookies).get(address), 401, "is done already")
    assert len(await world.emulator.events(kinds=["install"])) == 1


async def test_a_code_that_was_used_or_is_old_is_told_of(world):
    browser = Browser()
    code = parse_qs(
        urlsplit(await world.workspace("T1").allow(await world.begun_at(browser, await world.link()))).query
    )["code"][0]
    await world.emulator.age_codes(601)
    state = parse_qs(urlsplit(await world.begun_at(browser, await world.link())).query)["state"][0]
    plain(
        await browser.get(f"{world.url}/slack/oauth_redirect?code={code}&state={state}"),
        401,
        "it is old, or was used",
    )
    state = parse_qs(urlsplit(await world.begun_at(browser, await world.link())).query)["state"][0]
    plain(
        await browser.get(f"{world.url}/slack/oauth_redirect?code={quote(XSS)}&state={state}"),
        401,
        "it is old",
    )
    state = parse_qs(urlsplit(await world.begun_at(browser, await world.link())).query)["state"][0]
    plain(await browser.get(f"{world.url}/slack/oauth_redirect?state={state}"), 401, "nothing to go on with")
    assert await world.names() == []


async def test_a_state_of_more_than_ten_minutes_ago_is_over(world, monkeypatch):
    browser = Browser()
    address = await world.workspace("T1").allow(await world.begun_at(browser, await world.link()))
    late = time.time() + STATE + 1
    monkeypatch.setattr("adapters.slack.several.oauth.time.time", lambda: late)
    plain(await browser.get(address), 401, "more than ten minutes ago")
    assert await world.emulator.events(kinds=["install"]) == []


async def test_an_attackers_return_is_refused_in_anybody_elses_browser(world):
    """Whoever opens it would install the attacker's workspace, or their own with the attacker's link."""
    attacker, victim = Browser(), Browser()
    address = await world.workspace("T1").allow(await world.begun_at(attacker, await world.link()))
    plain(await victim.get(address), 400, "not begun in this browser")
    await world.begun_at(victim, await world.link())  # who has begun one of their own
    plain(await victim.get(address), 400, "not begun in this browser")
    assert await world.names() == []


async def test_a_state_that_somebody_made_up_is_refused_though_the_cookie_fits(world):
    other = Tickets(Seal("f" * 32, "state"), STATE).issue("0" * 32, time.time())
    link = (await world.link()).partition("key=")[2]  # what is sealed for one purpose is no state
    for state in ("x", "", other, link):
        browser = Browser({"slack-app-oauth-state": state})
        shown = await browser.get(f"{world.url}/slack/oauth_redirect?code=x&state={state}")
        assert shown.status in {400, 401}
    assert [
        each for each in await world.emulator.events(kinds=["call"]) if each["method"] == "oauth.v2.access"
    ] == []


@pytest.mark.parametrize(
    "query", ["team=T1%26redirect_uri%3Dhttps://evil.example", "redirect_uri=https://evil.example", "team=x"]
)
async def test_no_request_says_where_slack_sends_browsers_back_to(world, query):
    browser = Browser()
    shown = await browser.get(
        f"{await world.link()}&{query}", Host="evil.example", **{"X-Forwarded-Host": "evil.example"}
    )
    assert "evil" not in shown.text
    given = parse_qs(urlsplit(shown.leads_to).query)
    assert given["redirect_uri"] == [f"{world.url}/slack/oauth_redirect"]
    address = await world.workspace("T1").allow(shown.leads_to)
    assert address.startswith(f"{world.url}/slack/oauth_redirect?")
    plain(await browser.get(address, Host="evil.example"), 200, "Installed")


async def test_slack_sends_nobody_to_a_host_that_the_app_has_not_named(world):
    browser = Browser()
    asked = await world.begun_at(browser, await world.link())
    with pytest.raises(ValueError, match="did not match"):
        await world.workspace("T1").allow(asked.replace(world.url, "https://evil.example"))


async def test_the_id_of_a_workspace_may_be_given_so_that_slack_asks_for_that_one(world):
    shown = await Browser().get(f"{await world.link()}&team=T1")
    assert parse_qs(urlsplit(shown.leads_to).query)["team"] == ["T1"]


@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 500, "body": "<html>"}, {"status": 429}, {"body": []}]
)
async def test_a_slack_that_is_not_well_is_told_of_and_the_same_link_works_later(world, fault):
    link, browser = await world.link(), Browser()
    await world.emulator.fault("oauth.v2.access", **fault)
    shown = await browser.get(await world.workspace("T1").allow(await world.begun_at(browser, link)))
    assert shown.status in {401, 503}
    assert "Not installed" in shown.says
    plain(await world.install("T1", link), 200, "Installed")


async def test_a_vault_that_can_not_be_written_is_told_of(world, monkeypatch):
    async def full(_name: str, _text: str) -> None:
        raise OSError("the disk is full")

    link, browser = await world.link(), Browser()
    address = await world.workspace("T1").allow(await world.begun_at(browser, link))
    monkeypatch.setattr(world.store.vault, "keep", full)
    shown = await browser.get(address)
    assert shown.status in {401, 500}
    assert "Not installed" in shown.says
    assert "disk" not in shown.text


async def test_before_the_bot_listens_the_page_says_so(world):
    await world.crash()
    idle = world.load()
    async with serving("127.0.0.1", world.port, [idle]):
        for path in ("install", "oauth_redirect"):
            plain(await Browser().get(f"{world.url}/slack/{path}"), 503, "The bot is starting.")


# Secrets.


@pytest.mark.rule(20)
async def test_no_token_is_in_the_vault_the_log_or_a_page_as_it_is(world, capfd):
    shown = await world.install("T1")
    await world.final_in("T1", await world.ask_in("T1", "why?"))
    await world.workspace("T1").uninstall()
    await world.kept()
    tokens = await world.workspace("T1").tokens_here()
    out = "".join(capfd.readouterr())
    assert tokens
    for secret in (*tokens, SECRET):
        assert secret not in out
        assert secret not in shown.text
    await world.install("T1")
    kept = [await world.store.vault.kept(name) for name in await world.names("")]
    for secret in (*await world.workspace("T1").tokens_here(), SECRET):
        assert all(secret not in str(each) for each in kept)


async def test_what_was_sealed_with_another_secret_is_left_out_and_told(capfd):
    vault = MemoryVault()
    await vault.keep("slack/install/-/T1", Seal("f" * 32, "installation").seal("{}", time.time()))
    store = Installations(vault, Seal(SECRET, "installation"))
    assert await store.read("slack/install/-/T1") is None
    assert "SLACK_CLIENT_SECRET" in "".join(capfd.readouterr())


async def test_what_was_kept_for_one_workspace_is_of_no_use_under_the_name_of_another(world):
    await world.install("T1")
    kept = await world.store.vault.kept("slack/install/-/T1")
    await world.store.vault.keep("slack/install/-/T2", str(kept))
    store = Installations(world.store.vault, Seal(SECRET, "installation"))
    assert await store.async_find_bot(enterprise_id=None, team_id="T2") is None


@pytest.mark.parametrize(
    ("enterprise", "team"), [("", ""), (None, None), ("../E1", "T1"), ("E1", "T1/x"), ("e1", ""), ("-", "-")]
)
def test_what_is_no_id_names_nothing(enterprise, team):
    with pytest.raises(ValueError, match="ids"):
        name_of(enterprise, team)


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_ticket(text):
    assert Tickets(Seal(SECRET, "state"), STATE).read(text, 1_700_000_000.0) is None


@given(st.text(max_size=200))
def test_no_reason_brings_markup_into_a_page(text):
    shown = pages.page(*pages.failed(text)) + pages.page(*pages.installed(text))
    assert shown.count("<") == 2 * pages.page("", "").count("<")


async def test_past_so_many_none_is_begun_until_some_have_ended():
    vault, now = MemoryVault(), time.time()
    for number in range(claims.MOST):
        await vault.keep(f"slack/used/{int(now) + 60}/{number:032x}", "used")
    known = claims.Claims(vault, Undivided())
    assert not await known.claim(f"slack/used/{int(now) + 60}/x", now)
    assert await known.claim(f"slack/used/{int(now) + 600}/x", now + 61)
    assert await vault.names("slack/used/") == [f"slack/used/{int(now) + 600}/x"]


# Settings, and what commands print.

GOOD = {
    "SLACK_BOT_TOKEN": "",
    "SLACK_APP_TOKEN": "xapp-1",
    "SLACK_CLIENT_ID": CLIENT,
    "SLACK_CLIENT_SECRET": SECRET,
    "RIVULET_SLACK_URL": "https://bot.example.com",
}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_BOT_TOKEN serves one workspace"),
        ({"SLACK_CLIENT_ID": ""}, "SLACK_CLIENT_ID is empty"),
        ({"SLACK_CLIENT_SECRET": ""}, "SLACK_CLIENT_SECRET is empty"),
        ({"SLACK_CLIENT_SECRET": CLIENT}, "SLACK_CLIENT_SECRET got a client id"),
        ({"SLACK_CLIENT_ID": "acme"}, "two numbers with a dot"),
        ({"RIVULET_SLACK_URL": ""}, "RIVULET_SLACK_URL is missing"),
        ({"SLACK_APP_TOKEN": ""}, "SLACK_SIGNING_SECRET"),
        ({"RIVULET_SLACK_URL": "http://bot.example.com"}, "write an address without a path"),
        ({"RIVULET_SLACK_URL": "https://bot.example.com/x"}, "write an address without a path"),
        ({"RIVULET_SLACK_URL": "https://a@bot.example.com"}, "write an address without a path"),
        ({"RIVULET_SLACK_WORKSPACES": "acme"}, "write ids, as in T0123ABCD"),
    ],
)
def test_settings_that_do_not_go_together_are_one_clear_line_without_a_secret(wrong, says):
    with pytest.raises((Unavailable, ValueError)) as told:
        adapters.find("slack", **{**GOOD, **wrong})
    assert says in str(told.value)
    assert SECRET not in str(told.value)


def test_good_settings_make_a_platform_with_a_page():
    platform = adapters.load("slack", **GOOD)
    assert platform
    assert [getattr(route, "path", "") for route in platform.routes] == [
        "/slack/install",
        "/slack/oauth_redirect",
    ]


async def test_the_link_is_printed_without_the_network_and_is_good_for_three_days(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    link = await install.link(Namespace(app=""))
    start, _, key = link.partition("?key=")
    assert start == "https://bot.example.com/slack/install"
    links = Tickets(Seal(SECRET, "link"), LINK)
    assert links.read(key, time.time() + LINK - 5)
    assert links.read(key, time.time() + LINK + 5) is None


async def test_with_one_workspace_there_is_no_link(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.delenv("SLACK_CLIENT_ID", raising=False)
    with pytest.raises(Unavailable, match="SLACK_CLIENT_ID is not set"):
        await install.link(Namespace(app=""))


@pytest.mark.parametrize(
    ("api", "address"),
    [
        ("https://slack.com/api/", "https://slack.com/oauth/v2/authorize"),
        ("https://slack-gov.com/api", "https://slack-gov.com/oauth/v2/authorize"),
    ],
)
def test_another_slack_asks_people_at_its_own_address(api, address):
    assert authorization_url(api) == address


def test_the_manifest_names_the_page_and_lets_organizations_in_where_asked():
    said = manifest.document({"commands", "org"}, "", install="https://bot.example.com")
    assert said["oauth_config"]["redirect_urls"] == ["https://bot.example.com/slack/oauth_redirect"]
    assert said["settings"]["org_deploy_enabled"] is True
    assert "redirect_urls" not in manifest.document({"commands"}, "")["oauth_config"]


# What doctor says.


async def test_doctor_finds_good_credentials_good(world):
    found = await world.load().check()
    assert [each.ok for each in found] == [True, True]
    assert f"{world.url}/slack/install" in found[0].text


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"SLACK_CLIENT_ID": "1111111111.2222222222"}, "invalid_client_id"),
        ({"SLACK_CLIENT_SECRET": "f" * 32}, "bad_client_secret"),
    ],
)
async def test_doctor_names_credentials_that_slack_refuses(world, wrong, word):
    found = await world.load(**wrong).check()
    assert (found[0].ok, found[0].fatal, word in found[0].text) == (False, True, True)


async def test_doctor_says_that_slack_is_away(world):
    await world.emulator.fault("oauth.v2.access", drop=True)
    found = await world.load().check()
    assert not found[0].ok
    assert "could not be asked" in found[0].text
