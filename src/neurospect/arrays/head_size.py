"""The name of head size among FreeSurfer's volumes, wherever they are read or used."""

from __future__ import annotations

ETIV = "EstimatedTotalIntraCranialVol"
