"""The chat teacher against a real server on loopback that answers, refuses and misbehaves."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.servers.http import Request, Response, completion, failure, serving
from vlrlcd.anchors.teachers import ChatTeacher, TeacherFault
from vlrlcd.config import TeacherConfig
from vlrlcd.errors import UserError

KEY = "sk-planted-0123456789"
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "What?"}]}]


def ask(response, **settings):
    """(the teacher's reply, the request that the server got)."""
    seen: list[Request] = []

    async def handler(request):
        seen.append(request)
        return response

    with serving(handler) as url:
        teacher = ChatTeacher(TeacherConfig(kind="chat", model="m", **{"base_url": url, **settings}))

        async def once():
            try:
                return await teacher.answer(None, MESSAGES)
            finally:
                await teacher.close()

        return asyncio.run(once()), seen[0]


def fault(response, **settings):
    with pytest.raises(TeacherFault) as caught:
        ask(response, **settings)
    return caught.value


def test_an_answer(monkeypatch):
    monkeypatch.setenv("STUB_KEY", KEY)
    reply, request = ask(completion("It is red."), api_key_env="STUB_KEY")
    assert reply.text == "It is red." and reply.usage["prompt_tokens"] == 100
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json["model"] == "m" and request.prompt == "What?"


def test_what_belongs_to_openai_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    _, request = ask(completion("It is red."))
    assert not {KEY, "org-secret", "proj-secret"} & {part for v in request.headers.values() for part in v.split()}


def test_headers_tell_nothing_of_this_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: secret")
    _, request = ask(completion("It is red."))
    wanted = {"host", "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"}
    assert set(request.headers) == wanted | {"user-agent"} and request.headers["user-agent"] == "vlrlcd"


def test_a_proxy_of_the_environment_is_not_told_what_stays_on_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert ask(completion("It is red."))[0].text == "It is red."


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_statuses_that_pass(status):
    found = fault(failure(status, "wait a little"))
    assert (found.outcome, found.then, found.after_s) == (f"HTTP {status}", "again", None)
    assert "wait a little" in found.words


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 413, 422])
def test_statuses_that_do_not(status):
    found = fault(failure(status, "this will never do", location="http://example.org/"))
    assert (found.outcome, found.then) == (f"HTTP {status}", "stop")
    assert str(status) in found.words and "this will never do" in found.words


@pytest.mark.parametrize("code", ["context_length_exceeded", "invalid_image_format"])
def test_an_error_about_one_prompt_gives_up_that_prompt(code):
    assert fault(failure(400, "too long", code=code)).then == "skip"


def test_an_empty_account_does_not_pass():
    assert fault(failure(429, "you exceeded your quota", code="insufficient_quota")).then == "stop"


def test_a_filter_that_comes_as_an_error_is_a_flag_of_this_prompt():
    reply, _ = ask(failure(400, "the prompt was filtered", code="content_filter"))
    assert reply.flags == ("content_filter",) and reply.text == ""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "-3"}, 0),
    ],
)
def test_how_long_the_server_wants_to_be_left_alone(headers, seconds):
    assert fault(failure(429, **headers)).after_s == pytest.approx(seconds)


@pytest.mark.parametrize(("minutes", "seconds"), [(10, 600), (-10, 0)])
def test_until_when_the_server_wants_to_be_left_alone(minutes, seconds):
    then = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    assert fault(failure(429, retry_after=then)).after_s == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize("nonsense", ["soon", "inf", "nan", ""])
def test_nonsense_about_it_is_passed_over(nonsense):
    assert fault(failure(429, retry_after=nonsense)).after_s is None


def test_a_reset_connection():
    assert (fault(Response(ending="reset")).outcome, fault(Response(ending="reset")).then) == ("connection", "again")


def test_a_body_that_ends_too_early():
    assert fault(Response(body=completion("It is red.").body, ending="cut")).outcome == "connection"


@pytest.mark.parametrize("body", [completion("It is red.").body[:40], b"<html>busy</html>", b"", b"[]", b"\xff\xfe"])
def test_a_body_that_is_no_completion(body):
    found = fault(Response(body=body))
    assert (found.outcome, found.then) == ("unreadable answer", "again")


def test_a_body_that_drips_in_is_not_waited_for_byte_by_byte():
    started = time.monotonic()
    found = fault(Response(body=completion("It is red.").body, ending="drip"), timeout_s=0.5)
    assert (found.outcome, found.then) == ("time-out", "again") and "teacher.timeout_s=0.5" in found.words
    assert time.monotonic() - started < 5


def test_nobody_there():
    found = fault(completion(""), base_url="http://127.0.0.1:9/v1")
    assert (found.outcome, found.then) == ("connection", "again") and "127.0.0.1:9" in found.words
    assert found.usage == {}


def test_a_server_that_repeats_the_key_does_not_make_us_do_so(monkeypatch):
    monkeypatch.setenv("STUB_KEY", KEY)
    found = fault(failure(401, f"Incorrect API key provided: {KEY}."), api_key_env="STUB_KEY")
    assert KEY not in found.words and "Incorrect API key provided: [key]." in found.words


def test_a_long_message_is_shortened_and_no_key_is_cut_in_half(monkeypatch):
    monkeypatch.setenv("STUB_KEY", KEY)
    for length in range(470, 510, 3):
        words = fault(failure(401, "x" * length + KEY + "x" * 10_000), api_key_env="STUB_KEY").words
        assert len(words) < 700 and KEY[:8] not in words


def test_what_a_teacher_needs():
    with pytest.raises(UserError, match=r"needs teacher\.model"):
        ChatTeacher(TeacherConfig(kind="chat"))
    with pytest.raises(UserError, match="must not hold messages, stream"):
        ChatTeacher(TeacherConfig(kind="chat", model="m", extra_body={"stream": True, "messages": []}))
