"""From cohorts to what models read: splits (and, later, ICA, task maps and volumes)."""
