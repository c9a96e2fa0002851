"""A file's text, with what must be the same again when it is written: encoding, line ending."""

from __future__ import annotations

import codecs

from meso_services.tool_executor.inside.opening import Refused

# Byte order mark, its name, and the encoding behind it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)
_ENDINGS = {"crlf": "\r\n", "cr": "\r"}


class Text:
    """Read by `Text.read`. `body` is the text without its byte order mark."""

    def __init__(self, body: str, mark: bytes, encoding: str, codec: str) -> None:
        self.body, self.encoding = body, encoding
        self._mark, self._codec = mark, codec
        self.line_ending = _ending(body)

    @classmethod
    def read(cls, raw: bytes) -> Text:
        """Decode a file. Bytes that are not valid come back as they were. Raises Refused."""
        for mark, name, codec in _MARKS:
            if raw.startswith(mark):
                return cls(_decoded(raw[len(mark) :], codec), mark, name, codec)
        if b"\0" in raw:
            raise Refused("not_text", "the file is binary; write it as a whole")
        return cls(_decoded(raw, "utf-8"), b"", "utf-8", "utf-8")

    def with_body(self, body: str) -> bytes:
        """The file's bytes with another text."""
        return self._mark + body.encode(self._codec, _errors(self._codec))

    def as_in_file(self, given: str) -> str:
        """`given` with the file's line ending, where the file has one."""
        ending = _ENDINGS.get(self.line_ending)
        return given if ending is None else given.replace("\r\n", "\n").replace("\n", ending)

    def line_of(self, position: int) -> int:
        """The number of the line of a character, from 1."""
        ending = "\r" if self.line_ending == "cr" else "\n"
        return self.body.count(ending, 0, position) + 1


def _decoded(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec, _errors(codec))
    except UnicodeDecodeError as error:
        raise Refused("not_text", f"the file is not valid {codec}: {error.reason}") from None


def _errors(codec: str) -> str:
    return "surrogateescape" if codec == "utf-8" else "strict"


def _ending(body: str) -> str:
    crlf = body.count("\r\n")
    found = {"crlf": crlf, "lf": body.count("\n") - crlf, "cr": body.count("\r") - crlf}
    kinds = [name for name, count in found.items() if count]
    return kinds[0] if len(kinds) == 1 else "mixed" if kinds else "none"


def shown(name: str) -> str:
    """A name for a message: quoted, without control characters."""
    return ascii(name)
