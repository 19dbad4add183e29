"""Colours of the page, by formulas from elsewhere: WCAG 2.1's contrast, and Machado, Oliveira and Fernandes (2009) for
people who do not see red or green as others do (severity 1)."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from modelyard.board import app

CSS = (Path(app.__file__).parent / "static" / "board.css").read_text("utf-8")
THEMES = {
    "light": re.search(r":root \{(.*?)\n\}", CSS, re.DOTALL)[1],
    "dark": re.search(r'"dark"\] \{(.*?)\n\}', CSS, re.DOTALL)[1],
}
SEEN_AS = {
    "without red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "without green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
TEXT_CONTRAST, GRAPH_CONTRAST = 4.5, 3.0
FIRST = 4
"""So many lines are in most graphs."""
APART = 20.0
"""CIE 1976 distance that is seen at a glance; 2.3 is what can just be noticed."""


def tokens(theme):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", THEMES[theme]))


def linear(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour, matrix):
    rgb = linear(colour)
    red, green, blue = (min(max(sum(m * c for m, c in zip(row, rgb, strict=True)), 0), 1) for row in matrix)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def distance(one, other, matrix):
    return sum((a - b) ** 2 for a, b in zip(lab(one, matrix), lab(other, matrix), strict=True)) ** 0.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ink", ["ink", "soft", "good", "warn", "bad", "purpose", "link"])
def test_words_can_be_read_on_cards_and_on_the_page(theme, ink):
    held = tokens(theme)
    assert min(contrast(held[ink], held[ground]) for ground in ("card", "page")) >= TEXT_CONTRAST


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("mood", ["good", "warn", "bad", "purpose"])
def test_words_in_pills_can_be_read(theme, mood):
    held = tokens(theme)
    assert contrast(held[mood], held[f"{mood}-back"]) >= TEXT_CONTRAST


@pytest.mark.parametrize("theme", THEMES)
def test_every_line_stands_out_from_the_card(theme):
    held = tokens(theme)
    assert min(contrast(held[f"s{number}"], held["card"]) for number in range(8)) >= GRAPH_CONTRAST


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("seen_as", SEEN_AS)
def test_the_first_lines_are_told_apart_without_red_or_without_green(theme, seen_as):
    held, matrix = tokens(theme), SEEN_AS[seen_as]
    pairs = combinations([held[f"s{number}"] for number in range(FIRST)], 2)
    assert min(distance(one, other, matrix) for one, other in pairs) >= APART


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("seen_as", SEEN_AS)
def test_good_warned_and_bad_stretches_are_told_apart_without_red_or_without_green(theme, seen_as):
    held, matrix = tokens(theme), SEEN_AS[seen_as]
    pairs = combinations([held[f"state-{mood}"] for mood in ("good", "warn", "bad")], 2)
    assert min(distance(one, other, matrix) for one, other in pairs) >= APART
