# Make saliency maps of a decoder
# Of every test example and class, held against templates; means and a few examples are kept.
rule map_saliency:
    input:
        unpack(decoding_files),
        unpack(map_masks),
        model=f"{DECODER}/model.pt",
        temperature=f"{DECODER}/temperature.tsv",
    output:
        maps=f"{DECODER}/maps.nc",
        criteria=f"{DECODER}/criteria.tsv",
        criteria_columns=f"{DECODER}/criteria.json",
        undefined=f"{DECODER}/undefined.tsv",
        undefined_columns=f"{DECODER}/undefined.json",
        record=f"{DECODER}/map_saliency.record.json",
    log:
        f"{DECODER}/map_saliency.log",
    benchmark:
        f"{DECODER}/map_saliency.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        array=of_experiment("array"),
        decoder=decoder_trained,
        methods=maps_of_decoder,
        templates=of_experiment("criteria.templates"),
        temperature=of_experiment("criteria.temperature"),
        gradient_of=of_experiment("criteria.gradient_of"),
        device=lookup("device", within=config),
        code=code_of("map_saliency"),
        environment=pins_of("training"),
    message:
        "Mapping {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/map_saliency.py"


# Judge the gradient over a range of temperatures
# Since the validation split need not fix the one that is fitted.
rule scan_temperatures:
    input:
        unpack(decoding_files),
        unpack(map_masks),
        model=f"{DECODER}/model.pt",
        temperature=f"{DECODER}/temperature.tsv",
    output:
        temperatures=f"{DECODER}/temperatures.tsv",
        temperatures_columns=f"{DECODER}/temperatures.json",
        record=f"{DECODER}/scan_temperatures.record.json",
    log:
        f"{DECODER}/scan_temperatures.log",
    benchmark:
        f"{DECODER}/scan_temperatures.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        decoder=decoder_trained,
        templates=of_experiment("criteria.templates"),
        temperatures=of_experiment("criteria.temperatures"),
        gradient_of=of_experiment("criteria.gradient_of"),
        device=lookup("device", within=config),
        code=code_of("scan_temperatures"),
        environment=pins_of("training"),
    message:
        "Scanning temperatures of {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/scan_temperatures.py"


# Compare maps with those of decoders that learned nothing
# Parameters shuffled layer by layer; and the same training on shuffled labels.
rule check_sanity:
    input:
        unpack(decoding_files),
        model=f"{DECODER}/model.pt",
        temperature=f"{DECODER}/temperature.tsv",
    output:
        checks=f"{DECODER}/sanity_checks.tsv",
        checks_columns=f"{DECODER}/sanity_checks.json",
        record=f"{DECODER}/check_sanity.record.json",
    log:
        f"{DECODER}/check_sanity.log",
    benchmark:
        f"{DECODER}/check_sanity.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        decoder=decoder_trained,
        methods=maps_of_decoder,
        temperature=of_experiment("criteria.temperature"),
        gradient_of=of_experiment("criteria.gradient_of"),
        examples=of_experiment("sanity_checks.examples"),
        labels=of_experiment("sanity_checks.labels"),
        shuffling_seed=of_experiment("sanity_checks.seed"),
        epochs=of_experiment("training.epochs"),
        learning_rate=learning_rate_of_decoder,
        batch_size=of_experiment("training.batch_size"),
        micro_batch_size=of_experiment("training.micro_batch_size"),
        precision=of_experiment("training.precision"),
        checkpoint_every=of_experiment("training.checkpoint_every"),
        device=lookup("device", within=config),
        code=code_of("check_sanity"),
        environment=pins_of("training"),
    message:
        "Checking {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/check_sanity.py"


# Remove salient values and train again
# Remove, or keep, and retrain; and the probabilities without training anew.
rule remove_and_retrain:
    input:
        unpack(decoding_files),
        model=f"{DECODER}/model.pt",
        temperature=f"{DECODER}/temperature.tsv",
    output:
        retraining=f"{DECODER}/retraining.tsv",
        retraining_columns=f"{DECODER}/retraining.json",
        curves=f"{DECODER}/removal_curves.tsv",
        curves_columns=f"{DECODER}/removal_curves.json",
        record=f"{DECODER}/remove_and_retrain.record.json",
    log:
        f"{DECODER}/remove_and_retrain.log",
    benchmark:
        f"{DECODER}/remove_and_retrain.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        decoder=decoder_trained,
        method=of_experiment("removal.method"),
        options=options_of_removal,
        temperature=of_experiment("criteria.temperature"),
        gradient_of=of_experiment("criteria.gradient_of"),
        fractions=of_experiment("removal.fractions"),
        removal_seed=of_experiment("removal.seed"),
        epochs=of_experiment("training.epochs"),
        learning_rate=learning_rate_of_decoder,
        batch_size=of_experiment("training.batch_size"),
        micro_batch_size=of_experiment("training.micro_batch_size"),
        precision=of_experiment("training.precision"),
        device=lookup("device", within=config),
        code=code_of("remove_and_retrain"),
        environment=pins_of("training"),
    message:
        "Removing values in {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/remove_and_retrain.py"


# Test the mean maps of a decoder
# Against the templates of the classes, with maps of the same spectrum and random phases.
rule test_mean_maps:
    input:
        maps=f"{DECODER}/maps.nc",
    output:
        tests=f"{DECODER}/mean_map_tests.tsv",
        tests_columns=f"{DECODER}/mean_map_tests.json",
        record=f"{DECODER}/test_mean_maps.record.json",
    log:
        f"{DECODER}/test_mean_maps.log",
    benchmark:
        f"{DECODER}/test_mean_maps.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    params:
        surrogates=of_experiment("significance.surrogates"),
        phase_seed=of_experiment("significance.seed"),
        code=code_of("test_mean_maps"),
        environment=pins_of("training"),
    message:
        "Testing mean maps of {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/test_mean_maps.py"
