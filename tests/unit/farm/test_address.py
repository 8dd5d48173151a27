import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.farm.address import Address, address_of, checked


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("tls://farm:9000", "tls://farm:9000"),
        ("farm", "tls://farm:8786"),
        ("farm:9000", "tls://farm:9000"),
        ("127.0.0.1:9000", "tcp://127.0.0.1:9000"),
        ("localhost", "tcp://localhost:8786"),
        ("tcp://[::1]:9000", "tcp://[::1]:9000"),
        ("tls://[fe80::1]", "tls://[fe80::1]:8786"),
        ("local:4", "local:4"),
    ],
)
def test_an_address_is_by_tls_unless_it_is_the_loopback(word: str, shown: str) -> None:
    assert str(address_of(word)) == shown


@pytest.mark.parametrize(
    "word", ["", "http://x", "a b", "x:99999", "local:", "local:0", "local:-1", "local:x", "ucx://x"]
)
def test_what_is_not_an_address(word: str) -> None:
    with pytest.raises(UserError):
        address_of(word)


@pytest.mark.parametrize(
    ("word", "loopback"),
    [("localhost", True), ("127.9.9.9", True), ("[::1]", True), ("10.0.0.1", False), ("localhost.evil", False)],
)
def test_what_cannot_be_reached_from_elsewhere(word: str, loopback: bool) -> None:
    assert address_of(word).loopback is loopback


def test_messages_beyond_the_loopback_are_from_those_with_a_certificate() -> None:
    with pytest.raises(UserError, match=r"could run programs on every worker.*--insecure"):
        checked(address_of("tcp://farm:1"), tls="", insecure=False)
    with pytest.raises(UserError, match=r"needs certificates.*--tls DIR"):
        checked(address_of("farm"), tls="", insecure=True)
    for word, tls, insecure in (("tcp://farm:1", "", True), ("farm", "d", False), ("127.0.0.1", "", False)):
        assert checked(address_of(word), tls=tls, insecure=insecure) == address_of(word)
    assert checked(Address(workers=2), tls="", insecure=False).local
