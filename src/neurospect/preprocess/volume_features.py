"""Volumes as features: head size, age and sex taken out by what the training split shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.head_size import ETIV
from neurospect.errors import BadInputError

HeadSize = Literal["divide", "regress", "none"]
NO_SPREAD = 1e-10  # a residual this small beside the values themselves is rounding


@dataclass(frozen=True)
class Covariate:
    """One covariate as columns of the design.

    Parameters
    ----------
    name
        Its column in the table of covariates.
    levels
        Of a categorical one, its levels in the training split, sorted; all but the first have
        an indicator. Empty for a number.
    centre, scale
        Of a number, mean and standard deviation over the training split, in its own unit.
    """

    name: str
    levels: tuple[str, ...] = ()
    centre: float = 0.0
    scale: float = 1.0

    def columns(self, values: pd.Series) -> NDArray[np.float64]:
        """Return the columns of the design, shape (participants, columns)."""
        if self.levels:
            texts = _level_names(values)
            unseen = ~texts.isin(self.levels)
            if unseen.any():
                raise BadInputError(
                    "covariates",
                    f"{texts.index[unseen][0]}, {self.name}",
                    found=texts[unseen].iloc[0],
                    expected=f"a level of the training split: {', '.join(self.levels)}",
                    remedy="Split so that each level is in training, or leave the covariate out.",
                )
            return np.stack([texts == level for level in self.levels], axis=1)[:, 1:].astype(float)
        return ((_finite(values, "covariates") - self.centre) / self.scale)[:, None]


@dataclass(frozen=True)
class VolumeFeatures:
    """What the training split shows of volumes and covariates, and how to take it out.

    Parameters
    ----------
    etiv
        How head size is taken out.
    columns
        The volumes that become features, in the order of the table.
    dropped
        The volumes that do not, each with the reason: `missing`, `constant`, or `explained`
        (all of its spread over the training split is that of the covariates).
    covariates
        What is regressed out; the last is `EstimatedTotalIntraCranialVol` if `etiv` is
        `regress`.
    coefficients
        Least-squares coefficients over the training split, shape (1 + design columns, features),
        the first row the intercept; in mm³, or without unit if `etiv` is `divide`.
    scale
        Standard deviation of the residuals over the training split (ddof 0), shape (features,).
    """

    etiv: HeadSize
    columns: tuple[str, ...]
    dropped: Mapping[str, str]
    covariates: tuple[Covariate, ...]
    coefficients: NDArray[np.float64]
    scale: NDArray[np.float64]

    def transform(self, volumes: pd.DataFrame, covariates: pd.DataFrame) -> pd.DataFrame:
        """Return the features of any participants, of the training split or not.

        Parameters
        ----------
        volumes
            Volumes in mm³, index participants; at least the columns of the fit.
        covariates
            Their covariates; the same participants (or more), in any order.

        Returns
        -------
        pandas.DataFrame
            Shape (participants, features), float64, without unit: over the training split, each
            has mean 0 and standard deviation 1. Rows in the order of `volumes`.

        Raises
        ------
        BadInputError
            If a column or participant is missing, a cell that is used is missing or no number,
            or a covariate has a level that the training split does not have.
        """
        participants = _participants(volumes, "volumes")
        known = _rows(covariates, participants, "covariates")
        _require(volumes, self.columns, "volumes")
        values = _sized(volumes, self.columns, self.etiv)
        design = _design(self.covariates, volumes, known)
        features = (values - design @ self.coefficients) / self.scale
        return pd.DataFrame(features, index=volumes.index, columns=list(self.columns))


def fit_volume_features(
    volumes: pd.DataFrame,
    covariates: pd.DataFrame,
    training: Iterable[str],
    *,
    etiv: HeadSize,
    categorical: Sequence[str] = (),
) -> VolumeFeatures:
    """Learn from the training split how to turn volumes into features.

    Each volume is divided by head size or not, regressed by least squares on an intercept, the
    covariates, and head size where it is to be regressed (all in one regression, so that the
    residuals owe nothing to any of them), and scaled to unit variance. Rows of other
    participants are not read.

    Parameters
    ----------
    volumes
        Volumes in mm³, shape (participants, volumes), index participants, as `read_aseg_table`
        gives them. `EstimatedTotalIntraCranialVol` is head size and never a feature itself.
    covariates
        Age, sex and whatever else is to be taken out, index participants. Columns of texts,
        categories or truth values become indicators.
    training
        The participants of the training split.
    etiv
        `divide` by head size, `regress` on it, or `none`: leave it.
    categorical
        Columns of `covariates` that are levels though written as numbers, such as a site.

    Returns
    -------
    VolumeFeatures
        The fit; its `transform` makes the features.

    Raises
    ------
    BadInputError
        If a setting, column or participant is unknown, a cell of the training split is missing
        or no number (unless its volume is missing for all of the split: it is dropped), the
        covariates are constant or depend on one another, the split is too small, or no volume
        is left.
    """
    _check_setting(etiv)
    chosen = _training(training)
    _participants(volumes, "volumes")
    rows = _rows(volumes, chosen, "volumes")
    known = _rows(covariates, chosen, "covariates")
    _require(covariates, categorical, "covariates")
    _refuse_head_size(covariates)
    names = [str(name) for name in rows.columns if name != ETIV]
    dropped = _without_spread(rows, names)
    kept = [name for name in names if name not in dropped]
    values = _sized(rows, kept, etiv)
    fitted = [_covariate(known[name], name in categorical) for name in known.columns]
    if etiv == "regress":
        fitted.append(_covariate(rows[ETIV], False))
    design = _design(fitted, rows, known)
    _check_design(design, fitted)
    coefficients = np.asarray(np.linalg.lstsq(design, values)[0], dtype=np.float64)
    scale = (values - design @ coefficients).std(axis=0)
    spread = scale > NO_SPREAD * np.abs(values).max(axis=0, initial=0.0)
    dropped |= {name: "explained" for name, has in zip(kept, spread, strict=True) if not has}
    if not spread.any():
        raise BadInputError(
            "volumes",
            "columns",
            found="; ".join(f"{name}: {why}" for name, why in dropped.items()) or "no volume",
            expected=f"a volume beside {ETIV} that differs between participants",
            remedy="Check the table of volumes and which participants are in the training split.",
        )
    return VolumeFeatures(
        etiv=etiv,
        columns=tuple(name for name, has in zip(kept, spread, strict=True) if has),
        dropped={name: dropped[name] for name in names if name in dropped},
        covariates=tuple(fitted),
        coefficients=coefficients[:, spread],
        scale=scale[spread],
    )


def _check_setting(etiv: str) -> None:
    if etiv not in get_args(HeadSize):
        raise BadInputError(
            "volume features",
            "etiv",
            found=etiv,
            expected=" or ".join(get_args(HeadSize)),
            remedy="Say how head size is to be taken out of the volumes.",
        )


def _refuse_head_size(covariates: pd.DataFrame) -> None:
    if ETIV in covariates:
        raise BadInputError(
            "covariates",
            "columns",
            found=ETIV,
            expected=f"{ETIV} among the volumes only",
            remedy="Leave it out of the covariates; etiv='regress' regresses on it.",
        )


def _training(training: Iterable[str]) -> list[str]:
    chosen = list(training)
    if isinstance(training, str) or not chosen or len(set(chosen)) < len(chosen):
        raise BadInputError(
            "training",
            "participants",
            found=f"{len(chosen)} entries, {len(set(chosen))} of them different",
            expected="a list of participants, each once",
            remedy="Give the participant_id of each row of the training split.",
        )
    return chosen


def _participants(frame: pd.DataFrame, where: str) -> list[str]:
    repeats = {"participant": frame.index, "column": frame.columns}
    for kind, labels in repeats.items():
        if not labels.is_unique:
            raise BadInputError(
                where,
                kind,
                found=f"{labels[labels.duplicated()][0]} more than once",
                expected=f"every {kind} once",
                remedy="Keep one of them.",
            )
    return list(frame.index)


def _rows(frame: pd.DataFrame, participants: list[str], where: str) -> pd.DataFrame:
    _participants(frame, where)
    absent = [who for who in participants if who not in frame.index]
    if absent:
        raise BadInputError(
            where,
            "participants",
            found=f"no row for {', '.join(map(str, absent[:5]))} ({len(absent)} in all)",
            expected="a row for every participant that is used",
            remedy="Add the rows, or leave these participants out of both tables and the split.",
        )
    return frame.loc[participants]


def _require(frame: pd.DataFrame, names: Iterable[str], where: str) -> None:
    absent = [name for name in names if name not in frame]
    if absent:
        raise BadInputError(
            where,
            "columns",
            found=f"no {', '.join(absent)}",
            expected="every column that the fit uses",
            remedy="Give the table with the columns that the fit was made with.",
        )


def _without_spread(rows: pd.DataFrame, names: list[str]) -> dict[str, str]:
    """Name the volumes that are missing or the same for all of the training split."""
    dropped = {}
    for name in names:
        if rows[name].isna().all():
            dropped[name] = "missing"
        elif rows[name].nunique(dropna=False) == 1:
            dropped[name] = "constant"
    return dropped


def _sized(rows: pd.DataFrame, names: Sequence[str], etiv: HeadSize) -> NDArray[np.float64]:
    """Return volumes, shape (participants, volumes), over head size if so set."""
    values = np.empty((len(rows), len(names)))
    for column, name in enumerate(names):
        values[:, column] = _finite(rows[name], "volumes")
    if etiv == "none":
        return values
    _require(rows, [ETIV], "volumes")
    heads = _finite(rows[ETIV], "volumes")
    if (heads <= 0).any():
        raise BadInputError(
            "volumes",
            f"{rows.index[heads <= 0][0]}, {ETIV}",
            found=heads[heads <= 0][0],
            expected="a volume above 0 mm³",
            remedy="Check this participant's segmentation, or leave the participant out.",
        )
    return values / heads[:, None] if etiv == "divide" else values


def _finite(values: pd.Series, where: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise _no_number(values, int(wrong[0]), where, "a number")
    return numbers


def _no_number(values: pd.Series, row: int, where: str, expected: str) -> BadInputError:
    found = values.iloc[row]
    return BadInputError(
        where,
        f"{values.index[row]}, {values.name}",
        found="nothing" if pd.isna(found) else repr(found),
        expected=expected,
        remedy="Fill in the cell, or leave this participant (or this column) out.",
    )


def _level_names(values: pd.Series) -> pd.Series[str]:
    """Return levels as text; a number that a missing cell once made a float is whole again."""
    missing = np.flatnonzero(values.isna())
    if len(missing):
        raise _no_number(values, int(missing[0]), "covariates", "a level")
    texts = [
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        for value in values
    ]
    return pd.Series(texts, index=values.index, name=values.name, dtype=str)


def _covariate(values: pd.Series, as_levels: bool) -> Covariate:
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    name = str(values.name)
    if as_levels or not is_number:
        return Covariate(name, levels=tuple(sorted(set(_level_names(values)))))
    numbers = _finite(values, "volumes" if name == ETIV else "covariates")
    # a constant one is refused with the design; here it only must not divide by zero
    scale = float(numbers.std()) if np.ptp(numbers) > 0 else 1.0
    return Covariate(name, centre=float(numbers.mean()), scale=scale)


def _design(
    fitted: Sequence[Covariate], volumes: pd.DataFrame, known: pd.DataFrame
) -> NDArray[np.float64]:
    """Return intercept and covariates, shape (participants, 1 + columns)."""
    columns = [np.ones((len(known), 1))]
    for covariate in fitted:
        source = volumes if covariate.name == ETIV else known
        _require(source, [covariate.name], "volumes" if source is volumes else "covariates")
        columns.append(covariate.columns(source[covariate.name]))
    return np.concatenate(columns, axis=1)


def _check_design(design: NDArray[np.float64], fitted: Sequence[Covariate]) -> None:
    """Refuse covariates whose share could not be told apart, and splits too small for them."""
    rows, width = design.shape
    if rows <= width:
        raise BadInputError(
            "training",
            "participants",
            found=f"{rows}",
            expected=f"more than {width}, the columns of the regression",
            remedy="Use a larger training split or fewer covariates.",
        )
    stop = 1
    for covariate in fitted:
        stop += max(len(covariate.levels) - 1, 0) if covariate.levels else 1
        if np.linalg.matrix_rank(design[:, :stop]) < stop:
            raise BadInputError(
                "covariates",
                covariate.name,
                found="nothing over the training split that is not in those before it",
                expected="a covariate that varies by itself",
                remedy="Leave it out: it is constant, or others determine it.",
            )
