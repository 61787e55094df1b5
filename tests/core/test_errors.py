"""Messages: one line, and no secrets of addresses."""

from __future__ import annotations

import pytest

from clearer.core.errors import UserError, masked, one_line

MASKED = {
    "ftp://user:secret@host:21/a.zarr: none": "ftp://***@host:21/a.zarr: none",
    "s3://KEY:SEC/RET@b/a.zarr/0": "s3://***@b/a.zarr/0",
    "s3://KEY:a@b@c/a.png": "s3://***@c/a.png",
    "(url='https://h/a?sig=x/y:z&b=1'), again": "(url='https://h/a?***'), again",
    "https://h/a.png?t=10:05:00Z&sig=S: no such file": "https://h/a.png?***: no such file",
    "s3://b/a@2.png: none; check s3://b": "s3://b/a@2.png: none; check s3://b",
    "a@b:c?d=e: none": "a@b:c?d=e: none",
    "https://host:80/a.png: is it there? yes": "https://host:80/a.png: is it there? yes",
    "file:///home/a@b/c.png": "file:///home/a@b/c.png",
}


@pytest.mark.parametrize("text", MASKED)
def test_secrets_of_addresses_are_masked(text: str) -> None:
    assert masked(text) == str(UserError(text)) == one_line(OSError(text)) == MASKED[text]


def test_secrets_that_a_library_names_without_the_address_are_masked() -> None:
    error = ValueError("bad bucket KEY:SECRET@b, password SECRET, query sig=S1")
    said = one_line(error, "s3://KEY:SECRET@b/a.zarr")
    assert said == "bad bucket ***@b, password ***, query sig=S1"
    assert one_line(error, "https://h/a?sig=S1") == "bad bucket KEY:SECRET@b, password SECRET, query ***"


def test_a_long_message_is_not_cut_within_a_secret() -> None:
    assert "SEC" not in one_line(OSError("x" * 180 + " s3://KEY:SEC" + "RET" * 20 + "@b/a.zarr"))
