"""Saliency maps: made, judged against what is known of the classes, and checked for sanity."""

from neurospect.saliency.criteria import (
    class_informative_correlation,
    pairwise_difference_correlation,
)
from neurospect.saliency.maps import register_map_method, saliency_maps
from neurospect.training.algorithm1 import train_algorithm1
from neurospect.training.robust import train_pgd, train_random_noise
from neurospect.training.temperature_scaling import fit_temperature

__all__ = [
    "class_informative_correlation",
    "fit_temperature",
    "pairwise_difference_correlation",
    "register_map_method",
    "saliency_maps",
    "train_algorithm1",
    "train_pgd",
    "train_random_noise",
]
