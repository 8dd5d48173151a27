"""Cells on many machines: dask.distributed schedules, workers boot, the run stays in one directory.

May import base to run; it gives `run` what that asks for (`run/elsewhere.py`) and decides nothing about cells.
`address`, `messages` and `parcel` are values; `opened` and `client` are the run's side, `worker`, `there` and `child`
the worker's.

A worker boots each cell in a process of its own: it ends with the worker, when the run gives the cell up, and when
either is gone, and its guests with it.
"""
