#!/usr/bin/env python3
"""Record what PostgreSQL and Python say about values, for the unit tests of src/column.

    tests/unit/record_values.py [--bin /usr/lib/postgresql/15/bin]

Starts a PostgreSQL of its own in a temporary folder (never as root), asks it,
and rewrites tests/unit/data/*.tsv. The rows
are in COPY's text format: tab between fields, \\t \\n \\\\ escaped, \\N for no value.

  values.tsv      type, input, SQLSTATE or 00000, output      PostgreSQL: input and output functions
  float8.tsv      bits (hex), output                          PostgreSQL: shortest text of a double
  moments.tsv     timestamp, interval, sum or \\N              PostgreSQL: timestamp + interval
  order.tsv       type, value, rank                           PostgreSQL: ORDER BY, equal values have equal ranks
  jsonb.tsv       document, operator, operand, result         PostgreSQL: -> and ->>
  decimal.tsv     operation, operands..., result or \\N        Python's decimal, with 300 digits
"""
import argparse
import decimal
import math
import os
import pathlib
import pwd
import random
import shutil
import struct
import subprocess
import tempfile

DATA = pathlib.Path(__file__).resolve().parent / "data"
SEED = 15


class Postgres:
    """A server on a Unix socket in its own folder, gone at the end of the `with`."""

    def __init__(self, binaries):
        self.binaries = pathlib.Path(binaries)

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="record-")
        self.user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.folder, self.user)
        self.run("initdb", "-D", f"{self.folder}/data", "-U", "recorder", "-E", "UTF8", "--locale=C", "-A", "trust",
                 "-N")
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c timezone=UTC"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-o", options, "-w", "start")
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)

    def run(self, program, *arguments):
        subprocess.run([self.binaries / program, *arguments], check=True, user=self.user, cwd=self.folder,
                       stdout=subprocess.DEVNULL)

    def ask(self, sql):
        settings = "set timezone='UTC'; set datestyle='ISO'; set bytea_output='hex'; set intervalstyle='postgres';\n"
        done = subprocess.run([self.binaries / "psql", "-h", self.folder, "-U", "recorder", "-X", "-q", "-v",
                               "ON_ERROR_STOP=1", "postgres"], input=settings + sql, check=True, text=True,
                              capture_output=True, encoding="utf-8")
        return done.stdout


def quote(text):
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def rows(*columns):
    return ",\n".join("(" + ",".join(quote(c) for c in row) + ")" for row in columns)


def write(name, text):
    (DATA / name).write_text(text, encoding="utf-8")
    print(f"{name}: {text.count(chr(10))} rows")


# ---- values: what goes into every type's input function ----

def integers():
    return ["0", "1", "-1", "+7", " 42 ", "\t9\n", "2147483647", "2147483648", "-2147483648", "-2147483649",
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
            "99999999999999999999999", "", " ", "+", "-", "1.0", "1e3", "12a", "a", "0x10", "1 2", "--1", "+-1", "007"]


def floats():
    return ["0", "-0", "1", "1.5", ".5", "5.", "-.5e1", "1e15", "1e14", "123456789012345", "1234567890123456",
            "0.0001", "0.00001", "1e-5", "1e22", "1e23", "5e-324", "2.2250738585072014e-308", "2.2250738585072011e-308",
            "1.7976931348623157e308", "1.8e308", "1e400", "1e-400", "-1e400", "0e400", "NaN", "nan", "Infinity",
            "-infinity",
            "inf", "+inf", "-Inf", "infinit", "", " ", " 1 ", "1e", "e1", ".", "1.2.3", "1_0", "0.1", "0.3", "100",
            "1e2",
            "9007199254740993", "4.35", "0.30000000000000004", "1e+2", "+1", "--1"]


