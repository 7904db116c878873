"""The way out: what is refused never sees a connection, what is allowed is called by its name and only where it was.

Receivers listen on real sockets, so that a connection that is not made is not made.
"""

import socket
import time
from pathlib import Path

import httpx
import pytest

from service.outbound import Answer, Outbound, Pinned, Unanswered
from service.tests.receivers import contexts, receiving
from service.tests.test_addresses import CORPUS, bracketed


@pytest.mark.parametrize(("kind", "host"), CORPUS)
def test_what_is_not_global_is_refused_by_the_transport(kind: str, host: str) -> None:
    """Each of the corpus as a URL; one with a zone is no URL at all, and not answered either."""
    with pytest.raises(Unanswered, match=r"forbidden|unreachable"):
        Outbound(Pinned(seconds=2)).post(f"https://{bracketed(host)}/", b"{}", {})


def test_a_rebinding_resolver_is_asked_once() -> None:
    """First a public answer, then a private one: a call looks up once, and the next one is refused.

    No time is given for the connection to the public one: it ends before a packet is sent.
    """
    answers = [["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with receiving() as receiver:
        out = Outbound(Pinned(resolve=rebinding, seconds=0))
        with pytest.raises(Unanswered, match="timeout"):
            out.post(f"https://rebinding.example:{receiver.port}/", b"{}", {})
        assert (asked, receiver.connected) == (["rebinding.example"], 0)
        with pytest.raises(Unanswered, match="forbidden"):
            out.post(f"https://rebinding.example:{receiver.port}/", b"{}", {})
        assert (len(asked), receiver.connected) == (2, 0)


def test_what_was_looked_at_is_what_is_connected_to() -> None:
    """The resolver has another answer ready for whoever asks twice: nobody does, and nobody connects there."""
    answers = ["127.0.0.1", "127.0.0.2"]
    with receiving() as receiver, socket.create_server(("127.0.0.2", receiver.port)) as other:
        out = Outbound(Pinned(private=["named.example"], resolve=lambda *_: [answers.pop(0)], seconds=5))
        assert out.post(f"http://named.example:{receiver.port}/", b"", {}).status == 204
        assert (receiver.connected, answers) == (1, ["127.0.0.2"])
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_private_address_sees_no_connection() -> None:
    """Not even one that is closed again."""
    with receiving() as receiver:
        for host in ("localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(Unanswered, match="forbidden"):
                Outbound(Pinned()).post(f"https://{host}:{receiver.port}/", b"{}", {})
        assert receiver.connected == 0


def test_a_redirect_to_metadata_is_an_answer_like_any_other() -> None:
    """302 is what is told; the place it names is not called, be it metadata or a receiver that is allowed."""
    with receiving() as here, receiving() as there:
        out = Outbound(Pinned(private=["127.0.0.1"], seconds=5))
        for location in ("http://169.254.169.254/latest/meta-data/", there.url):
            here.will_say(302, location=location)
            assert out.post(here.url, b"{}", {}) == Answer(302, None)
        assert (here.connected, there.connected) == (2, 0)


def test_a_host_that_is_named_may_be_private() -> None:
    """By HTTP too and on any port; what is sent arrives as it is, and nothing of this machine goes along."""
    with receiving() as receiver:
        out = Outbound(Pinned(private=["127.0.0.1"]))
        receiver.will_say(503, retry_after="7", set_cookie="a=b")
        assert out.post(receiver.url, b'{"a": 1}', {"webhook-id": "msg_1"}) == Answer(503, 7.0)
        out.post(receiver.url, b'{"a": 1}', {})
        [first, second] = receiver.heard
        assert (first.line, first.body, first.headers["webhook-id"]) == ("POST /hook HTTP/1.1", b'{"a": 1}', "msg_1")
        assert first.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert "cookie" not in second.headers
        assert receiver.connected == 2


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect where this process may not."""
    with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert Outbound(Pinned(private=["127.0.0.1"])).post(receiver.url, b"", {}).status == 204
        assert (proxy.connected, receiver.connected) == (0, 1)


def test_tls_is_spoken_with_the_name_and_not_with_the_address(tmp_path: Path) -> None:
    """The resolved address is connected to; handshake, certificate and Host are the name's; another's is refused."""
    server, trusted = contexts(tmp_path, "hooks.example")
    with receiving(trusted=server) as receiver:
        here = Pinned(private=["hooks.example", "other.example"], resolve=lambda *_: ["127.0.0.1"], trusted=trusted)
        assert Outbound(here).post(f"https://hooks.example:{receiver.port}/", b"", {}).status == 204
        assert receiver.named == ["hooks.example"]
        assert receiver.heard[0].headers["host"] == f"hooks.example:{receiver.port}"
        with pytest.raises(Unanswered, match="unreachable"):
            Outbound(here).post(f"https://other.example:{receiver.port}/", b"", {})
        assert len(receiver.heard) == 1


def test_the_next_address_is_tried_where_one_does_not_answer(port: int) -> None:
    """Of the ones that were looked at, and no others."""
    with receiving() as receiver:
        at = Pinned(private=["two.example"], resolve=lambda *_: ["127.0.0.2", "127.0.0.1"], seconds=5)
        assert Outbound(at).post(f"http://two.example:{receiver.port}/", b"", {}).status == 204


def test_an_answer_that_trickles_ends_by_the_deadline() -> None:
    """A byte every 50 ms would be 30 s; half a second is given."""
    with receiving() as receiver:
        receiver.answers, receiver.trickle = [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 600 + b"\r\n\r\n"], 0.05
        began = time.monotonic()
        with pytest.raises(Unanswered, match="timeout"):
            Outbound(Pinned(private=["127.0.0.1"], seconds=0.5)).post(receiver.url, b"", {})
        assert time.monotonic() - began < 5


def test_somebody_who_takes_the_connection_and_says_nothing() -> None:
    """The same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unanswered, match="timeout"):
            Outbound(Pinned(private=["127.0.0.1"], seconds=0.3)).post(url, b"", {})


def test_an_answer_without_end_is_cut_off() -> None:
    """Of two megabytes 10 kB are read, head and body alike, however much of them is asked for."""
    with receiving() as receiver:
        at = Pinned(private=["127.0.0.1"], limit=10_000, seconds=5)
        receiver.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"z" * 2_000_000]
        response = at.handle_request(httpx.Request("GET", receiver.url))
        with pytest.raises(httpx.NetworkError, match="too long"):
            response.read()
        receiver.answers = [b"HTTP/1.1 200 OK\r\nx: " + b"z" * 2_000_000 + b"\r\n\r\n"]
        with pytest.raises(Unanswered, match="unreachable"):
            Outbound(at).post(receiver.url, b"", {})
