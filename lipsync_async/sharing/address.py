"""Which store an address means, and whose limits are kept there.

`file:/run/lipsync`, `redis://host:6379/0`, `rediss://...`, `unix:///run/redis.sock`.
The account is the gateway and the key: processes with another key share nothing with these.
Of the key only a hash of 6 bytes is in the store; where a function gives the key, or many keys are one account, the
account has a name of its own: `?account=NAME` at the end of the address.
"""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import Gateway
from lipsync_async.wire.credential import ApiKey, account_of

from .protocol import SharedLimits

_FORM = (
    "write it as redis://:PASSWORD@host:6379/0, with the odd characters of a password as in URLs (%2F for /, %40 for @)"
)
_REDIS = frozenset({"redis", "rediss", "unix", "valkey", "valkeys"})


def account_name(gateway: Gateway, key: ApiKey) -> str:
    """Stands for an account at a gateway; it does not give the key away."""
    home = urlsplit(gateway.base_url).netloc
    if not isinstance(key, str):
        return f"{home}:default"
    return f"{home}:{blake2b(account_of(key).encode(), digest_size=6, person=b'lipsync limits').hexdigest()}"


def store_at(address: str, gateway: Gateway, key: ApiKey) -> SharedLimits:
    """The store of an address; nothing is opened yet. Raises `ConfigurationError` for one that means none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:  # its text may hold a part of the password
        raise _unusable(address, _FORM) from None
    options = dict(parse_qsl(parts.query))
    name = options.pop("account", None)
    account = f"{urlsplit(gateway.base_url).netloc}:={name}" if name else account_name(gateway, key)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path or options:
            raise _unusable(address, "write it as file:/run/lipsync")
        from .file import FileLimits

        return FileLimits(unquote(parts.path), account)
    if parts.scheme in _REDIS:
        return _redis(urlunsplit(parts._replace(query=urlencode(options))), account)
    near = f"write file:{address}" if address.startswith("/") else "it begins with file: or redis://"
    raise _unusable(address, near)


def _redis(url: str, account: str) -> SharedLimits:
    try:
        from .redis import RedisLimits
    except ImportError as error:
        raise ConfigurationError("shared= in Redis needs a package: pip install 'lipsync-async[redis]'") from error
    try:
        return RedisLimits(url, account)
    except ValueError:
        raise _unusable(url, _FORM) from None


def _unusable(address: str, why: str) -> ConfigurationError:
    # It may hold a password, so no more of it is shown than its beginning.
    scheme, colon, rest = address.partition(":")
    shown = f"{scheme[:20]}:..." if colon and rest else repr(address[:80])
    return ConfigurationError(f"shared={shown} is no store of limits: {why}")