def numerics(random_):
    fixed = ["0", "-0", "0.00", "1", "-1", "1.005", "1.0049999", "-1.005", "10.995", "0.5", "0.05", "0.005", "0.0049",
             "1e3",
             "1.5e2", "1e-1", "1e-50", "1e50", "-1e-3", ".5", "5.", "+.5", " 1 ", "", " ", ".", "+", "1e", "1e+",
             "1.2.3", "abc",
             "1 2", "9999999999.99", "9999999999.994", "9999999999.995", "99999999999", "-9999999999.995",
             "0.00000000000000000000000000000000000000000000000000000001",
             "1.00000000000000000000000000000000000000000001",
             "1.99999999999999999999999999999999999999999999", "12345678901234567890123456789012345678",
             "123456789012345678901234567890123456789", "0e99999", "1e-99999",
             "000000000000000000000000000000000000000000001.5"]
    for _ in range(300):
        digits = "".join(random_.choice("0123456789") for _ in range(random_.randint(1, 45)))
        point = random_.randint(0, len(digits))
        text = random_.choice(["", "-"]) + digits[:point] + "." + digits[point:]
        fixed.append(text + random_.choice(["", "", f"e{random_.randint(-30, 20)}"]))
    return fixed


def intervals(random_):
    fixed = ["1 day", "1 days", "-1 day", "1 day ago", "2 weeks 3 days ago", "1 year 2 mons 3 days 04:05:06.789",
             "1-2", "-1-2",
             "+1-2", "1-12", "1 -02:03", "1 +02:03", "1 02:03:04", "10:20", "10:20:30.5", "20:30.5", "-10:20", "1:2:3",
             "1:60:00",
             "1:00:61", "1:00:60", "100:00:00", "-0:00:01", "00:00:00.0000005", "00:00:00.0000015", "00:00:00.9999995",
             "1d",
             "1d2h", "1day2h", "1h30m", "1h 30m 5s", "1 h", "5 m", "1 mon", "1 month", "1 min", "1.5 months",
             "1.5 days",
             "1.5 weeks", "1.5 years", "0.7 mons", "1.23456789 days", "-1.5 months", "1.5 decades", "1 century",
             "2 millennia",
             "1 dec", "1 mil", "1 c", "1 us", "1 usec", "1 microsecond", "1.4 us", "1.6 us", "5 ms", "1.5 ms", "1.5 s",
             "1.5",
             "3", "-3", "3 4", "1 hour 1 hour", "1.5 sec 3 ms", "1 sec 3 ms", "1 day 24 hours", "", " ", "day",
             "1 foo", "ago",
             "1 day, 2 hours", "@ 1 minute", "@ 1 minute ago", "1 quarter", "P1Y2M3DT4H5M6S", "PT10M", "P1W", "P", "PT",
             "P1H", "PT1D", "P-1Y", "PT-1.5S", "PT1.5H", "P1.5M", "P1.5Y", "PT0.0000005S", "P1Y1Y", "p1d", "P1DT",
             "P1D2M", "P+1D",
             "1 year ago 2 days", "178956970 years 7 mons", "178956970 years 8 mons", "2147483647 days",
             "2147483648 days",
             "99999999999999999999 days", "2562047788:00:54.775807", "2562047788:00:54.775808",
             "-2562047788:00:54.775808",
             "1 day -2:30", "-1 day 2:30", "-1 mon +2 days -3:00", "1 mon -2 days", "0", "0 days", "1 millisecond",
             "1 milliseconds",
             "1 MILLENNIUM", "1 Day", "1 hrs 2 mins 3 secs", "1 y 2 mon 3 w 4 d", "- 1 day", "1.", ".5 day", "1. day",
             "1.5-2",
             "now", "1 dayz", "10 minutes", "30 s", "1 w", "01:02:03.123456789", "1e3 s", "1:2:3:4", "12:", ":30",
             "1,5 day"]
    units = ["us", "ms", "s", "seconds", "m", "minutes", "hours", "days", "weeks", "mons", "years", "decades"]
    for _ in range(300):
        parts = []
        for unit in random_.sample(units, random_.randint(1, 4)):
            number = str(random_.randint(-500, 500))
            if random_.random() < .4:
                number += "." + "".join(random_.choice("0123456789") for _ in range(random_.randint(1, 8)))
            parts.append(number + " " + unit)
        fixed.append(" ".join(parts) + random_.choice(["", "", " ago"]))
    return fixed


