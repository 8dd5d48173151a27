"""What is kept of a run: its directory, the history of all runs, and the reports drawn from them.

Pure: `reports` (results in, bytes out). At the edge: `layout` (where things lie), `rundir` (the record), `draw` (its
reports) and `history`. May import base, model, verdict and the pure part of plan. A new report is a module in
`reports/` that takes the summary model, a name in `model.layout`, and a line in `draw`.
"""
