"""What tables show of what a board's integers lose."""

from __future__ import annotations

from rich.console import Console

from spinn_convert.cli.tables import loss_table


def test_losses_above_a_hundredth_are_on_the_screen_by_population():
    lost = {"relu_1": 0.004, "relu_2": 0.75}
    report = {"board": {"weights rounded to zero": lost, "clipped drives": {"relu": 0.031}}}
    console = Console(width=100, record=True, file=None)
    with console.capture() as shown:
        console.print(loss_table(report))
    text = shown.get()
    assert "relu_1" not in text
    assert "75.0%" in text
    assert "constant currents clipped" in text
    assert "3.1%" in text
    assert loss_table({"board": {"weights rounded to zero": {"relu_1": 0.004}}}) is None
    assert loss_table({}) is None
