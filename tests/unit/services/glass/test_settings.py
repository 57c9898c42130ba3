from __future__ import annotations

import pytest
from pydantic import ValidationError

from libs.keys import read_keys
from services.glass.settings import Settings


def settings(**values: object) -> Settings:
    return Settings.model_validate({"DATABASE_URL": "postgresql://ttg:hidden@127.0.0.1/", **values})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_without_keys_it_listens_on_loopback(host: str) -> None:
    assert settings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])  # noqa: S104
def test_without_keys_it_does_not_listen_elsewhere(host: str) -> None:
    with pytest.raises(ValidationError, match="GLASS_API_KEYS must be set to listen on"):
        settings(host=host)


def test_without_keys_a_container_is_published_on_loopback_only() -> None:
    everywhere = "0.0.0.0"  # noqa: S104

    assert settings(host=everywhere, published_on="127.0.0.1").host == everywhere
    with pytest.raises(
        ValidationError, match=r"GLASS_API_KEYS must be set to listen on 192\.0\.2\.1"
    ):
        settings(host=everywhere, published_on="192.0.2.1")


def test_with_keys_it_listens_anywhere() -> None:
    chosen = settings(host="0.0.0.0", api_keys="default=one, acme=two,acme=three")  # noqa: S104

    assert list(read_keys(chosen.api_keys).values()) == ["default", "acme", "acme"]


@pytest.mark.parametrize("keys", ["secret", "=secret", "default="])
def test_a_key_without_its_tenant_is_refused(keys: str) -> None:
    with pytest.raises(ValidationError, match="must be tenant=key"):
        settings(api_keys=keys)


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(settings(api_keys="default=hidden"))
