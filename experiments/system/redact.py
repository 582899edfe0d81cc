"""Secrets of the environment and of addresses, kept out of every file, name and line we write. Imports no torch."""

import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO, TypeVar
from urllib.parse import quote

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
Value = TypeVar("Value")
MIN_LENGTH = 6  # characters: a shorter value stands in every text
STARS = "***"
URL_CREDENTIALS = re.compile(r"(\w://[^\s/:@'\"]*:|(?<![\w:.-])[A-Za-z_][\w.-]*:)(?!//)[^\s/:@'\"]+(?=@[\w.-]+)")
SECRET_ASSIGNMENT = re.compile(
    r"(?i)([\w.+-]*(?:key|token|secret|passw(?:or)?d|credential)s?=)(\"[^\"]*\"|'[^']*'|[^\s,;(){}'\"]+)"
)


def redact(value: Value) -> Value:
    """The same text, or nested values, with three stars wherever a secret stood."""
    return replace_secrets(value, secrets())  # type: ignore[return-value] # of the same shape


def secrets() -> list[str]:
    """Values of variables whose names say so, the longest first. A path that is there is none."""
    values = {text for name, text in os.environ.items() if SECRET_NAME.search(name) and is_secret(text)}
    forms = {form for text in values for form in (text, " ".join(text.split()), quote(text, safe=""), repr(text)[1:-1])}
    return sorted(forms, key=len, reverse=True)


def is_secret(text: str) -> bool:
    return len(text) >= MIN_LENGTH and "\0" not in text and not os.path.exists(text)


def replace_secrets(value: object, secrets: list[str]) -> object:
    if isinstance(value, dict):
        return {replace_secrets(key, secrets): redact_entry(key, item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_secrets(item, secrets) for item in value)
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, STARS)
    return SECRET_ASSIGNMENT.sub(rf"\1{STARS}", URL_CREDENTIALS.sub(rf"\1{STARS}", value))


def redact_entry(key: object, value: object, secrets: list[str]) -> object:
    """A value whose key says what it is."""
    if isinstance(key, str) and isinstance(value, str) and SECRET_NAME.search(key):
        return STARS
    return replace_secrets(value, secrets)


def refuse_secret(key: str, value: str | None) -> None:
    """What is written down as it is, since it is used again as it is: a path, what a network is built of."""
    if value is not None and redact(value) != value:
        raise ValueError(f"{key}={value} holds a secret, and it would be written into records: choose another {key}")


class Redacted:
    """A stream that hides secrets in what anybody prints, and lets a run go on whose reader has gone (`| head`)."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            self.stream.write(redact(text))
        except BrokenPipeError:
            self.redirect_to_devnull()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            self.redirect_to_devnull()

    def redirect_to_devnull(self) -> None:
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, self.stream.fileno())
        os.close(null_device)

    def __getattr__(self, name: str) -> object:
        attribute: object = getattr(self.stream, name)
        return attribute


def redact_output() -> None:
    """Of this process from now on: tracebacks, warnings and the words of every library."""
    sys.stdout, sys.stderr = Redacted(sys.stdout), Redacted(sys.stderr)  # type: ignore[assignment]
