"""Slack's emulator where the app is installed by OAuth: asked by Slack's own SDK, and nothing of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.slack import Slack

CLIENT, SECRET, BACK = "1.2", "s" * 32, "https://app.example.com/back"


class Asked:
    """An app that asks with a client of Slack's."""

    def __init__(self, emulator: Slack, session: aiohttp.ClientSession) -> None:
        self.slack = emulator
        self.session = session

    def web(self, token: str | None = None) -> AsyncWebClient:
        return AsyncWebClient(token=token, base_url=f"{self.slack.url}/api/", session=self.session)

    async def access(self, **given: str) -> dict[str, object]:
        """Call oauth.v2.access with the credentials in the body, which Slack takes too."""
        known = {"client_id": CLIENT, "client_secret": SECRET, **given}
        answer = await self.web().api_call("oauth.v2.access", data=known)
        assert isinstance(answer.data, dict)
        return answer.data

    async def installed(self, team: str = "T1", *, whole: bool = False) -> dict[str, object]:
        return await self.access(code=await self.code(team, whole=whole), redirect_uri=BACK)

    async def code(self, team: str = "T1", *, whole: bool = False) -> str:
        address: str = await self.slack.found(team).allow(sent(), whole=whole)
        return parse_qs(urlsplit(address).query)["code"][0]


def sent(**given: str) -> str:
    """Return where an app sends people."""
    asked = {"client_id": CLIENT, "scope": "chat:write", "redirect_uri": BACK, "state": "s1", **given}
    return f"https://slack.com/oauth/v2/authorize?{urlencode(asked)}"


@pytest.fixture
async def app() -> AsyncIterator[Asked]:
    emulator = Slack()
    await emulator.start()
    await emulator.app(CLIENT, SECRET, ["https://app.example.com"])
    async with aiohttp.ClientSession() as session:
        yield Asked(emulator, session)
    await emulator.stop()


async def error_of(call: object) -> str:
    """Return Slack's word for why *call* is refused."""
    with pytest.raises(SlackApiError) as refused:
        await call  # type: ignore[misc]
    return str(refused.value.response["error"])


async def test_a_yes_is_worth_a_token_that_is_good_in_that_workspace_only(app):
    app.slack.found("T2")
    told = await app.installed("T2")
    assert (told["team"], told["enterprise"], told["is_enterprise_install"]) == (
        {"id": "T2", "name": "Team T2"},
        None,
        False,
    )
    assert (told["token_type"], told["scope"], told["bot_user_id"]) == ("bot", "chat:write", "UT2BOT")
    who = await app.web(str(told["access_token"])).auth_test()
    assert (who["team_id"], who["user_id"]) == ("T2", "UT2BOT")
    await app.web(str(told["access_token"])).chat_postMessage(channel="C1", text="hello")
    assert [each["text"] for each in await app.slack.found("T2").channel_messages("C1")] == ["hello"]
    assert await app.slack.channel_messages("C1") == []


async def test_no_token_is_good_that_oauth_did_not_give(app):
    assert await error_of(app.web("xoxb-1").auth_test()) == "invalid_auth"
    assert (await app.web().api_test())["ok"]


async def test_a_code_is_good_once_for_ten_minutes_and_with_the_same_redirect(app):
    code = await app.code()
    assert await error_of(app.access(code=code)) == "bad_redirect_uri"
    await app.access(code=code, redirect_uri=BACK)
    assert await error_of(app.access(code=code, redirect_uri=BACK)) == "code_already_used"
    code = await app.code()
    await app.slack.age_codes(600.0)
    assert await error_of(app.access(code=code, redirect_uri=BACK)) == "invalid_code"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"client_id": "9.9"}, "invalid_client_id"),
        ({"client_secret": "x"}, "bad_client_secret"),
        ({"code": "x"}, "invalid_code"),
        ({"grant_type": "password"}, "invalid_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_refresh_token"),
    ],
)
async def test_what_is_wrong_with_an_exchange_is_told_in_slacks_words(app, given, error):
    assert await error_of(app.access(**{"code": await app.code(), "redirect_uri": BACK, **given})) == error


@pytest.mark.parametrize(
    "given",
    [
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": "https://app.example.com.evil.example"},
        {"redirect_uri": "http://app.example.com/back"},
        {"client_id": "9.9"},
        {"scope": ""},
    ],
)
async def test_slack_sends_nobody_back_from_an_address_that_is_wrong(app, given):
    with pytest.raises(ValueError, match=r"redirect_uri|client_id|scopes"):
        await app.slack.allow(sent(**given))


async def test_a_no_comes_back_with_the_state(app):
    assert await app.slack.cancel(sent()) == f"{BACK}?error=access_denied&state=s1"


async def test_an_app_hears_of_workspaces_only_that_have_installed_it_and_of_its_removal_in_both_words(app):
    await app.slack.say("C1", "U1", "<@UBOT> hi")
    told = await app.installed("T1")
    await app.slack.uninstall()
    assert await error_of(app.web(str(told["access_token"])).auth_test()) == "account_inactive"
    with pytest.raises(LookupError):
        await app.slack.uninstall()


async def test_installing_again_gives_the_same_token_and_after_a_removal_another_one(app):
    first, again = await app.installed(), await app.installed()
    await app.slack.uninstall()
    anew = await app.installed()
    assert first["access_token"] == again["access_token"] != anew["access_token"]


async def test_with_rotation_a_refresh_token_is_good_once_and_tokens_end(app):
    await app.slack.app(CLIENT, SECRET, ["https://app.example.com"], rotates=True)
    first = await app.installed()
    assert (first["expires_in"], str(first["access_token"])[:10]) == (43_200, "xoxe.xoxb-")
    refresh = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}
    second = await app.access(**refresh)
    assert await error_of(app.access(**refresh)) == "invalid_refresh_token"
    await app.slack.end_tokens(but_newest=True)
    assert await error_of(app.web(str(first["access_token"])).auth_test()) == "token_expired"
    assert (await app.web(str(second["access_token"])).auth_test())["ok"]


async def test_an_organizations_token_is_good_in_its_workspaces_and_must_say_which(app):
    for team in ("T3", "T4"):
        app.slack.found(team, "E1")
    told = await app.installed("T3", whole=True)
    assert (told["team"], told["enterprise"]) == (None, {"id": "E1", "name": "Org E1"})
    web = app.web(str(told["access_token"]))
    assert (await web.auth_test())["team_id"] == "E1"
    assert [each["id"] for each in (await web.auth_teams_list())["teams"]] == ["T3", "T4"]
    page = await web.auth_teams_list(limit=1)
    assert page["response_metadata"]["next_cursor"] == "1"
    assert await error_of(web.usergroups_list()) == "missing_argument"
    assert (await web.usergroups_list(team_id="T4"))["ok"]
    await app.slack.found("T4").withdraw()
    assert [each["id"] for each in (await web.auth_teams_list())["teams"]] == ["T3"]


async def test_a_token_that_is_given_back_is_good_no_more(app):
    told = await app.installed()
    web = app.web(str(told["access_token"]))
    assert (await web.auth_revoke())["revoked"] is True
    assert await error_of(web.auth_test()) == "token_revoked"
