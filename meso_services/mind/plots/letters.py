"""Letters as strokes, so that a PNG needs no font: capitals and small capitals, figures, signs.

A letter is a number of strokes on a grid 4 wide and 6 high; a stroke is a row of points, each of
two digits, x from the left and y from the base line upwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

WIDE, HIGH, STEP = 4, 6, 5.6
_STROKES = {
    "A": "002640 1232",
    "B": "00063645443303 3342413000",
    "C": "4536160501103041",
    "D": "00062645412000",
    "E": "46060040 0333",
    "F": "4606 0600 0333",
    "G": "453616050110304143 4323",
    "H": "0006 4046 0343",
    "I": "1030 2026 1636",
    "J": "1646 3631201001",
    "K": "0006 4602 1340",
    "L": "060040",
    "M": "0006234640",
    "N": "00064046",
    "O": "1636454130100105 0516",
    "P": "00063645443303",
    "Q": "1636454130100105 0516 2240",
    "R": "00063645443303 2340",
    "S": "453616050413334241301001",
    "T": "0646 2620",
    "U": "060110304146",
    "V": "062046",
    "W": "0610233046",
    "X": "0046 0640",
    "Y": "062346 2320",
    "Z": "06460040",
    "0": "1636454130100105 0516 0145",
    "1": "152620 1030",
    "2": "05163645440040",
    "3": "0516364544334241301001 1333",
    "4": "30360242",
    "5": "460604344341301001",
    "6": "45361605011030414233 3303",
    "7": "064610",
    "8": "163645443313040516 1302011030414233",
    "9": "4313040516364541301001",
    ".": "2021",
    ",": "2110",
    ":": "2122 2425",
    ";": "2110 2425",
    "-": "1333",
    "+": "1333 2224",
    "_": "0040",
    "/": "0046",
    "(": "36252130",
    ")": "16252110",
    "[": "36262030",
    "]": "16262010",
    "=": "1232 1434",
    "%": "0046 0506161505 3130404131",
    "'": "2624",
    '"': "1614 3634",
    "!": "2622 2021",
    "?": "05163645442322 2021",
    "*": "2224 1432 1234",
    "#": "1016 3036 0242 0444",
    "<": "450341",
    ">": "054301",
    "&": "40041526241301102042",
    "|": "2026",
    "~": "02133243",
}
_UNKNOWN = "0006464000"


def strokes(words: str, size: float) -> Iterator[list[tuple[float, float]]]:
    """Lines through points, from (0, 0) at the left end of the base line, y downwards."""
    at = 0.0
    for character in _plain(words):
        # Small letters are capitals of three quarters of the height.
        scale = size / (HIGH + 2) * (0.78 if character.islower() else 1)
        code = _STROKES.get(character.upper(), "" if character == " " else _UNKNOWN)
        for stroke in code.split():
            digits = [int(x) for x in stroke]
            pairs = zip(digits[::2], digits[1::2], strict=False)
            yield [(at + x * scale, -y * scale) for x, y in pairs]
        at += STEP * scale if character != " " else STEP * size / (HIGH + 2) * 0.7


def width(words: str, size: float) -> float:
    """How wide the words are."""
    unit = size / (HIGH + 2) * STEP
    return sum(unit * (0.7 if c == " " else 0.78 if c.islower() else 1) for c in _plain(words))


def _plain(words: str) -> str:
    """Letters without their accents: a picture's words are names and the beginnings of texts."""
    parts = unicodedata.normalize("NFKD", words.replace("…", "..."))
    return "".join(c for c in parts if not unicodedata.combining(c))
