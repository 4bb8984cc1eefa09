"""Methods and decoders against each other by a criterion: over seeds, and over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from neurospect.errors import BadInputError
from neurospect.stats.compact_letters import compact_letters
from neurospect.stats.over_seeds import over_seeds
from neurospect.stats.paired_t_tests import PAIRED_COLUMNS, paired_t_tests

BY = ["decoder", "method", "criterion"]
ALPHA = 0.05
FEWEST_SEEDS = 3
SUMMARY_COLUMNS = {
    "decoder": "name of the decoder",
    "method": "how its maps were made",
    "criterion": "what they were held against",
    "seeds": "trainings that have a correlation, over which mean and deviation are taken",
    "correlation": "mean over seeds of the mean over test examples",
    "sd_correlation": "standard deviation over seeds; n/a for one seed",
    "examples": "test examples, summed over seeds",
    "undefined": "of these, without a correlation",
}
LETTERS = "differs_from_others"
LETTER_COLUMNS = {
    LETTERS: "letters: two that share one do not differ significantly by the criterion (two-sided "
    f"paired t-tests over seeds, Bonferroni, {ALPHA:g}); n/a for fewer than {FEWEST_SEEDS} seeds, "
    "or without another to compare with",
}
LETTERS_MEAN = (
    f"two-sided paired t-tests over seeds, Bonferroni over all pairs, α = {str(ALPHA).lstrip('0')}"
)
SCORE_COLUMNS = {
    **{name: SUMMARY_COLUMNS[name] for name in BY},
    "seed": "of the training",
    "correlation": "mean over the test examples that have one",
    "examples": "test examples",
    "undefined": "of these, without a correlation",
}
PENALTY_COLUMNS = {
    "decoder": SUMMARY_COLUMNS["decoder"],
    "weight_penalty": "times the sum of squared weights, was added to the loss",
    **{name: text for name, text in SUMMARY_COLUMNS.items() if name != "decoder"},
    "test_accuracy": "mean over seeds of the share of the test split classified right",
}
TEST_COLUMNS = {
    "criterion": "what is compared",
    "observations_are": "seeds: each training's mean over test examples, which speaks of "
    "trainings; examples: the test examples of one training, as in the paper, which speaks of that "
    "training only",
    "seed": "of that training; n/a where seeds are the observations",
    **PAIRED_COLUMNS,
}


def criteria_summary(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Summarise criteria over test examples, then over seeds.

    Parameters
    ----------
    tables
        One per decoder and seed, with columns decoder, seed, method, criterion, example and
        correlation (missing where undefined).

    Returns
    -------
    pandas.DataFrame
        With `SUMMARY_COLUMNS`.

    Raises
    ------
    BadInputError
        When there is no table, or a column is missing.
    """
    scores = criteria_scores(tables)
    summary = over_seeds([scores], BY, ["correlation"])
    counts = scores.groupby(BY, sort=False)[["examples", "undefined"]].sum().reset_index()
    return summary.merge(counts, on=BY, validate="one_to_one")[list(SUMMARY_COLUMNS)]


