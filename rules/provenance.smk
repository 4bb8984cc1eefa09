# Trace a figure
# Its chain of jobs back to raw files, as a page for the report.
rule trace_figure:
    input:
        figure=f"{EXPERIMENT}/{{folder}}/{{figure}}.png",
    output:
        chain=report(
            f"{EXPERIMENT}/{{folder}}/{{figure}}.chain.html",
            caption="../workflow/report/chain.rst",
            category=report_category,
            labels=chain_labels,
        ),
        record=f"{EXPERIMENT}/{{folder}}/{{figure}}.chain.record.json",
    log:
        f"{EXPERIMENT}/{{folder}}/{{figure}}.chain.log",
    wildcard_constraints:
        folder=r"\w+/seed-\d+",
        figure=r"\w+",
    localrule: True
    conda:
        "../envs/figures.yaml"
    params:
        code=code_of("trace_figure"),
        environment=pins_of("figures"),
    message:
        "Tracing {input.figure}"
    script:
        "../scripts/trace_figure.py"
