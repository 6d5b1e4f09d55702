"""Libraries with one bad entry among good ones, in the many forms that tools and people write."""

from dataclasses import dataclass

from hypothesis import strategies as st

WORDS = ("moss", "wall", "lichen", "clock", "rain", "dust", "ice", "sand", "wind", "tide", "river", "moon")


@dataclass(frozen=True)
class Mixed:
    """A library in one format.

    Attributes:
        titles: Titles of the good entries.
        bad_line: First line of the bad entry.
    """

    text: str
    titles: tuple[str, ...]
    bad_line: int


@st.composite
def titles(draw: st.DrawFn) -> tuple[str, ...]:
    """Return two to five different titles of four words or more."""
    chosen = draw(st.lists(st.lists(st.sampled_from(WORDS), min_size=3, max_size=6), min_size=2, max_size=5))
    return tuple(f"Paper{chr(ord('a') + index)} {' '.join(words)}" for index, words in enumerate(chosen))


# {n} is a number that makes keys differ. Each of them is one entry, or less.
BAD_BIBTEX = (
    "@article{{b{n}, title = {{No end of this entry}}, year = {{2000}}",
    "@article{{b{n},\n  title = {{An inner {{brace}},\n  year = {{2000}}\n}}",
    "@article{{b{n},\n  title = {{Two inner {{{{braces}},\n  year = {{2000}}\n}}",
    "@article{{b{n}, title = {{A brace}} too many}}, year = {{2000}}}}",
    '@article{{b{n}, title = "A "quote" inside", year = {{2000}}}}',
    '@article{{b{n},\n  title = "No end of this quote,\n  year = {{2000}}\n}}',
    '@article{{b{n},\n  title = "Of two kinds}},\n  year = {{2000}}\n}}',
    "@article{{b{n}, title {{No sign}}, year = {{2000}}}}",
    "@article{{b{n}, title: {{A colon}}, year: {{2000}}}}",
    "@article{{\n  author = {{Orr, Ben}}, year = {{2000}}\n}}",
    "@article{{B {n}\n  title = {{No comma behind the key}}, year = {{2000}}\n}}",
    "@book{{b{n}, booktitle = {{No title}}, year = 2000}}",
    "@misc{{b{n}}}",
    "@misc{{b{n},",
    "@article{{",
    "@article(b{n}, title = {{Never closed}}",
    "@string{{s{n} = }}",
    '@string{{s{n} = "open',
    "@comment{{ an open {{ brace",
    "@comment{{@article{{b{n}, title = {{Left out}}}}}}",
    "%@article{{b{n}, title = {{Left out}}}}",
    '@preamble{{ "\\newcommand{{\\x}}[1]{{#1}}" }}',
    'Some prose (with me@home.example, {{braces}} and "quotes) and a }} brace',
    '<td class="a">@ {{x}} &copy; </td>',
    "@article{{b{n}, title = {{{{{{ }}}}}}, author = {{ }} # # undefined, , ,}}",
    "@set{{b{n}, entryset = {{a, b}}}}",
)


@st.composite
def good_bibtex(draw: st.DrawFn, title: str, key: int) -> str:
    """Return an entry with this title in one of the forms that BibTeX allows."""
    opening, closing = draw(st.sampled_from(["{}", "()"]))
    written = draw(st.sampled_from(["{{{0}}}", "{{{{{0}}}}}", '"{0}"', '"{0}" # ""', '{{}} # "{0}"', "{0}"]))
    name = draw(st.sampled_from(["title", "Title", "TITLE"]))
    fields = [
        f"{name} = {written.format(title)}",
        draw(st.sampled_from(["year = 2030", "year={2030}", 'month = jan # "~5"', 'abstract = {At {home} @ "noon"}'])),
        draw(st.sampled_from(["author = {Noll, Ida and {Orr}, B.}", 'author="N{\\"o}ll, I."', "note = {}"])),
    ]
    between = draw(st.sampled_from([", ", ",\n  ", " ,\n\t", ",\n  % remark\n  "]))
    kind = draw(st.sampled_from(["@article", "@InProceedings", "@MISC ", "@ online"]))
    end = draw(st.sampled_from(["", ",", "\n", ",\n"]))
    return f"{kind}{opening}key{key},{between[1:]}{between.join(draw(st.permutations(fields)))}{end}{closing}"


