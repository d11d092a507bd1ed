"""Keyed pseudonyms of user ids, and the digests by which erased users are known again."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

MINIMUM_BYTES = 16


@dataclass(frozen=True, repr=False)
class Key:
    """The key of an HMAC-SHA-256. Its text form hides it, so that no log or plan can show it."""

    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) < MINIMUM_BYTES:
            raise ValueError(f"the key has {len(self.value)} bytes, expected at least {MINIMUM_BYTES}")

    def __repr__(self) -> str:
        return "Key(hidden)"

    @property
    def mark(self) -> str:
        """Sixteen digits that tell this key from another one, and nothing else of it."""
        return self._digest("key", "")[:16]

    def pseudonym(self, user_id: str) -> str:
        """What stands for the user inside the lake: 64 hexadecimal digits.

        >>> Key(b"sixteen bytes at least").pseudonym("u1")[:16]
        'fb8ceb0fdb9d09ca'
        """
        return self._digest("user", user_id)

    def erased(self, user_id: str) -> str:
        """The digest in the record of an erasure; nobody without the key can relate it to the pseudonym."""
        return self._digest("erased", user_id)

    def _digest(self, purpose: str, user_id: str) -> str:
        # The null character cannot be part of an id's text, so that no two pairs of purpose and id meet in one message.
        return hmac.digest(self.value, f"{purpose}\0{user_id}".encode(), "sha256").hex()
