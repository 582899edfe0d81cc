"""Secrets of the environment and of addresses, kept out of every file, name and line we write. Imports no torch."""

import os
import re
import sys
from typing import Any, TextIO
from urllib.parse import quote

NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
SHORTEST = 6  # characters: a shorter value stands in every text
STARS = "***"
ADDRESS = re.compile(r"(\w://[^\s/:@'\"]*:|(?<![\w:.-])[A-Za-z_][\w.-]*:)(?!//)[^\s/:@'\"]+(?=@[\w.-]+)")
TYPED = re.compile(
    r"(?i)([\w.+-]*(?:key|token|secret|passw(?:or)?d|credential)s?=)(\"[^\"]*\"|'[^']*'|[^\s,;(){}'\"]+)"
)


def redact(value: Any) -> Any:
    """The same text, or nested values, with three stars wherever a secret stood."""
    return replace_secrets(value, secrets())


def secrets() -> list[str]:
    """Values of variables whose names say so, the longest first. A path that is there is none."""
    found = {text for name, text in os.environ.items() if NAME.search(name) and is_secret(text)}
    forms = {form for text in found for form in (text, " ".join(text.split()), quote(text, safe=""), repr(text)[1:-1])}
    return sorted(forms, key=len, reverse=True)


def is_secret(text: str) -> bool:
    return len(text) >= SHORTEST and "\0" not in text and not os.path.exists(text)


def replace_secrets(value: Any, known: list[str]) -> Any:
    if isinstance(value, dict):
        return {replace_secrets(key, known): entry(key, each, known) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_secrets(each, known) for each in value)
    if not isinstance(value, str):
        return value
    for secret in known:
        value = value.replace(secret, STARS)
    return TYPED.sub(rf"\1{STARS}", ADDRESS.sub(rf"\1{STARS}", value))


def entry(key: Any, value: Any, known: list[str]) -> Any:
    """A value whose key says what it is."""
    if isinstance(key, str) and isinstance(value, str) and NAME.search(key):
        return STARS
    return replace_secrets(value, known)


def refuse_secret(key: str, value: str) -> None:
    """What is written down as it is, since it is used again as it is: a path, what a network is built of."""
    if redact(value) != value:
        raise ValueError(f"{key}={value} holds a secret, and it would be written into records: choose another {key}")


class Redacted:
    """A stream that hides secrets in what anybody prints, and lets a run go on whose reader has gone (`| head`)."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            self.stream.write(redact(text))
        except BrokenPipeError:
            self.drop()
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            self.drop()

    def drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def redact_output() -> None:
    """Of this process from now on: tracebacks, warnings and the words of every library."""
    sys.stdout, sys.stderr = Redacted(sys.stdout), Redacted(sys.stderr)  # type: ignore[assignment]