def moments(random_):
    fixed = ["2026-11-21", "2026-11-21 06:00:00", "2026-11-21T06:00:00", "2026-11-21t06:00:00", "2026-11-21 06:00",
             "2026-11-21 6:5:4", "2026-1-2", "2026-1-2 3:04", "20261121", "2026-11-21 06:00:00Z",
             "2026-11-21 06:00:00z", "2026-11-21 06:00:00 Z", "2026-11-21 06:00:00+02", "2026-11-21 06:00:00 +02",
             "2026-11-21 06:00:00-0330", "2026-11-21 06:00:00+05:45", "2026-11-21 06:00:00+05:45:30",
             "2026-11-21 06:00:00+2",
             "2026-11-21 06:00:00+15:59", "2026-11-21 06:00:00+16", "2026-11-21 06:00:00 UTC",
             "2026-11-21 06:00:00 gmt",
             "2026-11-21 06:00:00.1", "2026-11-21 06:00:00.123456", "2026-11-21 06:00:00.1234565",
             "2026-11-21 06:00:00.1234575",
             "2026-11-21 06:00:00.12345649999", "2026-11-21 06:00:00.9999995", "2026-11-21 23:59:59.9999999",
             "2026-12-31 23:59:60", "2026-12-31 23:59:60.5", "2026-12-31 10:20:60.5",
             "2026-12-31 23:59:61", "2026-12-31 24:00:00", "2026-12-31 24:00:01",
             "2026-12-31 25:00:00",
             "2026-12-31 23:60:00", "2026-02-28", "2026-02-29", "2024-02-29", "2000-02-29", "1900-02-29", "2026-13-01",
             "2026-00-10",
             "2026-04-31", "2026-01-00", "0001-01-01", "0001-01-01 00:00:00", "9999-12-31",
             "9999-12-31 23:59:59.999999",
             "1969-12-31 23:59:59.999999", "1970-01-01", "1582-10-10", " 2026-11-21 ", "\t2026-11-21 06:00:00\n", "",
             " ", "x",
             "2026-11", "2026-11-21x", "2026-11-21 06", "2026-11-21 06:0x", "2026-11-21 06:00:00+",
             "2026-11-21 06:00:00++02",
             "2026-11-21T", "2026-11-21 06:00:00 +02 x", "2026-11-21 06:00:00.", "2026-11-21 06:00:00.5Z", "2026/11-21"]
    for _ in range(150):
        text = (f"{random_.randint(1, 9998):04}-{random_.randint(1, 12):02}-{random_.randint(1, 28):02}"
                f"{random_.choice(' T')}{random_.randint(0, 23):02}:{random_.randint(0, 59):02}"
               f":{random_.randint(0, 59):02}")
        if random_.random() < .7:
            text += "." + "".join(random_.choice("0123456789") for _ in range(random_.randint(1, 9)))
        fixed.append(text + random_.choice(["", "Z", "+01", "-0430", "+13:45"]))
    return fixed


def bytes_():
    return ["", "\\x", "\\x00ff", "\\xDEADbeef", "\\x0", "\\xzz", "\\x 00 ff ", "abc", "a\\\\b", "a\\000b", "\\377",
            "\\400", "\\",
            "a\\", "\\12", "é", " x "]


def uuids():
    return ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11}", "", " a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "g0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a-0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            "a0--eebc999c0b4ef8bb6d6bb9bd380a11"]


