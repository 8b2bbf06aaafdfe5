"""spinn-convert settings"""

from __future__ import annotations

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json


@click.command()
@click.argument("method", default="default", metavar="[NAME|FILE]")
@options.as_json
def settings(method: str, as_json: bool) -> None:
    """Print the settings of a method (default, paper, basic, or a file), and what --set takes."""
    from spinn_convert.cli.tables import settings_table
    from spinn_convert.jobs.recipe import as_json as content
    from spinn_convert.jobs.recipe import read_recipe

    recipe = read_recipe(method)
    if as_json:
        print_json(content(recipe))
    else:
        output_console().print(settings_table(recipe))
