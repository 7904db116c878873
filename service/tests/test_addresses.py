"""Which addresses may be called: a corpus of those that may not, in every notation that a resolver reads, counted."""

import pytest

from service.addresses import Forbidden, allowed, checked_url, is_global, of_the_system, parsed

REFUSED = {
    "loopback": ["127.0.0.1", "127.8.9.1", "localhost", "::1", "0.0.0.0", "::", "0"],
    "loopback, otherwise written": ["2130706433", "0x7f000001", "017700000001", "0x7f.1", "127.1", "0177.0.0.1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "3232235777", "0xc0a80101"],
    "link-local and metadata": ["169.254.169.254", "2852039166", "0xa9fea9fe", "fe80::1", "fe80::1%lo"],
    "a cloud's own": ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
    "a carrier's own": ["100.64.0.1", "100.127.255.254"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:8.8.8.8"],
    "NAT64, 6to4, Teredo": ["64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::"],
    "one's own of IPv6": ["fc00::1", "fd12:3456::1", "fec0::1"],
    "nobody's": ["192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "2001:db8::1", "3fff::1", "5f00::1"],
    "many, or none": ["224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"],
}
CORPUS = [(kind, host) for kind, hosts in REFUSED.items() for host in hosts]
GLOBAL = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]


def bracketed(host: str) -> str:
    """As a URL has it."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def test_the_corpus_is_as_long_as_it_says() -> None:
    """Fifty-five hosts of eleven kinds, none twice."""
    assert (len(CORPUS), len(REFUSED), len({host for _, host in CORPUS})) == (55, 11, 55)


@pytest.mark.parametrize(("kind", "host"), CORPUS)
def test_what_is_not_global_is_refused(kind: str, host: str) -> None:
    """Whatever the notation: the system's own resolver reads it, and no address of the answer may be called."""
    with pytest.raises(Forbidden):
        allowed(host, 443, resolve=of_the_system, private=[])


@pytest.mark.parametrize(("kind", "host"), [(kind, host) for kind, host in CORPUS if host != "localhost"])
def test_and_already_when_it_is_written_down(kind: str, host: str) -> None:
    """A literal address is refused before anything is looked up; a name only when it is called."""
    with pytest.raises(Forbidden):
        checked_url(f"https://{bracketed(host)}/hook", [])


@pytest.mark.parametrize("host", GLOBAL)
def test_what_is_global_is_not(host: str) -> None:
    """The neighbours of what is refused, too."""
    assert is_global(parsed(host))
    assert allowed(host, 443, resolve=of_the_system, private=[]) == [host]
    assert checked_url(f"https://{bracketed(host)}:8443/hook", [])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://example.com:22/",
        "https://example.com:65536/",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://example.com/#there",
        "https://example.com\\@127.0.0.1/",
        "https://[::1/",
        "//example.com/",
        "",
    ],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    """HTTPS, a host, a port of the web's; nothing that two parsers could read differently."""
    with pytest.raises(Forbidden):
        checked_url(url, [])


def test_one_bad_address_among_good_ones_is_enough() -> None:
    """A name that has a public and a private address is called at neither."""
    with pytest.raises(Forbidden):
        allowed("mixed.example", 443, resolve=lambda *_: ["8.8.8.8", "10.0.0.1"], private=[])


@pytest.mark.parametrize("answer", [[], ["nonsense"]])
def test_a_resolver_that_says_nothing_of_use(answer: list[str]) -> None:
    """No address, or none that is one."""
    with pytest.raises(Forbidden):
        allowed("odd.example", 443, resolve=lambda *_: answer, private=[])


def test_a_host_that_is_named_has_no_metadata() -> None:
    """A name of one's own that somebody points there is refused all the same."""
    for address in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(Forbidden):
            allowed("intern", 80, resolve=lambda *_, a=address: [a], private=["intern"])
    assert allowed("intern", 80, resolve=lambda *_: ["10.1.2.3"], private=["intern"]) == ["10.1.2.3"]
