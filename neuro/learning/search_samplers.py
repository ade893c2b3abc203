"""What chooses the next candidate of a search: three samplers of Optuna.

``tpe``
    Tree-structured Parzen estimator (Bergstra et al. 2011): learns which values the better
    candidates have, setting by setting. Learns from everything in the study.
``cmaes``
    Covariance matrix adaptation (Hansen & Ostermeier 2001): a cloud around the base that moves
    and stretches, for settings that depend on each other. What is no number (window, feedback)
    is left to ``tpe``. Learns from its own candidates.
``genetic``
    A population of 24; children by uniform crossover, Gaussian mutation in the logarithm, the
    best of parents and children survive. The sampler is NSGA-II (Deb et al. 2002) with one
    objective: parents win a tournament of two. Learns from its own candidates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro.errors import JobError
from neuro.learning.search_study import no_experimental_warnings

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "cmaes", "genetic")

POPULATION = 24
MUTATION_PROBABILITY = 0.3
MUTATION_SIGMA = 0.35
"""Of the natural logarithm of a setting (specification, section 4.7)."""
_WARM_START = 10
"""The least number of candidates from which ``cmaes`` takes its start; the base, so many times,
is a cloud around it with a deviation of a tenth of each range."""


def check_sampler(name: str) -> None:
    """Refuse a sampler that does not exist.

    Raises
    ------
    JobError
    """
    if name not in SAMPLERS:
        raise JobError(f"unknown sampler {name!r}; choose one of {', '.join(SAMPLERS)}")


def make_sampler(
    name: str, seed: int | None, start: optuna.trial.FrozenTrial, *, shared: bool
) -> optuna.samplers.BaseSampler:
    """A sampler by name.

    Parameters
    ----------
    name : {"tpe", "cmaes", "genetic"}
        Which.
    seed : int or None
        Of its choices; None for others every time.
    start : FrozenTrial
        The base as a candidate, with all settings of the search; ``cmaes`` begins around it.
    shared : bool
        Whether other processes choose candidates at the same time.
    """
    from optuna import samplers

    check_sampler(name)
    with no_experimental_warnings():
        tpe = samplers.TPESampler(seed=seed, multivariate=False, constant_liar=shared)
        if name == "tpe":
            return tpe
        if name == "cmaes":
            return samplers.CmaEsSampler(
                seed=seed,
                independent_sampler=tpe,
                warn_independent_sampling=False,
                # One that fell behind is a bad one, not none.
                consider_pruned_trials=True,
                source_trials=[_numbers(start)] * _WARM_START,
            )
        return samplers.NSGAIISampler(
            seed=seed,
            population_size=POPULATION,
            crossover=samplers.nsgaii.UniformCrossover(),
            mutation=_gaussian_mutation(),
            mutation_prob=MUTATION_PROBABILITY,
        )


def _numbers(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """The part of a candidate that ``cmaes`` moves."""
    import optuna

    kinds = optuna.distributions.FloatDistribution | optuna.distributions.IntDistribution
    moved = {
        name: kind
        for name, kind in trial.distributions.items()
        if isinstance(kind, kinds) and not kind.single()
    }
    return optuna.trial.create_trial(
        params={name: trial.params[name] for name in moved}, distributions=dict(moved), value=0.0
    )


def _gaussian_mutation() -> Any:
    from optuna.samplers.nsgaii import BaseMutation

    class Gaussian(BaseMutation):
        """Adds a Gaussian step; Optuna keeps it inside the range."""

        def mutation(self, param: float, rng: Any, study: Any, search_space_bounds: Any) -> float:
            return float(rng.normal(param, MUTATION_SIGMA))

    return Gaussian()
