"""Assembly: the only place that knows the order of the stages, of one boot, one cell and one plan.

May import every room but bisect, host and cli. A new stage is a field of `job.Stages` and a line in `stages`.
"""
