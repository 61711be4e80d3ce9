"""A channel that sends signed requests, as Standard Webhooks describes them.

The specification is at https://github.com/standard-webhooks/standard-webhooks. The name of the host
is resolved once for each attempt. If any of its addresses is not allowed, nothing is sent; else the
request goes to the first of these very addresses, so that no later answer of a name server matters.
"""

import asyncio
import base64
import binascii
import datetime
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2
import msgspec
import standardwebhooks

from tuppence.adapters.channels.settings import WebhookSettings
from tuppence.errors import UserError
from tuppence.feed.news import ChannelRule
from tuppence.feed.policy import URGENT
from tuppence.feel.values import Date
from tuppence.rules.rule import Action, Approval, Communication, InsightKind, Offer
from tuppence.structured import read_secret
from tuppence.usecases.build_feed import FeedItem
from tuppence.usecases.delivery_ports import DeliveryError, Letter

TYPE: Final = "insights.new"
"""The type of the event that a request is about."""
MAX_BYTES: Final = 200_000
"""Maximum size of a request's body."""
_SECRET: Final = re.compile(r"whsec_([A-Za-z0-9+/]+={0,2})")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_TRANSLATED: Final = tuple(
    ipaddress.ip_network(one)
    for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
)
"""Networks of IPv6 behind which an address of IPv4 may be: NAT64, Teredo and 6to4."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NewInsight(msgspec.Struct, frozen=True):
    """An insight that is new for a person.

    Attributes:
        id: Identity of the item, as in the feed.
        kind: Kind of the insight.
        topic: Its topic, if it has one.
        urgent: Whether it comes before everything else.
        title: A short title.
        text: One or two sentences.
        communication: The legal class of the message.
        offer: The partner and the terms of an offer or a reward.
        approval: The approval of a financial promotion.
        action: The step that it proposes.
        expires: First day on which it is not shown any more.
    """

    id: str
    kind: InsightKind
    topic: str | None
    urgent: bool
    title: str
    text: str
    communication: Communication
    offer: Offer | None
    approval: Approval | None
    action: Action | None
    expires: str


class NewInsights(msgspec.Struct, frozen=True):
    """The insights that are new for one customer.

    Attributes:
        customer: The customer.
        as_of: The day of the newest numbers.
        items: The insights, in the order of the feed.
    """

    customer: str
    as_of: str
    items: tuple[NewInsight, ...]


class WebhookBody(msgspec.Struct, frozen=True):
    """The body of a request.

    Attributes:
        type: Always insights.new.
        timestamp: The time at which they were found to be new; the same in every attempt.
        data: The insights.
    """

    type: str
    timestamp: datetime.datetime
    data: NewInsights


class Webhook:
    """An address that gets signed requests. Implements the port Channel; threads may share it.

    Args:
        rule: The channel as plans need it.
        settings: The address, and limits.

    Raises:
        UserError: A secret cannot be read, or does not have its form.
    """

    def __init__(self, rule: ChannelRule, settings: WebhookSettings) -> None:
        self.rule = rule
        self._settings = settings
        self._signers = [_signer(where) for where in settings.secrets]
        self._allowed = [ipaddress.ip_network(one) for one in settings.allowed_networks]
        self._tls = ssl.create_default_context()

    def send(self, letter: Letter) -> None:
        """Send a delivery."""
        body = msgspec.json.encode(_body(letter))
        if len(body) > MAX_BYTES:
            raise DeliveryError(f"the message is larger than {MAX_BYTES:,} bytes", final=True)
        now = _EPOCH + datetime.timedelta(seconds=letter.now // 1_000)
        signatures = [one.sign(letter.id, now, body.decode()) for one in self._signers]
        headers = {
            "content-type": "application/json",
            "user-agent": "tuppence",
            "webhook-id": letter.id,
            "webhook-timestamp": str(letter.now // 1_000),
            "webhook-signature": " ".join(signatures),
        }
        try:
            status = asyncio.run(self._post(body, headers))
        except TimeoutError:
            message = f"it did not answer within {self._settings.seconds} s"
            raise DeliveryError(message) from None
        except (httpx2.HTTPError, OSError) as error:
            message = f"it could not be reached ({type(error).__name__})"
            raise DeliveryError(message) from None
        if not 200 <= status < 300:
            raise DeliveryError(f"it answered {status}", final=status == 410)

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of the answer; its body is never read."""
        async with asyncio.timeout(self._settings.seconds):
            parts = urlsplit(self._settings.url)
            host = parts.hostname or ""
            address = await self._resolve(host, parts.scheme, parts.port)
            shown = f"[{address}]" if address.version == 6 else str(address)
            place = shown if parts.port is None else f"{shown}:{parts.port}"
            async with (
                httpx2.AsyncClient(
                    verify=self._tls, trust_env=False, follow_redirects=False, timeout=None
                ) as client,
                client.stream(
                    "POST",
                    urlunsplit(parts._replace(netloc=place)),
                    content=body,
                    headers={**headers, "host": parts.netloc},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                return answer.status_code

    async def _resolve(self, host: str, scheme: str, port: int | None) -> Address:
        """Return an address of a host, all of whose addresses are allowed."""
        loop = asyncio.get_running_loop()
        found: Sequence[Any] = await loop.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
        for one in addresses:
            if not self._is_allowed(one):
                message = "its address is not public, and not in allowed_networks"
                raise DeliveryError(message, final=True)
            if scheme != "https" and not one.is_loopback:
                message = "its address begins with http:// and is not of this machine"
                raise DeliveryError(message, final=True)
        return addresses[0]

    def _is_allowed(self, address: Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        hidden = isinstance(address, ipaddress.IPv6Address) and (
            address.ipv4_mapped is not None or any(address in one for one in _TRANSLATED)
        )
        return address.is_global and not address.is_multicast and not hidden


def _signer(where: str) -> standardwebhooks.Webhook:
    match = _SECRET.fullmatch(read_secret(where))
    try:
        size = 0 if match is None else len(base64.b64decode(match[1], validate=True))
    except binascii.Error:
        size = 0
    if match is None or not 24 <= size <= 64:
        message = f"{where}: is not whsec_ and 24 to 64 bytes in Base64"
        hint = "echo whsec_$(openssl rand -base64 32) makes one"
        raise UserError("channels.secret", message, hint)
    return standardwebhooks.Webhook(match[0])


def _body(letter: Letter) -> WebhookBody:
    made = _EPOCH + datetime.timedelta(milliseconds=letter.made)
    items = tuple(map(_insight, letter.items))
    return WebhookBody(TYPE, made, NewInsights(letter.customer, str(letter.as_of), items))


def _insight(one: FeedItem) -> NewInsight:
    candidate, message = one
    rule = candidate.rule
    return NewInsight(
        str(candidate.item),
        rule.kind,
        rule.topic,
        candidate.tier == URGENT,
        message.title,
        message.body,
        rule.communication,
        rule.offer,
        rule.approval,
        rule.feed_settings.action,
        str(Date(candidate.item.turn + rule.expires_after_days)),
    )
