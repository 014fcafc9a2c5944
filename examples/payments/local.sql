-- Made-up events into a lake on this machine. 25 of them make a second of event time, so at full speed most of a day
-- passes in a second, and the watermark forgets ids as fast as they come.
-- RATE: events a second (0: as fast as they are taken); SEED: which ones.
CREATE SERVER events FOREIGN DATA WRAPPER generator OPTIONS (rate '${RATE:-0}', nominal_rate '25', seed '${SEED:-1}');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
