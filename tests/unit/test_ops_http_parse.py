"""Request heads to requests and answers to bytes, by RFC 9112."""

import pytest

from sidecar.ops.http import Request, Response, encode, parse


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Request("GET", "/", True)),
        (b"GET /status?pretty=1 HTTP/1.1\r\n\r\n", Request("GET", "/status", True)),
        (b"GET http://node:8112/role HTTP/1.1\r\n\r\n", Request("GET", "/role", True)),
        (b"HEAD /livez HTTP/1.0\r\n\r\n", Request("HEAD", "/livez", False)),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", Request("GET", "/", False)),
        (b"GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", Request("GET", "/", True)),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Request("GET", "/", False)),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Request("POST", "/", False)),
        (b"GET / HTTP/1.1\r\nX: caf\xe9:\x01\r\n\r\n", Request("GET", "/", True)),
    ],
)
def test_a_request_is_its_method_its_path_and_whether_another_may_follow(head: bytes, request_: Request) -> None:
    assert parse(head) == request_


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET status HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n : empty\r\n\r\n",
        b"GET / HTTP/1.1\r\nSpace : before colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: line\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_request_is_none(head: bytes) -> None:
    assert parse(head) is None


def test_an_answer_has_its_length_and_is_never_cached() -> None:
    data = encode(Response.text(200, "mäster"), body=True, keep=True)
    head, body = data.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert b"\r\nContent-Length: 7\r\n" in head
    assert b"\r\nCache-Control: no-store\r\n" in head
    assert head.endswith(b"Connection: keep-alive")
    assert body == "mäster".encode()


def test_head_has_the_length_of_the_body_and_no_body() -> None:
    data = encode(Response.text(503, "not ok"), body=False, keep=False)
    assert b"\r\nContent-Length: 6\r\n" in data
    assert data.endswith(b"Connection: close\r\n\r\n")
