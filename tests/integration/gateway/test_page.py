"""The page's files: each with the policy that it needs, and nothing under ``/api/`` but the API."""

import re

import pytest

from gateway.page import FRAME_POLICY, POLICY
from tests.integration.gateway.scene import Scene, open_scene


@pytest.mark.parametrize(
    "path", ["/", "/d/0199b2a0-0000-7000-8000-000000000003", "/recent", "/trash", "/account", "/status"]
)
async def test_every_address_of_the_page_is_the_page_under_its_policy(scene: Scene, path: str) -> None:
    async with scene.http.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-cache"
        tag = answer.headers["ETag"]
    async with scene.http.get(path, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_no_script_or_style_stands_in_the_page_itself(scene: Scene) -> None:
    assert "'unsafe-eval'" not in POLICY
    assert re.findall(r"(?:script|style)-src ([^;]+)", POLICY) == ["'self'", "'self'"]
    for path in ("/", "/api/docs/try"):
        async with scene.http.get(path) as answer:
            assert answer.headers["Content-Security-Policy"] == POLICY
            text = await answer.text()
        assert re.findall(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=", text) == []


async def test_assets_are_cached_for_good_and_may_be_loaded_by_the_frame_which_has_no_origin(scene: Scene) -> None:
    async with scene.http.get("/") as answer:
        (asset,) = set(re.findall(r'src="(/assets/index-[^"]+\.js)"', await answer.text()))
    async with scene.http.get(asset, headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_the_frame_has_no_origin_and_loads_scripts_of_ours_only() -> None:
    async with open_scene(public_url="https://graph.example.org") as scene:
        async with scene.http.get("/mermaid-frame.html") as answer:
            expected = FRAME_POLICY.format(origin="https://graph.example.org")
            assert answer.headers["Content-Security-Policy"] == expected
            assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "allow-same-origin" not in expected


async def test_a_host_that_is_no_host_gets_into_no_policy(scene: Scene) -> None:
    async with scene.http.get("/mermaid-frame.html", headers={"Host": "evil.example; script-src *"}) as answer:
        assert answer.status in (200, 400)
        assert "evil.example" not in answer.headers.get("Content-Security-Policy", "")


async def test_what_is_not_there_is_not_found_as_a_problem_or_for_people_as_a_page(scene: Scene) -> None:
    for method, path in (("GET", "/api/nothing"), ("POST", "/api/nothing"), ("GET", "/assets/no.js")):
        status, problem = await scene.problem(method, path)
        assert (status, problem["code"]) == (404, "not_found")
    for path in ("/", "/health", "/d/1"):
        status, problem = await scene.problem("POST", path)
        assert (status, problem["code"]) == (405, "method_not_allowed")
    async with scene.http.get("/nothing", headers={"Accept": "text/html"}) as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")
    async with scene.http.get("/../settings.py") as answer:
        assert answer.status == 404
