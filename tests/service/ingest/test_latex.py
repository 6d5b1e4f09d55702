import sys
from types import FrameType

import pytest

from service.ingest.latex import formula_text, latex_text


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"Caf{\'{e}} na{\"\i}ve {\o} {\ss} \v{c} \c c\^ot\'e", "Café naïve ø ß č çôté"),
        (r"A \LaTeX{} Primer \& More", "A LaTeX Primer & More"),
        (r"\emph{In vivo} -- $\alpha$~cells", "In vivo – α\xa0cells"),
        (r"\input{/etc/passwd}Nothing", "Nothing"),
        ("50% of C# & more", "50% of C# & more"),
        (r"A {Costs \$5}", "A Costs $5"),
        (r"\texttt{a} \textsf{b} \mbox{c} \textup{d} \textmd{e} \verb|f| \unknown{g}", "a b c d e f g"),
        (r"{\textless}i{\textgreater} {\textbar} {\pounds} \copyright{} \S 5 {\textquotedbl}", '<i> | £ © §5 "'),
        (r"{\textbeta}-glucans, \textGamma, \textmu m, 5\,\textdegree C", "β-glucans, Γ, µm, 5 °C"),
        (r"lambda\({}^{\mbox{-2}}\) and $\mathrm{CO_2}$ and \ce{H2O}", "lambda-2 and CO2 and H2O"),
        (r"10$^{\circ}$C, $^{18}$O, $\rm H_2 O$, $x_{\rm max}$", "10°C, 18O, H2 O, xmax"),
        ("from $5 million in 2001 to $10 million, or US$3", "from $5 million in 2001 to $10 million, or US$3"),
        ("$5M, or US$ 6 and $n$ of $k$-means", "$5M, or US$ 6 and n of k-means"),
        (r"data\-base \href{http://a.example}{here} \url{b.example}\footnote{x}\cite{y}", "database here b.example"),
        (r"{\noopsort{a}}Moss \foreignlanguage{german}{Wand}", "Moss Wand"),
        (r"Trees$\backslash$nand$\backslash$r$\backslash$nwalls C$\backslash$:", r"Trees and  walls C\:"),
        ("unbalanced {brace and \\textit{more", "unbalanced brace and more"),
        ("a } b { c", "a  b  c"),
    ],
)  # fmt: skip
def test_latex_becomes_text(latex: str, text: str) -> None:
    """Accents, macros, formulas and bare special characters are decoded; no file is opened."""
    assert latex_text(latex) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"Norms $\ell_1$ and \(\alpha\) at 5% & more", "Norms ℓ1 and α at 5% & more"),
        ("From $5 to $10, in C:\\new {set}", "From $5 to $10, in C:\\new {set}"),
    ],
)
def test_formulas_in_plain_text(text: str, plain: str) -> None:
    """In plain text only formulas are LaTeX."""
    assert formula_text(text) == plain


@pytest.mark.parametrize("depth", [25, 40, 3000])
def test_braces_in_braces(depth: int) -> None:
    """A text with too deep nesting loses only its braces."""
    assert latex_text("{" * depth + "T" + "}" * depth) == "T"


def test_nesting_ends_before_the_stack_does() -> None:
    """Deep nesting does not use up Python's stack."""
    around = {r"\emph{": "}", r"\begin{a}": r"\end{a}", r"\sqrt[": "]{x}", "${": "}$"}
    nested = [opening * 2000 + "T" + closing * 2000 for opening, closing in around.items()]
    deepest = 0

    def watch(frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal deepest
        depth, caller = 0, frame.f_back
        while caller is not None and depth < 2000:
            depth, caller = depth + 1, caller.f_back
        deepest = max(deepest, depth)

    sys.setprofile(watch)
    try:
        texts = [latex_text(text) for text in nested]
    finally:
        sys.setprofile(None)

    assert all("T" in text for text in texts)
    assert deepest < sys.getrecursionlimit() // 2


@pytest.mark.parametrize(
    "part", ["$", "$a", r"\(", "{", r"\a{", "$_", r"\'", "a $1 b", "$$", r"\[x", "{{}", r"\c ", "\\"]
)
def test_time_is_linear(part: str) -> None:
    """No text of the longest allowed length takes long."""
    assert isinstance(latex_text(part * (50_000 // len(part))), str)
