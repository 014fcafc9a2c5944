-- Made-up events into a lake on this machine. RATE: events a second (0: as fast as they are taken); SEED: which ones.
CREATE SERVER events FOREIGN DATA WRAPPER generator OPTIONS (rate '${RATE:-0}', seed '${SEED:-1}');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