def criteria_tests(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Test all methods of all decoders against each other, two-sided and paired.

    Bonferroni's correction is over all pairs of one criterion. With one seed only the tests over
    examples have a result.

    Parameters
    ----------
    tables
        As for `criteria_summary`.

    Returns
    -------
    pandas.DataFrame
        With `TEST_COLUMNS`, no row where there is but one method; examples are those of the first
        seed.

    Raises
    ------
    BadInputError
        When there is no table, or a column is missing.
    """
    means = criteria_scores(tables)
    means = means.assign(name=means["decoder"] + " " + means["method"])
    first = means["seed"].iloc[0]
    whole = pd.concat([own[own["seed"] == first] for own in tables], ignore_index=True)
    whole = whole.assign(name=whole["decoder"] + " " + whole["method"])
    order = list(dict.fromkeys(means["name"]))
    found = []
    for criterion in dict.fromkeys(means["criterion"]):
        for unit, table, rows, value in (
            ("seeds", means, "seed", "correlation"),
            ("examples", whole, "example", "correlation"),
        ):
            own = table[table["criterion"] == criterion]
            wide = own.pivot(index=rows, columns="name", values=value)[order]
            if len(order) < 2:
                continue
            tested = paired_t_tests(wide)
            seed = None if unit == "seeds" else str(first)
            found.append(
                tested.assign(criterion=criterion, observations_are=unit, seed=seed)[
                    list(TEST_COLUMNS)
                ]
            )
    return (
        pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(TEST_COLUMNS))
    )


def with_letters(summary: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Add letters to a summary of criteria: those that share one do not differ significantly.

    Letters are those of `compact_letters`, of each criterion its own; the highest mean has the
    letter a. A test without a result (values that are the same) counts as no difference.

    Parameters
    ----------
    summary
        Of `criteria_summary`.
    tests
        Of `criteria_tests`, from the same tables; those with seeds as observations count.

    Returns
    -------
    pandas.DataFrame
        The summary with `LETTER_COLUMNS`. Where there are fewer than `FEWEST_SEEDS` seeds, no mean,
        or but one to compare, there are no letters.
    """
    over_seeds_only = tests[tests["observations_are"] == "seeds"]
    summary = summary.assign(**{LETTERS: None})
    for criterion, own in summary.groupby("criterion", sort=False):
        own = own[own["correlation"].notna()].sort_values(
            "correlation", ascending=False, kind="stable"
        )
        if len(own) < 2 or own["seeds"].min() < FEWEST_SEEDS:
            continue
        names = (own["decoder"] + " " + own["method"]).tolist()
        tested = over_seeds_only[over_seeds_only["criterion"] == criterion]
        found = tested[tested["p_bonferroni"] <= ALPHA]
        letters = compact_letters(names, zip(found["a"], found["b"], strict=True))
        summary.loc[own.index, LETTERS] = list(letters.values())
    return summary


def criteria_by_penalty(
    criteria: Sequence[pd.DataFrame],
    accuracy: Sequence[pd.DataFrame],
    variants: Mapping[str, tuple[str, float]],
) -> pd.DataFrame:
    """Summarise the criteria of decoders that differ in their weight penalty.

    Parameters
    ----------
    criteria
        As for `criteria_summary`.
    accuracy
        One per decoder and seed, with columns decoder, seed, split and accuracy.
    variants
        By the name that a decoder has in the tables, which decoder it is, and its penalty.

    Returns
    -------
    pandas.DataFrame
        With `PENALTY_COLUMNS`, in the order of the penalties.
    """
    summary = criteria_summary(criteria)
    scored = over_seeds(accuracy, ["decoder", "split"], ["accuracy"])
    test = scored[scored["split"] == "test"].set_index("decoder")["accuracy"]
    table = summary.assign(
        decoder=[variants[name][0] for name in summary["decoder"]],
        weight_penalty=[variants[name][1] for name in summary["decoder"]],
        test_accuracy=summary["decoder"].map(test),
    )
    return table.sort_values("weight_penalty", kind="stable")[list(PENALTY_COLUMNS)]


def criteria_scores(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Take the mean of each training's criteria over its test examples.

    Parameters
    ----------
    tables
        As for `criteria_summary`.

    Returns
    -------
    pandas.DataFrame
        With `SCORE_COLUMNS`, one row per decoder, method, criterion and seed.

    Raises
    ------
    BadInputError
        When there is no table, or a column is missing.
    """
    needed = [*BY, "seed", "example", "correlation"]
    absent = {name for table in tables for name in needed if name not in table}
    if absent or not tables:
        raise BadInputError(
            "tables of criteria",
            "columns",
            found=f"no {', '.join(sorted(absent)) or 'table'}",
            expected=", ".join(needed),
            remedy="Give one table of criteria for each decoder and seed.",
        )
    whole = pd.concat([table[needed] for table in tables], ignore_index=True)
    groups = whole.groupby([*BY, "seed"], sort=False)["correlation"]
    scores = groups.agg(correlation="mean", examples="size", defined="count").reset_index()
    scores["undefined"] = scores["examples"] - scores["defined"]
    return scores[list(SCORE_COLUMNS)]
