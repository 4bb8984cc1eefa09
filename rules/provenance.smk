# Trace a figure
# Its chain of jobs back to raw files, as a page for the report.
rule trace_figure:
    input:
        figure=f"{RESULTS}/{{place}}/{{figure}}.png",
    output:
        chain=report(
            f"{RESULTS}/{{place}}/{{figure}}.chain.html",
            caption="../workflow/report/chain.rst",
            category=category_of_place,
            labels=chain_labels,
        ),
        record=f"{RESULTS}/{{place}}/{{figure}}.chain.record.json",
    log:
        f"{RESULTS}/{{place}}/{{figure}}.chain.log",
    wildcard_constraints:
        place=r"[\w-]+/(prepared|splits|\w+/\w+/seed(-\d+|s))",
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