@st.composite
def mixed_bibtex(draw: st.DrawFn) -> Mixed:
    """Return a BibTeX library whose bad block is not the last."""
    chosen = draw(titles())
    blocks = [draw(good_bibtex(title, index)) for index, title in enumerate(chosen)]
    bad = draw(st.sampled_from(BAD_BIBTEX)).format(n=draw(st.integers(0, 99)))
    return _joined(draw, blocks, bad, chosen, st.sampled_from(["\n", "\n\n", "\n% remark\n", "\nProse.\n\n"]))


BAD_RIS = (
    "TY  - JOUR\nAU  - Orr, Ben\nER  - ",
    "TY  - JOUR\nT2  - Only a journal\nPY  - 2000",
    "TY  - JOUR\nTI  - \nER  - ",
    "TY  - JOUR",
    "ER  - ",
    "Export Date: 13 July 2030",
    "TY  - \nZZ  - unknown\nnot a tag - at all\nER  -",
    "AU  - Orr, Ben\nER  - ",
)


@st.composite
def mixed_ris(draw: st.DrawFn) -> Mixed:
    """Return a RIS library with a bad record, or with something between records."""
    chosen = draw(titles())
    tag = draw(st.sampled_from(["TI", "T1"]))
    date = draw(st.sampled_from(["PY  - 2030", "DA  - 2030/02/24/", "Y1  - 2030///", "AB  - one\ntwo - three\n  four"]))
    end = draw(st.sampled_from(["ER  - ", "ER  -", "ER  - \n"]))
    blocks = [f"TY  - JOUR\n{tag}  - {title}\nAU  - Noll, Ida\n{date}\n{end}" for title in chosen]
    mixed = _joined(draw, blocks, draw(st.sampled_from(BAD_RIS)), chosen, st.sampled_from(["\n", "\n\n"]))
    return Mixed(mixed.text.replace("  -", " -"), chosen, mixed.bad_line) if draw(st.booleans()) else mixed


BAD_ZOTERO = (
    '"BAD00000","letter","",""',
    '"BAD00000","letter","","","","","","",""',
    '"BAD00000","letter","An "inner" quote","Orr, Ben",""',
    '"BAD00000","letter","A quote without its end,"Orr, Ben",""',
    '"BAD00000","letter","","Orr, Ben","2030-02-05 10:00:00"',
    '"BAD00000","note","","",""',
    '"BAD00000"',
    '""',
)


@st.composite
def mixed_zotero(draw: st.DrawFn) -> Mixed:
    """Return a CSV export of Zotero with a bad row."""
    chosen = draw(titles())
    note = draw(st.sampled_from(["", "Two\nlines", 'A ""word""', "a, b; c"]))
    blocks = [
        f'"AAAA000{index}","preprint","{title}","Noll, Ida","{note}","2030-02-05 10:00:00"'
        for index, title in enumerate(chosen)
    ]
    bad = draw(st.sampled_from(BAD_ZOTERO))
    mixed = _joined(draw, blocks, bad, chosen, st.just("\n"))
    header = '"Key","Item Type","Title","Author","Abstract Note","Date Added"\n'
    text = header + mixed.text
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    return Mixed(text.replace('","', f'"{delimiter}"'), chosen, mixed.bad_line + 1)


def _joined(
    draw: st.DrawFn, blocks: list[str], bad: str, chosen: tuple[str, ...], separators: st.SearchStrategy[str]
) -> Mixed:
    place = draw(st.integers(0, len(blocks) - 1))
    before = "".join(block + draw(separators) for block in blocks[:place])
    after = "".join(draw(separators) + block for block in blocks[place:])
    return Mixed(f"{before}{bad}{after}\n", chosen, 1 + before.count("\n"))
