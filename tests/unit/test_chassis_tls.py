"""TLS by configuration: what is wrong stops the start, with the key's name."""

import ssl
from pathlib import Path

import pytest
from nameko import config
from nameko.exceptions import ConfigurationError

from chassis.tls import Tls
from tests.certificates import Authority

CA, CERT, KEY = "X_CA_FILE", "X_CERT_FILE", "X_KEY_FILE"


@pytest.fixture(autouse=True)
def good(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    shown = authority.issue("own", "localhost")
    config.update({CA: authority.ca, CERT: shown.cert, KEY: shown.key})


@pytest.mark.parametrize("server", [True, False])
def test_context_demands_certificates_and_a_present_version(server: bool) -> None:
    tls = Tls(CA, CERT, KEY, server=server)
    context = tls.context()
    assert tls
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is not server
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("key", [CA, CERT, KEY])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_wrong_file_is_named(key: str, content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "wrong"
    if content is not None:
        path.write_text(content)
    config[key] = str(path)
    with pytest.raises(ConfigurationError, match=key) as refused:
        Tls(CA, CERT, KEY)
    assert str(path) in str(refused.value)


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    config[KEY] = Authority(tmp_path, "theirs").issue("other", "localhost").key
    with pytest.raises(ConfigurationError, match=f"{CERT} and {KEY}.*MISMATCH"):
        Tls(CA, CERT, KEY)


@pytest.mark.parametrize(("missing", "server"), [(CERT, False), (KEY, False), (CERT, True)])
def test_half_of_what_is_needed_is_refused(missing: str, server: bool) -> None:
    config[missing] = ""
    if server:
        config[KEY] = ""  # what remains is whom to trust
    with pytest.raises(ConfigurationError, match=f"{missing} is empty"):
        Tls(CA, CERT, KEY, server=server)


def test_no_file_is_no_tls() -> None:
    config.update({CA: "", CERT: "", KEY: ""})
    assert not Tls(CA, CERT, KEY)
    assert not Tls(CA, CERT, KEY, server=True)


def test_files_are_read_again_when_they_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Tls(CA, CERT, KEY)
    first = tls.context()
    assert tls.context() is first
    Authority(tmp_path, "ours").issue("own", "localhost")
    second = tls.context()
    assert second is not first
    Path(config[CERT]).write_text("half")
    assert tls.context() is second
    assert tls.context() is second
    assert len(caplog.messages) == 1
