"""Channels against real servers on loopback: signed requests and mail, and what is refused."""

import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import standardwebhooks
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from local.servers import PATIENCE, free_port

from tuppence.adapters.channels.mail import Mail
from tuppence.adapters.channels.settings import MailSettings, WebhookSettings
from tuppence.adapters.channels.webhook import Webhook
from tuppence.errors import UserError
from tuppence.feed.choice import Candidate, Outcome
from tuppence.feed.items import ItemId
from tuppence.feed.news import ChannelRule
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.message import Rendered
from tuppence.rules.rule import Action, Approval, FeedSettings, Message, Offer, Rule
from tuppence.usecases.build_feed import FeedItem
from tuppence.usecases.delivery_ports import DeliveryError, Letter

RULE: Final = ChannelRule("webhook.app", personal=False)
LOOPBACK: Final = ["127.0.0.0/8"]
OLD, NEW = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


def item(title: str = "Bank fees", text: str = "£12.50 in fees.", **fields: Any) -> FeedItem:
    rule = Rule("fees", "insight", "F", "true", "1", Message("x", "y"), **fields)
    result = Result("fees", State.QUALIFIED, Decimal(90), {}, 20_000)
    candidate = Candidate(ItemId("fees", 20_000), rule, result, None, 1, Outcome.SHOWN, 0)
    return FeedItem(candidate, Rendered(title, text))


def letter(*items: FeedItem, address: str | None = "ann@example.org") -> Letter:
    now = int(time.time() * 1_000)
    shown = items or (item(),)
    return Letter("dlv_0123", "ann", address, Date(20_000), shown, now - 60_000, now)


class Receiver:
    """An HTTP server that keeps requests and answers as told.

    Attributes:
        requests: Headers and bodies of requests.
        status: Status of answers.
        headers: Further headers of answers.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.release = threading.Event()
        self.release.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                receiver.release.wait(PATIENCE)
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Webhook]:
    monkeypatch.setenv("OLD", OLD)
    monkeypatch.setenv("NEW", NEW)

    def make(url: str, **fields: Any) -> Webhook:
        given: dict[str, Any] = {"secrets": ["env:NEW"], "allowed_networks": LOOPBACK, **fields}
        return Webhook(RULE, WebhookSettings(url, **given))

    return make


def test_a_request_is_signed_so_that_the_standard_library_of_receivers_accepts_it(
    receiver: Receiver, hook: Callable[..., Webhook]
) -> None:
    one = letter(item(topic="bank", feed=FeedSettings(action=Action("See", "/fees"))))
    hook(f"http://127.0.0.1:{receiver.port}/in").send(one)
    ((headers, body),) = receiver.requests
    found = standardwebhooks.Webhook(NEW).verify(body, headers)
    assert headers["webhook-id"] == one.id
    assert found["type"] == "insights.new"
    assert found["data"]["customer"] == "ann"
    (told,) = found["data"]["items"]
    assert told == {
        "id": "fees.2024-10-04",
        "kind": "insight",
        "topic": "bank",
        "urgent": True,
        "title": "Bank fees",
        "text": "£12.50 in fees.",
        "communication": "information",
        "offer": None,
        "approval": None,
        "action": {"label": "See", "link": "/fees"},
        "expires": told["expires"],
    }
    content = f"{one.id}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(bytes([2]) * 32, content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_both_secrets_verify_while_one_is_being_replaced(
    receiver: Receiver, hook: Callable[..., Webhook]
) -> None:
    address = f"http://127.0.0.1:{receiver.port}/in"
    hook(address, secrets=["env:NEW", "env:OLD"]).send(letter())
    ((headers, body),) = receiver.requests
    for secret in (OLD, NEW):
        standardwebhooks.Webhook(secret).verify(body, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify(body + b" ", headers)


@pytest.mark.parametrize(
    ("status", "final"), [(301, False), (400, False), (410, True), (429, False), (500, False)]
)
def test_every_answer_but_2xx_is_a_failure_and_redirects_are_not_followed(
    receiver: Receiver, hook: Callable[..., Webhook], status: int, final: bool
) -> None:
    receiver.status = status
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/other"}
    with pytest.raises(DeliveryError) as error:
        hook(f"http://127.0.0.1:{receiver.port}/in").send(letter())
    assert (error.value.reason, error.value.final) == (f"it answered {status}", final)
    assert len(receiver.requests) == 1


def test_a_receiver_that_does_not_answer_is_not_waited_for(
    receiver: Receiver, hook: Callable[..., Webhook]
) -> None:
    receiver.release.clear()
    with pytest.raises(DeliveryError, match="did not answer within 1 s"):
        hook(f"http://127.0.0.1:{receiver.port}/in", seconds=1).send(letter())


def test_a_receiver_that_answers_byte_by_byte_is_not_waited_for(
    hook: Callable[..., Webhook],
) -> None:
    """Each byte comes in time; all of them together would not."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                try:
                    while not stop.wait(0.05):
                        connection.sendall(b"y")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(DeliveryError, match="did not answer within 1 s"):
            hook(f"http://127.0.0.1:{server.getsockname()[1]}/in", seconds=1).send(letter())
        stop.set()
        thread.join()


