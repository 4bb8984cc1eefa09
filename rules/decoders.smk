# Train a decoder
# Plainly, with random noise or against adversarial noise; score it, and fit its temperature.
rule train_decoder:
    input:
        unpack(decoding_files),
    output:
        model=f"{DECODER}/model.pt",
        history=f"{DECODER}/history.tsv",
        history_columns=f"{DECODER}/history.json",
        accuracy=f"{DECODER}/accuracy.tsv",
        accuracy_columns=f"{DECODER}/accuracy.json",
        temperature=f"{DECODER}/temperature.tsv",
        temperature_columns=f"{DECODER}/temperature.json",
        record=f"{DECODER}/train_decoder.record.json",
    log:
        f"{DECODER}/train_decoder.log",
    benchmark:
        f"{DECODER}/train_decoder.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        decoder=decoder_trained,
        epochs=of_experiment("training.epochs"),
        learning_rate=learning_rate_of_decoder,
        batch_size=of_experiment("training.batch_size"),
        micro_batch_size=of_experiment("training.micro_batch_size"),
        evaluate_every=of_experiment("training.evaluate_every"),
        checkpoint_every=of_experiment("training.checkpoint_every"),
        precision=of_experiment("training.precision"),
        device=lookup("device", within=config),
        code=code_of("train_decoder"),
        environment=pins_of("training"),
    message:
        "Training {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/train_decoder.py"
