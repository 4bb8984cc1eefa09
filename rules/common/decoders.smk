# Decoders, their saliency maps, and the tables of all of them together.


def decoding_files(wildcards):
    """What decoders learn from, and the mask where rows of the array are its voxels."""
    files = {
        "participants": f"{PREPARED}/participants.tsv",
        "description": f"{PREPARED}/dataset_description.json",
        "splits": f"{SPLITS}/splits.tsv",
    }
    if SETTINGS.cohorts[wildcards.cohort] == "task maps":
        files["voxels"] = f"{PREPARED}/mask.nii.gz"
    return {
        **{name: file.format(**wildcards) for name, file in files.items()},
        **examples_of_cohort(wildcards),
        "array": array_of_experiment(wildcards),
    }


def map_masks(wildcards):
    """Where maps are compared: the cohort's mask of volumes, and the one that is given."""
    files = {}
    if experiment(wildcards).array == "spatial_maps":
        files["space"] = f"{COMPONENTS}/mask.nii.gz".format(**wildcards)
    if given := experiment(wildcards).criteria.mask:
        files["mask"] = shown(Path(given).absolute())
    return files


def maps_of_decoder(wildcards):
    """Options by method, of the maps that are made of a decoder."""
    return experiment(wildcards).maps_of(wildcards.decoder)


def options_of_removal(wildcards):
    """Options of the maps by which values are removed."""
    chosen = experiment(wildcards)
    return chosen.maps.options[chosen.removal.method]


def of_decoders(names, file):
    """One file of every decoder and seed; `names` says which decoders an experiment has."""

    def paths(wildcards):
        of_all = {**wildcards, "table": wildcards.get("table")}
        return [
            f"{DECODER}/{file}".format(**of_all, decoder=name, seed=seed)
            for name in names(experiment(wildcards))
            for seed in SETTINGS.config.seeds
        ]

    return paths


def of_every_decoder(file):
    return of_decoders(attrgetter("decoders"), file)


def baselines_beside(wildcards):
    """The accuracies of baselines, for the table of accuracies."""
    beside = wildcards.table == "accuracy" and experiment(wildcards).baselines
    return [f"{DECODERS}/baselines.tsv".format(**wildcards)] if beside else []


def of_every_penalty(file):
    return of_decoders(attrgetter("penalised"), file)


def maps_of_every_decoder(wildcards):
    """The maps of every decoder, of one seed."""
    at = dict(wildcards)
    return [
        f"{DECODER}/maps.nc".format(**at, decoder=name)
        for name in experiment(wildcards).decoders
    ]


def is_in_space(chosen):
    """Whether examples are volumes."""
    of_voxels = SETTINGS.cohorts[chosen.cohort] == "task maps"
    return of_voxels or chosen.array == "spatial_maps"


def decoder_trained(wildcards):
    """What a decoder is, by the keywords of neurospect.saliency.decoders.Decoder."""
    return experiment(wildcards).trained(wildcards.decoder)


def learning_rate_of_decoder(wildcards):
    return experiment(wildcards).learning_rate(wildcards.decoder)
