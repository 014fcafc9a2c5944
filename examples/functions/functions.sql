-- Transfers between accounts, whose numbers are checked by functions in C: iban.c, compiled beside this file.
--
--     cc -shared -fPIC -O2 -o examples/functions/libiban.so examples/functions/iban.c      (its head says more)
--     bourn test --allow-c-functions examples/functions
--     EVENTS=transfers.ndjson bourn run --allow-c-functions --until-caught-up examples/functions/functions.sql
CREATE FUNCTION iban_valid(text) RETURNS boolean LANGUAGE c IMMUTABLE STRICT AS 'libiban.so', 'iban_valid';
CREATE FUNCTION iban_masked(text) RETURNS text LANGUAGE c IMMUTABLE STRICT AS 'libiban.so', 'iban_masked';
CREATE FUNCTION iban_plain(text) RETURNS text RETURN upper(replace($1, ' ', ''));

CREATE FOREIGN TABLE transfers (
    id      text           CONSTRAINT "T1" NOT NULL,
    payer   text           CONSTRAINT "T2" NOT NULL,
    payee   text           CONSTRAINT "T3" NOT NULL,
    amount  numeric(18, 2) CONSTRAINT "T4" NOT NULL,
    CONSTRAINT "T5" CHECK (iban_valid(iban_plain(payer))),
    CONSTRAINT "T6" CHECK (iban_valid(iban_plain(payee))),
    CONSTRAINT "T7" CHECK (amount > 0)
) SERVER file OPTIONS (path '${EVENTS:-transfers.ndjson}', format 'json');

CREATE FOREIGN TABLE received (
    payee     text PRIMARY KEY,
    transfers bigint,
    amount    numeric(18, 2)
) SERVER file OPTIONS (path '${OUT:-received.ndjson}', format 'json');

INSERT INTO received
SELECT iban_masked(iban_plain(payee)), count(*), sum(amount)
FROM transfers
GROUP BY iban_masked(iban_plain(payee));
