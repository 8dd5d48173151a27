"""`kzram-ci watch`: a branch is polled, what is new is run, and a new finding is bisected and reported, once.

`decide` says what follows from what happened, `model` is what is kept between two rounds, `report` words a finding:
pure. `world` polls, runs and bisects, `deliver` sends, `session` is the loop, which may be killed anywhere and
goes on where it was. May import base, model, the rooms that know, results, run and bisect. A new way to tell of a
finding is a channel in `deliver` and an option in `cli/watch.py`.
"""
