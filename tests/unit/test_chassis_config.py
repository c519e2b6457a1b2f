"""Reads of the configuration: a bad value is refused by name."""

import pytest
from nameko import config as settings
from nameko.containers import ServiceContainer
from nameko.exceptions import ConfigurationError
from nameko.testing.services import dummy

from chassis import config


def test_dots_go_down_into_mappings():
    settings["HTTP_PORTS"] = {"user_svc": 7070}
    assert config.required("HTTP_PORTS.user_svc") == 7070


@pytest.mark.parametrize("key", ["NOT_THERE", "HTTP_PORTS.link_svc", "HTTP_PORTS.user_svc.deeper"])
def test_a_missing_key_is_named(key):
    settings["HTTP_PORTS"] = {"user_svc": 7070}
    with pytest.raises(ConfigurationError, match=key):
        config.required(key)


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_value_is_named_or_replaced(nothing):
    settings["CLIENT_ID"] = nothing
    with pytest.raises(ConfigurationError, match="CLIENT_ID"):
        config.text("CLIENT_ID")
    assert config.optional("CLIENT_ID", "default") == "default"


def test_false_is_a_value():
    settings["SET_TIMEOUTS"] = False
    assert config.optional("SET_TIMEOUTS", True) is False


@pytest.mark.parametrize("wrong", ["many", [], True, 0, -1, "-2", float("inf"), float("nan")])
def test_a_number_above_zero_is_demanded(wrong):
    settings["SECONDS"] = wrong
    with pytest.raises(ConfigurationError, match="SECONDS"):
        config.positive("SECONDS")


def test_numbers_may_be_written_as_text():
    settings["SECONDS"] = "1.5"
    assert config.positive("SECONDS") == 1.5
    with pytest.raises(ConfigurationError, match="whole"):
        config.positive_integer("SECONDS")
    settings["SECONDS"] = "3"
    assert config.positive_integer("SECONDS") == 3


@pytest.mark.parametrize("wrong", [0, 9, 101, 10.5, "many"])
def test_a_number_may_have_to_be_in_a_range(wrong):
    settings["SIZE"] = wrong
    with pytest.raises(ConfigurationError, match="SIZE must be"):
        config.integer("SIZE", 10, 100)
    for right in (10, 100):
        settings["SIZE"] = right
        assert config.integer("SIZE", 10, 100) == right


@pytest.mark.parametrize(
    "wrong", ["nats", "nats://", "nats://a:port", "http://a", "nats://a,b", "nats://:1"]
)
def test_addresses_are_checked_and_not_shown(wrong):
    settings["SERVERS"] = wrong
    with pytest.raises(ConfigurationError, match="SERVERS must be like nats://host:port"):
        config.servers("SERVERS", "nats", "tls")


def test_several_addresses_may_be_given():
    settings["SERVERS"] = "nats://user:password@a:1, tls://b"
    assert config.servers("SERVERS", "nats", "tls") == settings["SERVERS"]


def test_a_port_a_truth_and_a_choice_are_checked():
    settings.update({"PORT": 65536, "WANTED": "maybe", "COLOUR": "green"})
    with pytest.raises(ConfigurationError, match="PORT"):
        config.port("PORT")
    with pytest.raises(ConfigurationError, match="WANTED"):
        config.boolean("WANTED", default=False)
    with pytest.raises(ConfigurationError, match="COLOUR must be red or blue, not 'green'"):
        config.one_of("COLOUR", "red", "blue")


class Service:
    name = "settings_svc"
    days = config.positive_int("TOKEN_DAYS")

    @dummy
    def do(self):
        """Make this a service."""


def test_a_setting_is_checked_before_the_service_starts():
    settings["TOKEN_DAYS"] = 0
    container = ServiceContainer(Service)
    with pytest.raises(ConfigurationError, match="TOKEN_DAYS"):
        container.start()


def test_a_setting_is_injected():
    settings["TOKEN_DAYS"] = 30
    container = ServiceContainer(Service)
    container.start()
    (setting,) = container.dependencies
    assert setting.get_dependency(None) == 30
    container.stop()