def documents(random_):
    fixed = ["null", "true", "false", "0", "-0", "-0.0", "1e2", "1E-3", "1.50", "1.50e1", "1.5e-10", "-12.3400",
             "0.00", "0e5", "0e-5",
             "1e30", "123456789012345678901234567890.123456789", '"x"', '"\\u0041\\u00e9\\ud83d\\ude00"',
             '"\\b\\f\\n\\r\\t\\"\\\\\\/"',
             '"\\u0001\\u001f\\u007f"', '"é 😀"', "[]", "{}", "[ ]", " { } ", "[1,2,3]", "[1, [2, [3]]]",
             '{"b":1,"a":2}', '{"bb":1,"c":2,"a":3,"aaa":4}', '{"a":1,"a":2,"b":{"z":1,"y":2,"z":3}}',
             '{"é":1,"zz":2,"z":3,"":4}',
             '{"a\\"b":1, "a\\u0062":2}', '{"ab":1,"a\\u0062":2}', "", " ", "nul", "truex", "[1,]", "[,1]", "[1 2]",
             '{"a"}', '{"a":}',
             '{"a":1,}', '{a:1}', "{'a':1}", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", '"', '"\\', '"\\x"',
             '"\\u00"', '"\\u0000"',
             '"\\ud83d"', '"\\ude00"', '"\\ud83d\\u0041"', '"a\nb"', "[", "{", "]", "}", "[1}", '{"a":1]', "1 2",
             '"a" "b"', "NaN",
             "Infinity", "1e400", "1e131072", "1e-16384", "[[[[[[[[[[1]]]]]]]]]]"]

    def value(depth):
        kind = random_.random()
        if depth > 3 or kind < .5:
            return random_.choice(["1", "-2.50", "3e1", '"t"', '"\\u00fc"', "null", "true", "1.0", "1.00", '"a b"'])
        if kind < .75:
            return "[" + ",".join(value(depth + 1) for _ in range(random_.randint(0, 4))) + "]"
        keys = ["a", "b", "ab", "ba", "", "é", "zzz", "\\n"]
        members = [f'"{random_.choice(keys)}" :{value(depth + 1)}' for _ in range(random_.randint(0, 6))]
        return "{" + " , ".join(members) + "}"

    return fixed + [value(0) for _ in range(100)]


def record_values(postgres, random_):
    booleans = ["t", "true", "TRUE", "tr", "f", "fals", "false", "y", "yes", "n", "no", "on", "of", "off", "o", "1",
                "0", "2", "", " t ",
                "truee", "\tFalse\n", "10", "ye", "yess"]
    texts = ["", "x", " padded ", "é", "tab\there", "new\nline", "back\\slash", "a'b", "😀", "twelve bytes",
             "thirteen bytes"]
    times = moments(random_)
    cases = [("boolean", v) for v in booleans]
    cases += [(t, v) for t in ("integer", "bigint") for v in integers()]
    cases += [("double precision", v) for v in floats()]
    cases += [(t, v) for t in ("numeric(12,2)", "numeric(38,10)", "numeric(18,0)",
                               "numeric(38,38)") for v in numerics(random_)]
    cases += [("text", v) for v in texts] + [("bytea", v) for v in bytes_()] + [("uuid", v) for v in uuids()]
    cases += [(t, v) for t in ("date", "timestamp", "timestamptz") for v in times]
    cases += [("interval", v) for v in intervals(random_)] + [("jsonb", v) for v in documents(random_)]
    write("values.tsv", postgres.ask(f"""
        create function pg_temp.read(t text, v text, out state text, out shown text) as $$
        begin
            execute format('select format(''%%s'', %L::%s)', v, t) into shown;
            state := '00000';
        exception when others then state := sqlstate;
        end $$ language plpgsql;
        create temp table cases (n serial, type text, input text);
        insert into cases (type, input) values {rows(*cases)};
        copy (select type, input, state, shown from cases, pg_temp.read(type, input) order by n) to stdout;
        """))


# ---- doubles by their bits ----

def record_float8(postgres, random_):
    doubles = [2.0 ** e for e in range(-1074, 1024, 7)] + [10.0 ** e for e in range(-30, 31)] + [1e23, 9e22, 5e-324,
                                                                                                 1.5e-323]
    doubles += [math.nextafter(d, math.inf) for d in doubles[:120]] + [math.nextafter(2.0 ** e,
                                                                                      0) for e in range(-1021, 1023,
                                                                                                        31)]
    doubles += [i / 8 for i in range(-20, 20)] + [i / 100 for i in range(0, 2000, 37)] + [9007199254740993.0,
                                                                                          2.0 ** 63, 1e15 - 0.5]
    while len(doubles) < 2000:
        d = struct.unpack("<d", random_.randbytes(8))[0]
        if math.isfinite(d):
            doubles.append(d)
    while len(doubles) < 2500:
        doubles.append(random_.randint(-10 ** 17, 10 ** 17) / 10 ** random_.randint(0, 17))
    cases = [(struct.pack(">d", d).hex(), "%.17g" % d) for d in doubles]
    write("float8.tsv", postgres.ask(f"""
        create temp table cases (n serial, bits text, digits text);
        insert into cases (bits, digits) values {rows(*cases)};
        do $$ begin
            assert (select bool_and(encode(float8send(digits::float8), 'hex') = bits) from cases);
        end $$;
        copy (select bits, digits::float8 from cases order by n) to stdout;
        """))


