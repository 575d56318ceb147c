"""The demo workspace: real token counts, sent through the real endpoint, all else assigned.

`traffic`, `wire` and `trickle` import nothing but the standard library, because the trickle stays
in memory for as long as the product runs.
"""
