"""Where data come from: each cohort yields participants, arrays and a description."""
