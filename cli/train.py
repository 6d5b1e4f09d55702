"""``paperfeed train``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.datasets import load_dataset
from cli.options import Json
from cli.output import show, staged_progress, write_page

# What the default bundle is made from, in this order: another order is another bundle.
DEFAULT_DATA = ("citeulike-a", "arxiv-2016-2018")


def train(
    recipe: Annotated[str, typer.Option(help="Named recipe of the run.")] = "default",
    papers: Annotated[
        list[Path] | None, typer.Option(help="Papers, JSON Lines; once per data set. Default: the recipe's own data.")
    ] = None,
    interactions: Annotated[list[Path] | None, typer.Option(help="Events, CSV; once per --papers, in order.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the bundle to; must not exist.")] = Path("out/bundle"),
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(help="Page for people: what was learned. Default: the bundle's name with -report.html."),
    ] = None,
    embedding_cache: Annotated[str | None, typer.Option(help="File that keeps vectors by text hash.")] = None,
    as_json: Json = False,
) -> None:
    """Train a model bundle from papers and events in the interchange formats."""
    from service.bootstrap import make_encoder
    from service.config import Settings
    from service.domain.errors import InvalidField
    from training.report import training_page
    from training.train import train as run_training

    settings = Settings.read(embedding_cache=embedding_cache)
    if out.exists():
        raise InvalidField("out", f"{out} exists already")
    sources = _sources(papers, interactions, Path(settings.data))
    encoder = make_encoder(settings)
    try:
        datasets = [load_dataset(name, *files, encoder, with_titles=True) for name, files in sources.items()]
    finally:
        encoder.close()
    with staged_progress("training") as progress:
        made = run_training(datasets, out, encoder_name=encoder.name, recipe=recipe, seed=seed, progress=progress)
    page = report or out.with_name(f"{out.name}-report.html")
    write_page(page, training_page(made))
    result: dict[str, Any] = {
        "bundle": str(out),
        "report": str(page),
        "version": made.manifest.version,
        "recipe": recipe,
        "metrics": {name: dict(figures) for name, figures in made.metrics.items()},
    }
    figures = "\n".join(f"  {name}: {figures}" for name, figures in result["metrics"].items())
    show(result, as_json=as_json, text=f"{out}: {made.manifest.version}\n{page}\nreaders held out:\n{figures}")


def _sources(papers: list[Path] | None, interactions: list[Path] | None, data: Path) -> dict[str, tuple[Path, Path]]:
    from service.domain.errors import InvalidField

    papers, interactions = papers or [], interactions or []
    if len(papers) != len(interactions):
        raise InvalidField("interactions", f"given {len(interactions)} times for {len(papers)} --papers")
    if papers:
        pairs = enumerate(zip(papers, interactions, strict=True))
        return {f"{i}-{pair[0].name.partition('.')[0]}": pair for i, pair in pairs}
    found = {name: (data / name / "papers.jsonl.gz", data / name / "interactions.csv.gz") for name in DEFAULT_DATA}
    for file in (file for pair in found.values() for file in pair):
        if not file.exists():
            raise InvalidField("papers", f"none given, and {file} (PAPERFEED_DATA) is not there")
    return found
