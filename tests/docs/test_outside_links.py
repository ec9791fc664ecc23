"""Links from the pages to other hosts still lead somewhere."""

from __future__ import annotations

import re
import urllib.request

import pytest
from code_blocks import PAGES

from real_data import REPOSITORY

_ADDRESS = re.compile(r"https?://[^\s)>\]\"'`|]+")
ADDRESSES = sorted(
    {
        address.rstrip(".,;:")
        for page in (*PAGES, REPOSITORY / "CHANGELOG.md")
        for address in _ADDRESS.findall(page.read_text(encoding="utf-8"))
    }
)


def test_addresses_are_found_and_none_is_plain():
    assert ADDRESSES
    assert [address for address in ADDRESSES if not address.startswith("https://")] == []


@pytest.mark.network
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_answers(address):
    asked = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.status == 200
