-- Made-up transactions, results into a lake on this machine and on the console. 25 of them make a second of event time.
-- RATE: events a second (0: as fast as they are taken); SEED: which ones.
CREATE SERVER events FOREIGN DATA WRAPPER generator
    OPTIONS (generator 'transactions', rate '${RATE:-0}', nominal_rate '25', seed '${SEED:-1}');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