# ---- timestamp + interval ----

def record_moments(postgres, random_):
    cases = [("2026-01-31 00:00:00", "1 mon"), ("2024-01-31 12:00:00", "1 mon"), ("2024-02-29 00:00:00", "1 year"),
             ("2024-02-29 00:00:00", "-1 year"), ("2026-03-31 00:00:00", "-1 mon"), ("2026-01-01 00:00:00",
                                                                                     "-1 mon -1 day -00:00:01"),
             ("1970-01-01 00:00:00", "-00:00:00.000001"), ("9999-12-31 00:00:00", "23:59:59.999999"),
             ("0001-01-01 00:00:00", "0"), ("2026-10-31 01:02:03.000004", "1 mon 1 day 01:00:00")]
    for _ in range(400):
        start = (f"{random_.randint(1000, 8000):04}-{random_.randint(1, 12):02}-{random_.randint(1, 28):02} "
                 f"0{random_.randint(0, 9)}:00:00")
        cases.append((start, f"{random_.randint(-3000, 3000)} mons {random_.randint(-40000, 40000)} days "
                             f"{random_.randint(-10 ** 13, 10 ** 13)} us"))
    write("moments.tsv", postgres.ask(f"""
        create temp table cases (n serial, start timestamp, span interval);
        insert into cases (start, span) values {rows(*cases)};
        copy (select start, span, start + span from cases order by n) to stdout;
        """))


# ---- order ----

def record_order(postgres, random_):
    cases = []

    def add(type_, *values):
        cases.extend((type_, v) for v in (*values, None))

    add("boolean", "t", "f")
    for type_, bits in (("integer", 31), ("bigint", 63)):
        add(type_, "0", "-1", "1", str(-2 ** bits), str(2 ** bits - 1), "255", "256", "-256", "65536")
    add("double precision", "0", "-0", "1", "-1", "NaN", "Infinity", "-Infinity", "5e-324", "-5e-324", "1e308",
        "-1e308", "1.5", "-1.5")
    add("numeric(12,2)", "0", "1", "1.00", "-1", "0.01", "-0.01", "9999999999.99", "-9999999999.99")
    add("numeric(38,4)", "0", "1", "1.00", "-1", "0.0001", "9999999999999999999999999999999999.9999",
        "-9999999999999999999999999999999999.9999", "1e20", "-1e20")
    add("text", "", "a", "ab", "abc", "b", "B", "é", "ü", "zz", "abcdefghijkl", "abcdefghijklm", "abcdefghijklmn",
        "a b", "😀", "~")
    add("bytea", "\\x", "\\x00", "\\x0000", "\\x00ff", "\\x0001", "\\x01", "\\xff", "\\xffff", "\\x61", "\\x6100",
        "\\x610001", "\\x6101",
        "\\x000000000000000000000000000000", "\\x0000000000000000000000000000ff")
    add("uuid", *(random_.randbytes(16).hex() for _ in range(6)), "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff")
    add("date", "0001-01-01", "1969-12-31", "1970-01-01", "1970-01-02", "9999-12-31")
    for type_ in ("timestamp", "timestamptz"):
        add(type_, "0001-01-01", "1969-12-31 23:59:59.999999", "1970-01-01", "1970-01-01 00:00:00.000001", "9999-12-31")
    add("interval", "0", "1 mon", "30 days", "720:00:00", "31 days", "1 day", "24:00:00", "-1 day", "-24:00:00",
        "1 mon -1 day",
        "29 days", "00:00:00.000001", "1 year", "12 mons", "360 days", "365 days", "-1 mon", "178956970 years",
        "-178956970 years")
    add("integer[]", "{}", "{1}", "{1,2}", "{2}", "{NULL}", "{1,NULL}", "{1,1}", "{-1,5}", "{256}", "{1,2,3}")
    add("text[]", "{}", "{a}", "{a,b}", "{ab}", '{""}', "{NULL}", "{a,NULL}", '{a,""}', "{abcdefghijklmnop,b}", "{é}")
    add("numeric(12,2)[]", "{1.5,2}", "{1.50,2.00}", "{1.5}", "{-1}", "{9999999999.99}")
    add("double precision[]", "{0,-0}", "{-0,0}", "{NaN}", "{Infinity,1}", "{-Infinity}", "{NULL}")
    add("interval[]", '{"1 mon"}', '{"30 days"}', '{"1 day","1 day"}', "{}")
    add("bytea[]", '{"\\\\x00"}', '{"\\\\x","\\\\x00"}', '{"\\\\x0000"}', '{"\\\\x00ff"}')
    write("order.tsv", postgres.ask("".join(f"""
        create temp table cases{i} (n serial, v {type_});
        insert into cases{i} (v) values {rows(*[(v,) for t, v in cases if t == type_])};
        copy (select '{type_}', v, dense_rank() over (order by v) from cases{i} order by n) to stdout;
        """ for i, type_ in enumerate(dict.fromkeys(t for t, _ in cases)))))


