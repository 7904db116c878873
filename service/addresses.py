"""Which addresses may be called in a tenant's name: global unicast, and nothing that only looks like it.

What is refused is listed rather than asked of ``ipaddress.is_global``, whose answers change with Python's release. The
lists are IANA's special-purpose registries (RFC 6890 and its updates), and one public address that only a cloud's own
machines reach. Of IPv6 only 2000::/3 is given out at all; so IPv4 in IPv6's clothes (mapped, NAT64, 6to4, Teredo) is
refused whatever it hides.
"""

import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]
"""The addresses of a name, as text. Raises OSError."""

REFUSED_4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # a carrier's own (CGNAT); Alibaba Cloud's metadata
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # Azure's own host, from its machines
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
GLOBAL_6 = IPv6Network("2000::/3")
REFUSED_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
NEVER = [
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
]
"""Not even for a host that is named in the settings."""
NEVER_6 = [IPv6Network("fe80::/10"), IPv6Network("ff00::/8"), IPv6Network("fd00:ec2::254/128")]
UNPRIVILEGED = 1024


class Forbidden(Exception):
    """A place that may not be called, and why, in words that tell nothing of what is there."""


def is_global(address: Address) -> bool:
    """Whether anybody on the internet may be there."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_4)
    return address in GLOBAL_6 and not any(address in network for network in REFUSED_6)


def is_private(address: Address) -> bool:
    """Whether a host that is named in the settings may have it: loopback and private ones, but no metadata."""
    if isinstance(address, IPv6Address):
        plain = address.ipv4_mapped
        return is_private(plain) if plain else not any(address in network for network in NEVER_6)
    return not any(address in network for network in NEVER)


def parsed(text: str) -> Address:
    """An address as a resolver writes it, its zone left off. Raises Forbidden."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        raise Forbidden("its address is none of the internet's") from None


def allowed(host: str, port: int, *, resolve: Resolve, private: Collection[str]) -> list[str]:
    """Every address of a host, resolved this once. Raises Forbidden if a single one of them may not be called."""
    try:
        found = [parsed(text) for text in resolve(host, port)]
    except (OSError, UnicodeError):
        raise Forbidden("its name has no address") from None
    judge = is_private if host in private else is_global
    if not found or not all(judge(address) for address in found):
        raise Forbidden("it has an address that may not be called")
    return [str(address) for address in dict.fromkeys(found)]


def of_the_system(host: str, port: int) -> list[str]:
    """What the system's resolver says; it also reads ``0x7f.1``, ``017700000001`` and ``2130706433`` as addresses."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def checked_url(url: str, private: Collection[str]) -> str:
    """The same URL. Raises Forbidden for one that could never be called; no name is looked up.

    HTTPS, a host, port 443 or one that needs no privilege, no name and password; on a host that is named in the
    settings also HTTP and any port.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        raise Forbidden("it is no URL") from None
    if not host or parts.username is not None or parts.password is not None or parts.fragment or "\\" in url:
        raise Forbidden("it needs a host, and neither a name, nor a password, nor a fragment")
    if host in private:
        if parts.scheme not in ("http", "https"):
            raise Forbidden("it is neither https nor http")
        return url
    if parts.scheme != "https":
        raise Forbidden("it is not https")
    if port is not None and port != 443 and port < UNPRIVILEGED:
        raise Forbidden("its port is neither 443 nor 1024 or more")
    literal = _literal(host)
    if literal is not None and not is_global(literal):
        raise Forbidden("its address may not be called")
    return url


def _literal(host: str) -> Address | None:
    """The address that a host is written as, in any notation that a resolver would read; None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
