"""Measurements of a page: width, contrast, labels, and reachability by keyboard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

ACTIVE = "a[href], button, input:not([type=hidden]), select, textarea"
LEAST_CONTRAST = 4.5
"""WCAG 2.2 AA, for text of any size."""


def check(page: Page, widths: Sequence[int], pictures: Path, name: str, *, most_height: int = 10_000) -> None:
    """Check at each width, light and dark, that the page fits into its window and is legible, with a picture of each.

    Args:
        page: An open page. It is not loaded again: only its window and its colour scheme change.
        widths: In CSS pixels.
        pictures: Folder that gets the pictures.
        name: Begin of the pictures' names.
        most_height: Longer pages are cut off in the pictures, in CSS pixels.
    """
    for scheme in ("light", "dark"):
        # Without motion, because a button that fades from one colour to the other is not legible halfway.
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            picture = f"{name}-{width}-{scheme}.png"
            is_long = page.evaluate("document.documentElement.scrollHeight") > most_height
            clip = {"x": 0.0, "y": 0.0, "width": float(width), "height": float(most_height)} if is_long else None
            page.screenshot(path=pictures / picture, full_page=True, clip=clip)
            assert overflow(page) <= 0, picture
            assert (picture, cut_off(page)) == (picture, [])
            assert (picture, weak_texts(page)) == (picture, [])
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")


def overflow(page: Page) -> int:
    """Return the number of CSS pixels by which the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider


def cut_off(page: Page) -> list[str]:
    """Return the elements that extend beyond the window."""
    found: list[str] = page.evaluate(
        """() => [...document.body.querySelectorAll('*')].filter(e => { const box = e.getBoundingClientRect();
          return box.width && (box.left < -1 || box.right > document.documentElement.clientWidth + 1); })
          .map(e => `${e.tagName}.${e.className}`)"""
    )
    return found


def weak_texts(page: Page) -> list[Any]:
    """Return [tag, class, contrast] of visible texts with too little contrast to their background."""
    weak: list[Any] = page.evaluate(_CONTRASTS, LEAST_CONTRAST)
    return weak


def nameless_fields(page: Page) -> list[str]:
    """Return the fields without a label, and the links and buttons without words."""
    found: list[str] = page.evaluate(
        """active => [...document.querySelectorAll(active)].filter(e => {
          const words = e.labels ? [...e.labels].map(l => l.textContent).join('') : '';
          const own = e.matches('a, button') ? e.textContent : '';
          return !(words + own + (e.getAttribute('aria-label') || '')).trim(); })
          .map(e => e.outerHTML.slice(0, 120))""",
        ACTIVE,
    )
    return found


def unreached(page: Page) -> list[str]:
    """Return the visible links, buttons and fields that Tab does not reach or that show no focus."""
    count: int = page.evaluate(
        """active => { window.all = [...document.querySelectorAll(active)].filter(e => e.checkVisibility());
          window.seen = new Set(); return all.length; }""",
        ACTIVE,
    )
    # A time field takes up to three steps.
    for _ in range(count * 2 + 10):
        page.keyboard.press("Tab")
        left: int = page.evaluate(
            """() => { const e = document.activeElement; const style = getComputedStyle(e);
              if (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) seen.add(e);
              return all.filter(each => !seen.has(each)).length; }"""
        )
        if not left:
            break
    found: list[str] = page.evaluate("() => all.filter(e => !seen.has(e)).map(e => e.outerHTML.slice(0, 120))")
    return found


_CONTRASTS = """least => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length && c[3] !== 0) return c; } return canvas; };
  const weak = [];
  for (const e of document.body.querySelectorAll('*')) {
    const says = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!(says || e.matches('input, textarea, select')) || !e.checkVisibility() || e.matches('option')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < least) weak.push([e.tagName, e.className, ratio.toFixed(2)]);
  }
  return weak;
}"""
