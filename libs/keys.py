"""API keys: which tenant a key belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import SecretStr


def read_keys(text: SecretStr) -> Mapping[bytes, str]:
    """Read `tenant=key,tenant=key` into tenants by the digest of their keys; maybe empty.

    Raises `ValueError` if it reads otherwise. Looking up a digest, the time an answer takes tells
    nothing about a key.
    """
    tenants: dict[bytes, str] = {}
    for pair in filter(None, (part.strip() for part in text.get_secret_value().split(","))):
        tenant, _, key = pair.partition("=")
        if not tenant or not key:
            raise ValueError("must be tenant=key, separated by commas")
        tenants[digest(key.encode())] = tenant
    return tenants


def digest(key: bytes) -> bytes:
    """Give what a key is looked up by."""
    return hashlib.sha256(key).digest()
