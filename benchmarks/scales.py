"""How much is painted: by SDXL in full, by the demo model, and hardly anything where only the program is tried."""

from dataclasses import replace

from benchmarks.rivals import Scale

FULL = Scale(side=1024, steps=30, fewer_steps=20, batch=8, runs=3, warm_ups=3, waves=2, lora_rank=64)
DEMO = Scale(side=128, steps=30, fewer_steps=20, batch=8, runs=3, warm_ups=1, waves=1, lora_rank=4)
QUICK = Scale(side=128, steps=3, fewer_steps=2, batch=2, runs=1, warm_ups=0, waves=1, lora_rank=4)
QUICK_FULL = replace(FULL, steps=4, fewer_steps=3, batch=2, runs=1, warm_ups=1, waves=1)
