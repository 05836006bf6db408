"""docs/security.md: each of its rules has a test that shows it, and the rules that are shown nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.discord.downloads import HOSTS
from adapters.discord.rights import PERMISSIONS
from adapters.slack.downloads import HOSTS as SLACK_HOSTS
from adapters.slack.outgoing.replies import HOOKS
from adapters.slack.rights import SCOPES
from bot.core.core import Core
from bot.guard.access import Access, Action
from bot.model.script import Script
from bot.platform import Actor, Command, Edited, Press, Rating, Stop
from bot.store import POSTS_KEPT, RATINGS_KEPT, ROWS_KEPT, TEXT_KEPT
from bot.store.accounts import SPENT_KEPT
from bot.store.memory import Memory
from tests.contract import World
from tests.fakes import ANN, HERE, Sheet, ask
from tests.test_deploy_egress import LIST, covered
from tests.worlds import WORLDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
PRIVACY = (ROOT / "docs" / "privacy.md").read_text()
#: What each rule says, by its number.
RULES = {
    int(number): text
    for number, text in re.findall(r"^### (\d+)\. (.*?)(?=^###? )", PAGE, re.MULTILINE | re.DOTALL)
}
#: What the page says of a rule that has no test.
UNSHOWN = "No test shows this yet."


def marked() -> dict[int, set[str]]:
    """Return, for each rule, the files that have a test with its mark."""
    found: dict[int, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for each in node.decorator_list:
                    if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.rule":
                        found.setdefault(ast.literal_eval(each.args[0]), set()).add(path.name)
    return found


def test_every_rule_has_a_test_or_says_that_it_has_none():
    assert list(RULES) == list(range(1, 34))
    shown = marked()
    assert set(shown) <= set(RULES)
    assert {number for number, text in RULES.items() if UNSHOWN in text} == set(RULES) - set(shown)


def test_the_page_names_only_files_that_have_a_test_of_the_rule():
    shown = marked()
    for number, text in RULES.items():
        for name in re.findall(r"`(test_\w+\.py)`", text):
            assert name in shown.get(number, ()), (number, name)


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


@pytest.mark.jump
@pytest.mark.rule(4)
@pytest.mark.rule(2)
async def test_nothing_that_a_stranger_does_lets_them_in():
    stranger, access = Actor("U9", "mallory", workspace="T9"), Access()
    script, sheet = Script("yes"), Sheet()
    it = Core(script, Memory(), access)
    for number, text in enumerate(
        ("let me in", "pair 123456", "!allow me", "/allow U9", "I am the owner", "stop")
    ):
        await it.mention(ask(sheet, f"q{number}", text, stranger))
    await it.edited(Edited("q0", "let me in, please", stranger, HERE))
    await it.stop(Stop("q0", stranger, HERE))
    for control in ("stop", "retry", "continue", "allow"):
        await it.press(Press("q0", control, stranger, HERE))
    await it.rated(Rating("q0", stranger, HERE, good=True, on=True))
    for name in ("allow", "admin", "model", "again", "usage", "forget"):
        await it.command(Command(name, "me", stranger, HERE, "talk"))
    await it.drain()
    assert [await access.authorize(stranger, HERE, action) for action in Action] == [False] * len(Action)
    assert await access.authorize(ANN, HERE, Action.ASK)
    assert script.requests == []


@pytest.mark.rule(12)
async def test_the_instructions_hold_no_secret(world):
    question = await world.ask("why?", "Because.")
    await world.final(question)
    [request] = world.model.requests
    assert request.system
    for secret in world.platform.secrets:
        assert secret
        assert secret not in request.system


@pytest.mark.rule(12)
@pytest.mark.rule(6)
def test_the_bot_has_no_right_to_write_under_another_name_or_to_more_than_it_needs():
    scopes = {right.name for right in SCOPES}
    assert not {"chat:write.customize", "chat:write.public", "incoming-webhook"} & scopes
    manifest = yaml.safe_load((ROOT / "docs" / "slack-manifest.yaml").read_text())
    assert set(manifest["oauth_config"]["scopes"]) == {"bot"}  # none for a person's token
    more = {"administrator", "manage_webhooks", "manage_messages", "mention_everyone"}
    assert not more & {right.key for right in PERMISSIONS}


@pytest.mark.rule(18)
async def test_no_address_of_a_question_or_an_answer_is_fetched(world):
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as canary:
        address = str(canary.make_url("/secret?x=1"))
        texts = f"{address} <{address}> [a]({address}) ![b]({address})"
        question = await world.ask(f"What is at {texts}?", f"It is at {texts}.")
        await world.final(question)
    assert asked == []


@pytest.mark.rule(28)
def test_the_page_the_proxy_and_the_code_have_the_same_hosts():
    rows = re.findall(r"^\| (`.*?`) \|", RULES[28], re.MULTILINE)
    assert sorted(re.findall(r"`(.*?)`", " ".join(rows))) == sorted(LIST)
    found = HOSTS | SLACK_HOSTS | {HOOKS}
    for path in [*ROOT.glob("bot/**/*.py"), *ROOT.glob("adapters/**/*.py")]:
        if "emulators" not in path.parts:
            found |= set(re.findall(r'"(?:https|wss)://([\w.-]+)', path.read_text()))
    for_people = {
        "json-schema.org",
        "chat.example.com",
        "api.slack.com",
        "github.com",
        "platform.claude.com",
    }
    called = found - for_people
    assert {"api.anthropic.com", "gateway.discord.gg"} <= called
    assert {host: covered(host, LIST) for host in called} == dict.fromkeys(called, True)
    assert [each for each in LIST if not any(covered(host, [each]) for host in called)] == []


@pytest.mark.rule(33)
def test_the_readme_leads_to_what_goes_to_anthropic():
    readme = (ROOT / "README.md").read_text()
    assert "(docs/privacy.md)" in readme
    for what in ("the question", "names of those who speak", "channel's name and topic", "files"):
        assert what in PRIVACY.split("## What stays on the platforms")[0]


@pytest.mark.rule(32)
def test_the_times_in_the_privacy_page_are_those_of_the_code():
    assert timedelta(seconds=TEXT_KEPT) == timedelta(days=1)
    assert "and for a day more" in PRIVACY
    assert timedelta(seconds=ROWS_KEPT) == timedelta(days=7)
    assert "| seven days |" in PRIVACY
    assert f"| {SPENT_KEPT} days |" in PRIVACY
    for kept in (RATINGS_KEPT, POSTS_KEPT):
        assert f"| {timedelta(seconds=kept).days} days" in PRIVACY
