-- A file that ends, into a lake on this machine. EVENTS: one JSON object a line; a folder or a pattern will do, also compressed.
CREATE SERVER events FOREIGN DATA WRAPPER file OPTIONS (path '${EVENTS}');
CREATE SERVER lake FOREIGN DATA WRAPPER delta OPTIONS (path '${LAKE:-./lake}');