def test_a_receiver_that_is_not_there_is_a_failure(hook: Callable[..., Webhook]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="could not be reached"):
        hook(f"http://127.0.0.1:{port}/in").send(letter())


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),  # noqa: S104
        *("::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
        *("64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::", "2001:0:a00:1::", "2001:db8::1"),
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_public(
    hook: Callable[..., Webhook], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was asked for a connection")

    monkeypatch.setattr(httpx2, "AsyncClient", connect)
    shown = f"[{address}]" if ":" in address else address
    with pytest.raises(DeliveryError, match="its address is not public") as error:
        hook(f"https://{shown}/in", allowed_networks=[]).send(letter())
    assert error.value.final


def test_a_name_with_one_private_address_is_refused(
    hook: Callable[..., Webhook], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (place, 443)) for place in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
    with pytest.raises(DeliveryError, match="its address is not public"):
        hook("https://app.example.org/in", allowed_networks=[]).send(letter())


def test_plain_http_goes_to_this_machine_alone(hook: Callable[..., Webhook]) -> None:
    with pytest.raises(DeliveryError, match="begins with http:// and is not of this machine"):
        hook("http://10.0.0.1/in", allowed_networks=["10.0.0.0/8"]).send(letter())


def test_tls_checks_the_name_of_the_host_although_the_address_was_resolved_before(
    hook: Callable[..., Webhook], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name, accepted in (("localhost", True), ("other.example.org", False)):
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert(name).configure_cert(tls)
        secure = Receiver(tls)
        try:
            one = hook(f"https://localhost:{secure.port}/in", allowed_networks=[*LOOPBACK, "::1"])
            if accepted:
                one.send(letter())
                assert secure.requests[0][0]["host"] == f"localhost:{secure.port}"
            else:
                with pytest.raises(DeliveryError, match="could not be reached"):
                    one.send(letter())
                assert secure.requests == []
        finally:
            secure.close()


def test_a_message_that_is_too_large_is_given_up(hook: Callable[..., Webhook]) -> None:
    with pytest.raises(DeliveryError, match="larger than 200,000 bytes") as error:
        hook("https://app.example.org/in").send(letter(item(text="x" * 200_000)))
    assert error.value.final


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_????", f"{NEW}\n{OLD}", NEW[6:], "whsec_A"]
)
def test_a_malformed_secret_is_refused(
    hook: Callable[..., Webhook], tmp_path: Path, secret: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(secret)
    with pytest.raises(UserError, match="is not whsec_ and 24 to 64 bytes in Base64") as error:
        hook("https://app.example.org/in", secrets=[str(path)])
    assert len(secret) < 10 or secret not in str(error.value)


class Mailbox:
    """A handler of the mail server that keeps mail, and refuses as told."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str | None, list[str]]] = []
        self.refuse_recipient = self.refuse_message = ""

    async def handle_RCPT(  # noqa: N802 - the server calls it so
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse_message:
            return self.refuse_message
        assert isinstance(envelope.content, bytes)
        read = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        self.mails.append(read)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[tuple[Mailbox, Callable[..., Mail]]]:
    """Yield a mailbox behind a server with TLS and a login, and a function that makes a channel."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("secret")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(tls)
    box, port = Mailbox(), free_port()

    def check(_: Any, __: Any, ___: Any, mechanism: str, data: Any) -> AuthResult:
        del mechanism
        return AuthResult(success=(data.login, data.password) == (b"us", b"secret"), handled=False)

    server = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=tls,
        require_starttls=True,
        authenticator=check,
        auth_required=True,
    )
    server.start()

    def make(**fields: Any) -> Mail:
        given: dict[str, Any] = {
            "server": "localhost",
            "sender": "Your Bank <insights@example.org>",
            "address": "email",
            "unsubscribe": "https://feed.example.org",
            "port": port,
            "user": "us",
            "password": str(tmp_path / "password"),
            "ca": str(tmp_path / "ca.pem"),
        }
        return Mail(MailSettings(**{**given, **fields}))

    yield box, make
    server.stop()


Post = tuple[Mailbox, Callable[..., Mail]]


def test_a_mail_says_what_is_new_in_text_and_html_and_how_to_stop_it(post: Post) -> None:
    box, make = post
    promotion = item(
        "Save <b>more</b>",
        "A rate of 4 %.",
        communication="financial promotion",
        approval=Approval("Firm", "2020-01-01", "FP-1"),
        offer=Offer("Fernhill & Co", "The rate may fall."),
        feed=FeedSettings(action=Action("See", "https://app.example.org/save")),
    )
    make().send(letter(item(), promotion))
    (mail,), ((sender, recipients),) = box.mails, box.envelopes
    assert (sender, recipients) == ("insights@example.org", ["ann@example.org"])
    assert str(mail["from"]) == "Your Bank <insights@example.org>"
    assert str(mail["to"]) == "ann@example.org"
    assert mail["subject"] == "Bank fees (and 1 more)"
    assert "dlv_0123" not in mail["message-id"], "mail servers log it"
    link = "https://feed.example.org/v1/unsubscriptions/dlv_0123"
    assert mail["list-unsubscribe"] == f"<{link}>"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    plain, html = (part.get_content() for part in mail.iter_parts())
    for text in ("£12.50 in fees.", "A rate of 4 %.", "The rate may fall.", "2024-10-04", link):
        assert text in plain
    for text in ("This is an advertisement.", "approved by", "See: https://app.example.org/save"):
        assert text in plain
        assert text in html
    assert "Save &lt;b&gt;more&lt;/b&gt;" in html
    assert "Fernhill &amp; Co" in html
    assert "Save <b>more</b>" in plain


@pytest.mark.parametrize(
    "hostile",
    [
        "Fees\r\nBcc: eve@example.org",
        "Fees\nBcc: eve@example.org\n\nHello",
        "Fees\x0bBcc: eve@example.org",
        "Fees\u2028Bcc: eve@example.org",
        "=?utf-8?q?Fees=0ABcc=3A_eve=40example=2Eorg?=",
        "Fees " + "é" * 300,
    ],
)
def test_a_hostile_title_adds_no_header_and_no_recipient(post: Post, hostile: str) -> None:
    box, make = post
    make().send(letter(item(hostile, f"{hostile}\r\n.\r\nQUIT")))
    (mail,), ((_, recipients),) = box.mails, box.envelopes
    assert recipients == ["ann@example.org"]
    assert mail["bcc"] is None
    assert len(mail.get_all("subject", [])) == 1
    assert mail["list-unsubscribe"] is not None
    plain, _ = (part.get_content() for part in mail.iter_parts())
    assert "The numbers are as of" in plain


@pytest.mark.parametrize(
    "address",
    [
        *(None, "", "ann", "ann@", "@example.org", "ann@example.org, eve@example.org"),
        *("ann@example.org\r\nBcc: eve@example.org", "Ann <ann@example.org>", "ann@exämple.org"),
        *("ann@example.org>", "ann eve@example.org", "ann@example.org\n"),
    ],
)
def test_an_address_that_is_not_one_address_is_given_up(post: Post, address: str | None) -> None:
    box, make = post
    with pytest.raises(DeliveryError, match="address") as error:
        make().send(letter(address=address))
    assert error.value.final
    assert box.mails == []
    assert not address or address not in error.value.reason


def test_a_refusal_is_final_or_not_as_the_server_says_and_quotes_nothing(post: Post) -> None:
    box, make = post
    box.refuse_recipient = "550 no such person: ann@example.org"
    with pytest.raises(DeliveryError) as error:
        make().send(letter())
    assert (error.value.reason, error.value.final) == (
        "the mail server refused the recipient (550)",
        True,
    )
    box.refuse_recipient, box.refuse_message = "", "451 later, ann@example.org"
    with pytest.raises(DeliveryError) as error:
        make().send(letter())
    assert (error.value.reason, error.value.final) == (
        "the mail server refused the message (451)",
        False,
    )


def test_mail_is_sent_over_tls_to_a_server_with_the_right_name_alone(
    post: Post, tmp_path: Path
) -> None:
    box, make = post
    with pytest.raises(DeliveryError, match="could not be used"):
        make(server="127.0.0.1").send(letter())
    with pytest.raises(DeliveryError, match="could not be used"):
        make(ca=None).send(letter())
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(DeliveryError, match="refused the login") as error:
        make().send(letter())
    assert not error.value.final
    assert box.mails == []
    with pytest.raises(UserError, match="is another machine, and tls is none"):
        make(server="mail.example.org", tls="none")


def test_a_mail_server_that_is_not_there_is_a_failure(post: Post) -> None:
    _, make = post
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="could not be used"):
        make(port=port).send(letter())


@pytest.mark.parametrize(
    "sender", ["", "us", "a@example.org, b@example.org", "Us <us@example.org>\nBcc: e@example.org"]
)
def test_a_sender_that_is_not_one_address_is_refused(post: Post, sender: str) -> None:
    _, make = post
    with pytest.raises(UserError, match="is not an address that mail can come from"):
        make(sender=sender)