# ---- jsonb: equality and access ----

def record_jsonb(postgres, random_):
    docs = ['{"a": 1, "b": {"c": [10, 20, {"d": null}]}, "é\\n": "x\\"y", "t": "plain"}',
            '[1, "two", [3], {"k": "v,]}"}]', '"scalar"',
            "{}", "[]", "null", '{"a": "{\\"a\\": 2}", "]": true}']
    keys = ["a", "b", "é\n", "t", "zz", "", "]"]
    places = ["0", "1", "2", "3", "4", "-1", "-4", "-5", "100"]
    asks = [(d, o, k) for d in docs for o in ("->", "->>") for k in keys]
    asks += [(d, o, i) for d in docs for o in ("#", "##") for i in places]
    write("jsonb.tsv", postgres.ask(f"""
        create temp table cases (n serial, doc text, op text, operand text);
        insert into cases (doc, op, operand) values {rows(*asks)};
        copy (select doc::jsonb, op, operand,
              case op when '->' then (doc::jsonb -> operand)::text when '->>' then doc::jsonb ->> operand
              when '#' then (doc::jsonb -> operand::int)::text else doc::jsonb ->> operand::int end
              from cases order by n) to stdout;
        """))


# ---- decimals: Python ----

def shown(value, scale):
    """As 38 digits at this scale, or \\N."""
    units = value.scaleb(scale).to_integral_exact(rounding=decimal.ROUND_HALF_UP)
    return "\\N" if abs(units) >= decimal.Decimal(10) ** 38 else str(int(units))


