"""``neuro check-gradient``: does equilibrium propagation follow the gradient."""

from __future__ import annotations

from typing import Annotated

import typer

from neuro.errors import JobError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("check-gradient")(check_gradient)


def check_gradient(
    hidden: Annotated[
        str, typer.Option(help="Units of the hidden layers, with commas: 16 or 32,16.")
    ] = "16",
    dynamics: Annotated[
        str, typer.Option(help="How the network relaxes: prototypical, energy or leaky.")
    ] = "prototypical",
    activation: Annotated[
        str, typer.Option(help="steep_sigmoid, hard_sigmoid, wide_hard_sigmoid or tanh.")
    ] = "steep_sigmoid",
    loss: Annotated[str, typer.Option(help="mse or cross-entropy.")] = "mse",
    estimator: Annotated[
        str, typer.Option(help="symmetric (two nudges) or one-sided (one, less exact).")
    ] = "symmetric",
    beta: Annotated[
        float, typer.Option(help="Strength of the nudge; the estimate is exact towards 0.")
    ] = 1e-4,
    seed: Annotated[int, typer.Option(help="Seed of the random network and data.")] = 0,
) -> None:
    """Compare the gradient of equilibrium propagation with finite differences and with BPTT.

    A small random network with 20 inputs and 5 outputs is relaxed to its fixed point. Exit
    status 1 if any matrix of weights disagrees.
    """
    from neuro.learning.gradient_check import check_gradient as check
    from neuro.models.mrnn import MRNN
    from neuro.random import stream

    try:
        layers = tuple(int(part) for part in hidden.split(","))
    except ValueError:
        raise JobError(f"--hidden {hidden!r} is no list of whole numbers, e.g. 32,16") from None
    model = MRNN(
        (20, *layers, 5),
        dynamics=dynamics,
        activation=activation,
        loss=loss,
        estimator=estimator,
        beta=beta,
        seed=seed,
    )
    generator = stream(seed, "gradient check data")
    result = check(
        model,
        generator.uniform(size=(10, 20)),
        generator.integers(0, 5, size=10),
        beta=beta,
        seed=seed,
    )
    typer.echo(result.format())
    if not result.passed:
        raise typer.Exit(1)
