"""A channel that sends mail through a server, with a header to switch it off by one click.

The subject comes from rules and bank data. `EmailMessage` refuses line breaks in a header, but it
decodes what looks like an encoded word, which may hide one. So none is left in a subject, and no
text can add a header or a recipient.
"""

import contextlib
import datetime
import hashlib
import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Any, Final

from tuppence.adapters.channels.settings import MailSettings
from tuppence.errors import UserError
from tuppence.feed.news import ChannelRule
from tuppence.plain_text import printable
from tuppence.structured import read_secret
from tuppence.usecases.build_feed import FeedItem
from tuppence.usecases.delivery_ports import UNSUBSCRIBE_PATH, DeliveryError, Letter

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_HEADERS: Final = HeaderRegistry()


class Mail:
    """A mail server. Implements the port Channel; threads may share it.

    Args:
        settings: The server, the sender, and limits.

    Raises:
        UserError: The sender is no address, a file cannot be read, or a server elsewhere would be
            used without TLS.
    """

    rule: Final = ChannelRule("mail", personal=True)

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._sender = _sender(settings.sender)
        self._login: tuple[str, str] | None = None
        if settings.user is not None and settings.password is not None:
            self._login = settings.user, read_secret(settings.password)
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca)
        except OSError as error:
            message = f"{settings.ca}: contains no certificates ({error.strerror or error})"
            raise UserError("tls.files", message, "give certificates in PEM") from None
        if settings.tls == "none" and not _is_loopback(settings.server):
            message = f"mail: {settings.server} is another machine, and tls is none"
            hint = "with tls: none, give 127.0.0.1 as the server"
            raise UserError("channels.tls", message, hint)

    def send(self, letter: Letter) -> None:
        """Send a delivery."""
        message = mail_of(letter, self._sender, self._settings.unsubscribe)
        try:
            with self._connection() as server:
                server.send_message(message, self._sender.addr_spec, [_recipient(letter).addr_spec])
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
            raise _refused("the recipient", code) from None
        except smtplib.SMTPAuthenticationError as error:
            message_ = f"the mail server refused the login ({error.smtp_code})"
            raise DeliveryError(message_) from None
        except smtplib.SMTPResponseException as error:
            raise _refused("the message", error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            reason = f"the mail server could not be used ({type(error).__name__})"
            raise DeliveryError(reason) from None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        one = self._settings
        timeout = float(one.seconds)
        if one.tls == "immediate":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                one.server, one.port, timeout=timeout, context=self._tls
            )
        else:
            server = smtplib.SMTP(one.server, one.port, timeout=timeout)
        try:
            if one.tls == "starttls":
                server.starttls(context=self._tls)
            if self._login is not None:
                server.login(*self._login)
            yield server
        finally:  # not by `with`: an odd answer to QUIT would look as if the mail were refused
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()


def mail_of(letter: Letter, sender: Address, unsubscribe: str) -> EmailMessage:
    """Return a delivery as a mail, in plain text and in simple HTML.

    Args:
        letter: The delivery.
        sender: The address that it comes from.
        unsubscribe: Address of the feed service from outside.

    Raises:
        DeliveryError: The person has no address, or one that mail cannot be sent to.
    """
    link = f"{unsubscribe.rstrip('/')}{UNSUBSCRIBE_PATH}{letter.id}"
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = _recipient(letter)
    message["Subject"] = _line(_subject(letter)).replace("=?", "= ?")
    message["Date"] = format_datetime(_EPOCH + datetime.timedelta(milliseconds=letter.now))
    # Mail servers log it, and the identifier itself switches mail off.
    name = hashlib.sha256(letter.id.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{name}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(_plain(letter, link))
    message.add_alternative(_html(letter, link), subtype="html")
    return message


def _subject(letter: Letter) -> str:
    first, *others = letter.items
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.message.title}{more}"


def _line(text: str) -> str:
    """Return a text on one line, without characters that cannot be seen."""
    return printable(" ".join(text.split()), keep="")


def _plain(letter: Letter, link: str) -> str:
    parts = ["\n".join(_lines(one)) for one in letter.items]
    return "\n\n".join([*parts, f"The numbers are as of {letter.as_of}.", _stop(link)]) + "\n"


def _html(letter: Letter, link: str) -> str:
    parts = []
    for one in letter.items:
        title, *rest = map(escape, _lines(one))
        parts.append(f"<h2>{title}</h2>" + "".join(f"<p>{line}</p>" for line in rest))
    parts.append(f"<p>The numbers are as of {letter.as_of}.</p>")
    parts.append(f'<p><a href="{escape(link)}">Stop these mails</a></p>')
    return '<!doctype html><html lang="en"><body>' + "\n".join(parts) + "</body></html>\n"


def _lines(one: FeedItem) -> Iterator[str]:
    """Yield the title of an insight, and the lines below it."""
    rule, message = one.candidate.rule, one.message
    yield _line(message.title)
    yield _line(message.body)
    if rule.offer is not None:
        yield _line(f"{rule.offer.partner}: {rule.offer.terms}")
    if rule.promotes:
        yield "This is an advertisement."
        if rule.approval is not None:
            yield _line(f"Financial promotion, approved by {rule.approval.by}.")
    action = rule.feed_settings.action
    if action is not None and action.link.startswith("https://"):  # others are inside the app
        yield _line(f"{action.label}: {action.link}")


def _stop(link: str) -> str:
    return f"Stop these mails: {link}"


def _sender(text: str) -> Address:
    """Return the address that mail comes from.

    Raises:
        UserError: It is no address.
    """
    with contextlib.suppress(HeaderParseError, ValueError, IndexError):
        header: Any = _HEADERS("From", text)
        if not header.defects and text.isascii():
            (found,) = header.addresses
            if isinstance(found, Address) and found.username and found.domain:
                return found
    message = f"mail: {text!a} is not an address that mail can come from"
    raise UserError("channels.sender", message, "such as Your Bank <insights@example.org>")


def _recipient(letter: Letter) -> Address:
    """Return the address of a person.

    Raises:
        DeliveryError: They have none, or one that mail cannot be sent to.
    """
    if letter.address is None:
        raise DeliveryError("the person has no address", final=True, about_person=True)
    with contextlib.suppress(HeaderParseError, ValueError, IndexError):
        if letter.address.isascii():
            found = Address(addr_spec=letter.address)
            if found.username and found.domain:
                return found
    reason = "the person's address is not one that mail can be sent to"
    raise DeliveryError(reason, final=True, about_person=True)


def _refused(what: str, code: int) -> DeliveryError:
    return DeliveryError(f"the mail server refused {what} ({code})", final=code >= 500)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