def record_decimal(random_):
    decimal.getcontext().prec = 300
    decimal.getcontext().Emax, decimal.getcontext().Emin = 10 ** 6, -10 ** 6
    lines = []

    def number():
        digits = random_.choice([1, 2, 5, 9, 10, 17, 18, 19, 20, 28, 37, 38])
        v = random_.choice([0, 1, 10 ** (digits - 1), 10 ** digits - 1] + [random_.randint(0, 10 ** digits - 1)] * 6)
        return random_.choice([v, -v]), random_.randint(0, 38)

    for _ in range(800):
        (a, sa), (b, sb), scale = number(), number(), random_.randint(0, 38)
        x, y = decimal.Decimal(a).scaleb(-sa), decimal.Decimal(b).scaleb(-sb)
        lines.append(("add", a, b, shown(decimal.Decimal(a + b), 0)))
        lines.append(("mul", a, b, shown(decimal.Decimal(a) * decimal.Decimal(b), 0)))
        lines.append(("rescale", a, sa, scale, shown(x, scale)))
        lines.append(("compare", a, sa, b, sb, int(x.compare(y))))
        if b:
            # Halves are decided by exact integers: the quotient itself may have endlessly many digits.
            top, bottom = abs(a) * 10 ** (scale + sb), abs(b) * 10 ** sa
            units = (2 * top + bottom) // (2 * bottom) * (-1 if (a < 0) != (b < 0) else 1)
            lines.append(("div", a, sa, b, sb, scale, units if abs(units) < 10 ** 38 else "\\N"))
        lines.append(("double", a, sa, struct.pack(">d", float(x)).hex()))
    # Long division guesses a digit of 2^64 from the first word of the divisor; these make it guess too high, twice too.
    for _ in range(200):
        b = 2 ** 125 + random_.choice([2 ** 62 - 1, 0, 1, random_.randrange(2 ** 62)])
        digit = random_.choice([random_.randrange(2 ** 63, 2 ** 64), 2 ** 64 - random_.randint(1, 9)])
        a = digit * b // 10 ** 20 + random_.choice([0, 1, -1])
        lines.append(("div", a, 0, b, 0, 20, (2 * a * 10 ** 20 + b) // (2 * b)))
    lines += decimal_math(random_)
    write("decimal.tsv", "".join("\t".join(map(str, line)) + "\n" for line in lines))


def raised(exponent):
    """e to this power, where it is not past what a decimal of 38 digits can be, or nothing of it."""
    return exponent.exp() if abs(exponent) < 200 else decimal.Decimal(0 if exponent < 0 else "1e99")


def decimal_math(random_):
    """Roots, logarithms and powers: any, near 1, exact ones, ties, and what is just in or out of 38 digits."""
    lines = []

    def decimal_of(most):
        digits, scale = random_.randint(1, most), random_.choice([0, 0, 2, 4, 10, 16, 38, random_.randint(0, 38)])
        return random_.choice([1, 10 ** (digits - 1), 10 ** digits - 1] + [random_.randint(1, 10 ** digits)] * 5), scale

    def near_one():
        scale = random_.randint(1, 37)
        return 10 ** scale + random_.choice([1, -1, 2, -3, random_.randint(1, 9 * 10 ** (scale - 1))]), scale

    def add(name, result, scale, *arguments):
        lines.append((f"math {name}", scale, shown(result, scale), *arguments))

    def add_pair(name, x, sx, y, sy, scale):
        a, b = decimal.Decimal(x).scaleb(-sx), decimal.Decimal(y).scaleb(-sy)
        if name == "power":
            exact = y % 10 ** sy == 0 and 0 <= b < 60
            add(name, a ** int(b) if exact else raised(a.ln() * b), scale, x, sx, y, sy)
        elif a != 1:
            add(name, b.ln() / a.ln(), scale, x, sx, y, sy)

    for i in range(400):
        (x, sx), (y, sy) = near_one() if i % 3 == 0 else decimal_of(38), decimal_of(38)
        scale = random_.choice([16, 16, 20, 30, 38])
        a = decimal.Decimal(x).scaleb(-sx)
        add("sqrt", a.sqrt(), max(scale, sx), x, sx)
        add("ln", a.ln(), scale, x, sx)
        add("log10", a.log10(), scale, x, sx)
        add_pair("log", x, sx, y, sy, scale)
        e, se = random_.randint(-92 * 10 ** 10, 92 * 10 ** 10), random_.choice([10, 12, 15, 30])
        add("exp", raised(decimal.Decimal(e).scaleb(-se)), scale, e, se)
        add("exp", raised(-a), scale, -x, sx)
        e, se = random_.randint(-60 * 10 ** 4, 60 * 10 ** 4), random_.choice([0, 2, 4, 6, 9])
        add_pair("power", x, sx, e, se, scale)
        if i % 3 == 0:
            add_pair("power", x, sx, random_.choice([y, -y]), sy, scale)
    for k in range(39):
        add("log10", decimal.Decimal(k), 16, 10 ** k, 0)
        add("log10", decimal.Decimal(-k), 16, 1, k)
        add_pair("log", 2, 0, 2 ** k, 0, 16)
        add_pair("power", 5, 1, k, 0, 16)  # 0.5^17 is a tie
        add_pair("power", 15, 1, k, 0, 16)
        add_pair("power", 4, 0, 10 * k + 5, 1, 16)
        add("sqrt", decimal.Decimal(10) ** k - 1, 16, (10 ** k - 1) ** 2 if k < 20 else 0, 0) if k < 20 else None
    return lines



def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bin", default="/usr/lib/postgresql/15/bin", help="folder of PostgreSQL 15's programs")
    options = arguments.parse_args()
    DATA.mkdir(exist_ok=True)
    record_decimal(random.Random(SEED))
    with Postgres(options.bin) as postgres:
        for record in (record_values, record_float8, record_moments, record_order, record_jsonb):
            record(postgres, random.Random(SEED))


if __name__ == "__main__":
    main()
