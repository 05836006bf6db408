"""No token and no text goes where a platform's API redirects to."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import adapters


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["slack", "discord"])
@pytest.mark.rule(18)
async def test_a_redirect_is_not_followed(name, status):
    arrived: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        arrived.append(request.path)
        return web.json_response({"ok": True})

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": str(other.make_url(request.path_qs))})

    async with TestServer(_app(elsewhere)) as other, TestServer(_app(redirect)) as api:
        settings = {
            "slack": {
                "SLACK_BOT_TOKEN": "xoxb-1",
                "SLACK_APP_TOKEN": "xapp-1",
                "SLACK_API_URL": str(api.make_url("/api/")),
            },
            "discord": {"DISCORD_BOT_TOKEN": "t", "DISCORD_API_URL": str(api.make_url("/api/v10"))},
        }
        platform = adapters.load(name, **settings[name])
        assert platform
        [finding, *_] = await platform.check()
        assert not finding.ok
        assert arrived == []


def _app(handler) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app
