"""The commit that brought a crash, also one that comes only sometimes.

`belief` decides and is pure; `session` asks for builds and boots and keeps their outcomes; `reports` shows them. May
import every room but host and cli. A new rule of decision belongs in `belief`, with its figures in `bench/bisect`.
"""
