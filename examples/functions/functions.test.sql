-- bourn test --allow-c-functions: the functions are called, so libiban.so must be there (functions.sql says how to make it).
SET test.pipeline = 'functions.sql';

SET test.name = 'amounts are added up for each payee, who is shown by the last four characters';
INSERT INTO transfers (id, payer, payee, amount) VALUES
    ('a', 'GB82 WEST 1234 5698 7654 32', 'DE89370400440532013000', 10.50),
    ('b', 'FR14 2004 1010 0505 0001 3M02 606', 'de89 3704 0044 0532 0130 00', 0.25),
    ('c', 'DE89370400440532013000', 'GB82WEST12345698765432', 7);
SELECT payee, transfers, amount FROM received;
VALUES ('DE****************3000', 2, 10.75), ('GB****************5432', 1, 7);
SELECT rules FROM bourn.rejected;

SET test.name = 'a number with a wrong digit is rejected, by the rule that says whose it is';
INSERT INTO transfers (id, payer, payee, amount) VALUES
    ('a', 'GB83WEST12345698765432', 'DE89370400440532013000', 1),
    ('b', 'GB82WEST12345698765432', 'DE89370400440532013001', 1),
    ('c', '', 'DE8937040044053201300é', 0);
SELECT "offset", rules FROM bourn.rejected;
VALUES (0, 'T5'), (1, 'T6'), (2, 'T5,T6,T7');
SELECT payee FROM received;

SET test.name = 'tests may call them, too';
INSERT INTO transfers (id, payer, payee, amount) VALUES
    ('a', 'GB82WEST12345698765432', 'DE89370400440532013000', 1);
SELECT iban_valid(payee), iban_valid('DE89370400440532013000') FROM received;
VALUES (false, true);
