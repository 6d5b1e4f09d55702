import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ingest.markup import text_blocks
from service.ingest.papers import plain_text

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>One</p><p>Two<br/>three</p>", "One Two three"),
        ("CO<sub>2</sub> &amp; <i class='x'>E. coli</i>\n x", "CO2 & E. coli x"),
        ("for p < 0.05 and q > 0.1", "for p < 0.05 and q > 0.1"),
        ("if a<b and b>c, and vector<int>", "if a<b and b>c, and vector<int>"),
        ("n&lt;m of <foo bar='1'>x</foo>", "n<m of x"),
        ("tab\tand\x0bbell\x07 soft\xadhyphen", "tab and bell softhyphen"),
        ("&lt;i&gt;in vivo&lt;/i&gt; at 5&amp;nbsp;K", "in vivo at 5 K"),
        ("caf&eacute; &#945; &Omega;", "café α Ω"),
        ("a<!-- hidden <b>text</b> -->b <script>alert(1)</script>c", "ab c"),
        ("<![CDATA[<p>One]]>", "One]]>"),
        (f"Glow of {MATH.format('<mrow><msub><mi>CO</mi> <mn>2</mn></msub></mrow>')} ice", "Glow of CO2 ice"),
        (MATH.format("<mfrac><mn>1</mn><mrow><mn>2</mn><mi>x</mi></mrow></mfrac>") + " of it", "1/2x of it"),
        (MATH.format("<semantics><mi>E</mi><annotation encoding='TeX'>E</annotation></semantics>"), "E"),
        ("at <alternatives><mml:math><mml:mi>x</mml:mi></mml:math><tex-math>$x$</tex-math></alternatives>.", "at x."),
        (r"<tex-math>\documentclass{a}\begin{document}$x$\end{document}</tex-math>", "$x$"),
        (
            "D<sc>ata</sc> of <italic>Bryum</italic> <sec><title>Aims</title>Aims are.</sec>",
            "Data of Bryum Aims Aims are.",
        ),
        (
            "<jats:sec><jats:title>Aims</jats:title><jats:p>We <jats:italic>aim</jats:italic>.</jats:p></jats:sec>",
            "Aims We aim.",
        ),
    ],
)
def test_markup_becomes_text(text: str, expected: str) -> None:
    """HTML, MathML, JATS and entities are removed, also if escaped twice; comparisons stay."""
    assert plain_text(text) == expected


def test_blocks_are_kept_apart() -> None:
    """Paragraphs are returned one by one."""
    assert text_blocks("<h2>ABSTRACT</h2><p>We <b>aim</b>.<br>And hit.</p>") == ["ABSTRACT", "We aim.", "And hit."]


@given(st.text(alphabet="ab <>/=\"'&;!-[]mpi", max_size=200))
def test_any_text_is_read(text: str) -> None:
    """Any text gives one line."""
    assert "\n" not in plain_text(text)


@given(st.text(alphabet=st.characters(exclude_characters="<&", exclude_categories=["Cc", "Cs"]), max_size=80))
def test_text_without_markup_stays(text: str) -> None:
    """A text without markup keeps all its words."""
    assert plain_text(text).split() == text.replace("\xad", "").replace("\u200b", "").replace("\ufeff", "").split()


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<!--", "<a b=", "<![CDATA[", "&", "&lt;", "<mfrac>", "<math><mi>", "</a>", "<!x"]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """As much text as is read takes a second or so, whatever it consists of."""
    began = time.perf_counter()
    plain_text(piece * 100_000)
    assert time.perf_counter() - began < 5
