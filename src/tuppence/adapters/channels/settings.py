"""The file `channels.yaml`, which says how people, and an app's backend, are told of insights."""

import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.schema import FieldType, Schema
from tuppence.structured import Document, Location, read_settings

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,30}")
"""Names of webhooks."""


class WebhookSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """An address that is told of insights by signed requests, as Standard Webhooks describes.

    Attributes:
        url: The address, which begins with https://. Only for a receiver on the same machine it may
            begin with http://.
        secrets: Places of the secrets that sign requests: files, or env:NAME. Each secret is
            whsec_ and 24 to 64 random bytes in Base64. While a secret is being replaced there are
            two.
        allowed_networks: Networks such as 10.0.0.0/8 in which the receiver may be, although they
            are not part of the public internet.
        seconds: Time limit of an attempt.
    """

    url: Annotated[str, Meta(min_length=1, max_length=2_000)]
    secrets: Annotated[list[str], Meta(min_length=1, max_length=5)]
    allowed_networks: Annotated[list[str], Meta(max_length=20)] = []
    seconds: Annotated[int, Meta(ge=1, le=30)] = 15


class MailSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A server that takes mail for anybody.

    Attributes:
        server: Name of the server.
        sender: Address that mail comes from, such as Your Bank <insights@example.org>.
        address: The declared attribute of customers, of type text, that has their address.
        unsubscribe: Address of the feed service from outside, such as
            https://feed.example.org; a link there switches mail off.
        port: Port of the server.
        tls: `starttls` on a port such as 587, `immediate` on one such as 465, or `none` for a
            server on the same machine.
        user: Name of the login; none if omitted.
        password: Place of the password: a file, or env:NAME.
        ca: File with authorities for the server's certificate, PEM; those of the system if omitted.
        seconds: Time limit of each step of an attempt.
    """

    server: Annotated[str, Meta(min_length=1, max_length=253)]
    sender: Annotated[str, Meta(min_length=3, max_length=300)]
    address: str
    unsubscribe: Annotated[str, Meta(min_length=1, max_length=500)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "immediate", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    ca: str | None = None
    seconds: Annotated[int, Meta(ge=1, le=30)] = 15


class ChannelSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The channels on which people, and an app's backend, are told of insights.

    Attributes:
        webhooks: Addresses of an app's backend by name: told of every customer, at once.
        push: The address that sends a push message to whoever has switched push on.
        mail: The server for mail to whoever has switched mail on.
    """

    webhooks: dict[str, WebhookSettings] = {}
    push: WebhookSettings | None = None
    mail: MailSettings | None = None


def read_channels(where: str, schema: Schema) -> ChannelSettings:
    """Read a file of channels and check it.

    Args:
        where: The file, or env:NAME.
        schema: The schema of the facts, which declares the attributes of customers.

    Raises:
        UserError: The file cannot be read, or does not have the form of one.
    """
    document = read_settings(where, ChannelSettings)
    found = document.value
    for name, one in found.webhooks.items():
        if not NAME.fullmatch(name):
            hint = "use up to 31 small letters, digits, dashes and underscores"
            raise _wrong(document, ("webhooks",), f"{name!a} is not a name of a webhook", hint)
        _check_webhook(document, ("webhooks", name), one)
    if found.push is not None:
        _check_webhook(document, ("push",), found.push)
    if found.mail is not None:
        _check_mail(document, found.mail, schema)
    if not (found.webhooks or found.push or found.mail):
        message = f"{where}: has no channel"
        raise UserError("channels.none", message, "give webhooks, push or mail")
    return found


def _check_webhook(
    document: Document[ChannelSettings], place: Location, one: WebhookSettings
) -> None:
    if why := why_not_address(one.url, ("https", "http")):
        raise _wrong(document, (*place, "url"), f"url: {why}", "such as https://app.example.org/in")
    for index, network in enumerate(one.allowed_networks):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            message = f"allowed_networks: {network!a} is not a network"
            spot = (*place, "allowed_networks", index)
            raise _wrong(document, spot, message, "such as 10.0.0.0/8") from None


def _check_mail(document: Document[ChannelSettings], mail: MailSettings, schema: Schema) -> None:
    if why := why_not_address(mail.unsubscribe, ("https",)):
        hint = "such as https://feed.example.org"
        raise _wrong(document, ("mail", "unsubscribe"), f"unsubscribe: {why}", hint)
    kinds = {field.name: field.kind for field in schema.attributes}
    if kinds.get(mail.address) is not FieldType.TEXT:
        declared = ", ".join(name for name, kind in kinds.items() if kind is FieldType.TEXT)
        message = f"address: customers have no attribute {mail.address} of type text"
        hint = f"declared are {declared or 'none'}"
        raise _wrong(document, ("mail", "address"), message, hint)
    if (mail.user is None) != (mail.password is None):
        raise _wrong(document, ("mail",), "a user and a password belong together", "give both")


def why_not_address(url: str, schemes: tuple[str, ...]) -> str | None:
    """Return why a text is no address of a web server, or None.

    Args:
        url: The text.
        schemes: The schemes that it may have.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address"
    if not re.fullmatch("[!-~]+", url):
        return "has characters that are not ASCII, or blanks"
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        return f"is not an address that begins with {' or '.join(f'{s}://' for s in schemes)}"
    if parts.username is not None or parts.password is not None:
        return "has a name or a password in it, which would be sent in the clear"
    return "has a part behind #, which is never sent" if "#" in url else None


def _wrong(
    document: Document[ChannelSettings], place: Location, message: str, hint: str
) -> UserError:
    line, column = document.position(place)
    return UserError("channels.value", f"{document.path}:{line}:{column}: {message}", hint)
