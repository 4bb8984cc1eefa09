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
