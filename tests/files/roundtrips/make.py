"""Opens, corrects and saves one rejected file with many programs, as a person would before sending it back.

Usage: make.py PYTHON NODE_MODULES [name…]. PYTHON has pandas, polars, duckdb, csvkit, petl, pyarrow. NODE_MODULES has the npm packages
xlsx, exceljs, papaparse, d3-dsv, csv-stringify, fast-csv. Debian has the rest: libreoffice-calc, python3-uno, gnumeric, r-base-core,
r-cran-data.table, miller, sqlite3, php-cli, ruby, perl with libtext-csv-perl. The script writes the files into `back`. manifest.json,
which is written by hand, has the expected result, the version and the command of each.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
python, modules, only = sys.argv[1], sys.argv[2], sys.argv[3:]
rejected, corrections, back = here / "rejected.csv", here / "corrections.json", here / "back"
back.mkdir(exist_ok=True)
fixes = json.loads(corrections.read_text())
wanted = lambda name: not only or name in only


def run(name, *command, **more):
    if wanted(name):
        print(name, flush=True)
        subprocess.run([str(part) for part in command], check=True, **more)


def script(name, command, text, *arguments):
    """Runs a short script, given on standard input."""
    run(name, *command, *arguments, input=text, text=True)


for name, language, more in [
    ("libreoffice-en.csv", "en-US", []),
    ("libreoffice-fr.csv", "fr-FR", []),
    ("libreoffice-en-guess.csv", "en-US", ["guess"]),
    ("libreoffice-fr-guess.csv", "fr-FR", ["guess"]),
]:
    run(name, "/usr/bin/python3", here / "calc.py", rejected, corrections, back / name, language, *more)

# Gnumeric: its converter sets a cell with --set. The rows keep their order, the header first.
for name, locale in [("gnumeric-en.csv", "en_US.UTF-8"), ("gnumeric-fr.csv", "fr_FR.UTF-8")]:
    columns = ["journey_type", "last_name_trunc", "phone_trunc", "datetime"]
    cells = [
        f"--set={'ABCD'[columns.index(column)]}{row}={value}"
        for row, fix in enumerate(fixes, 2)
        for column, value in fix["set"].items()
    ]
    run(name, "ssconvert", *cells, rejected, back / name, env={**os.environ, "LC_ALL": locale})

EVERY = f"""
import json
fixes = json.load(open({str(corrections)!r}))
rejected, out = {str(rejected)!r}, lambda name: {str(back)!r} + "/" + name
"""
script("pandas.csv", [python, "-"], EVERY + """
import pandas
t = pandas.read_csv(rejected)
for fix in fixes:
    for name, value in fix["set"].items():
        t.loc[t.line == fix["line"], name] = value
t.to_csv(out("pandas.csv"), index=False)
t.to_csv(out("pandas-index.csv"))
t[["line", "column", "reason", "journey_type", "last_name_trunc", "phone_trunc", "datetime"]].to_csv(out("pandas-in-front.csv"), index=False)
t.rename(columns={"line": "ligne", "column": "colonne", "reason": "motif"}).to_csv(out("pandas-translated.csv"), index=False, sep=";")
""")
script("polars.csv", [python, "-"], EVERY + """
import polars
t = polars.read_csv(rejected)
for fix in fixes:
    for name, value in fix["set"].items():
        new = polars.lit(value).cast(t.schema[name], strict=False)
        t = t.with_columns(polars.when(polars.col("line") == fix["line"]).then(new).otherwise(polars.col(name)).alias(name))
t.write_csv(out("polars.csv"))
""")
script("duckdb.csv", [python, "-"], EVERY + """
import duckdb
c = duckdb.connect()
c.execute(f"create table t as from read_csv('{rejected}')")
for fix in fixes:
    for name, value in fix["set"].items():
        c.execute(f"update t set {name} = ? where line = ?", [value, fix["line"]])
c.execute(f"copy t to '{out('duckdb.csv')}'")
""")
script("petl.csv", [python, "-"], EVERY + """
import petl
t = petl.fromcsv(rejected, encoding="utf-8-sig")
for fix in fixes:
    for name, value in fix["set"].items():
        t = petl.convert(t, name, lambda _, value=value: value, where=lambda row, line=str(fix["line"]): row.line == line)
petl.tocsv(t, out("petl.csv"))
""")
script("pyarrow.csv", [python, "-"], EVERY + """
import pyarrow, pyarrow.csv
t = pyarrow.csv.read_csv(rejected, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)).to_pylist()
for fix in fixes:
    next(row for row in t if row["line"] == fix["line"]).update(fix["set"])
pyarrow.csv.write_csv(pyarrow.Table.from_pylist(t), out("pyarrow.csv"))
""")
script("python-csv.csv", [python, "-"], EVERY + """
import csv
rows = list(csv.DictReader(open(rejected, encoding="utf-8-sig", newline="")))
for fix in fixes:
    next(row for row in rows if row["line"] == str(fix["line"])).update(fix["set"])
w = csv.DictWriter(open(out("python-csv.csv"), "w", newline=""), rows[0])
w.writeheader()
w.writerows(rows)
""")
# A person with a plain text editor, who corrects the first rows and types the other rows again, without the three extra cells.
script("text-editor.csv", [python, "-"], EVERY + """
import csv, io
rows = list(csv.reader(open(rejected, encoding="utf-8-sig", newline="")))
text = io.StringIO(newline="")
w = csv.writer(text, lineterminator="\\n")
names = rows[0]
w.writerow(names)
for number, (row, fix) in enumerate(zip(rows[1:], fixes)):
    row = dict(zip(names, row), **fix["set"])
    w.writerow([row[name] for name in (names if number < 10 else names[:4])])
open(out("text-editor.csv"), "w").write(text.getvalue())
""")
# csvkit corrects with SQL.
cases = {}
for fix in fixes:
    for column, value in fix["set"].items():
        cases.setdefault(column, []).append(f"when {fix['line']} then '{value}'")
select = ", ".join(
    f"case line {' '.join(cases[name])} else {name} end as {name}" if name in cases else f'"{name}"'
    for name in ["journey_type", "last_name_trunc", "phone_trunc", "datetime", "line", "column", "reason"]
)
csvkit = pathlib.Path(python).parent
for name, more in [("csvkit-csvsql.csv", []), ("csvkit-csvsql-no-inference.csv", ["--no-inference"])]:
    if wanted(name):
        with open(back / name, "w") as file:
            cast = select.replace("case line", "case cast(line as integer)")
            run(name, csvkit / "csvsql", *more, "--tables", "t", "--query", f"select {cast} from t", rejected, stdout=file)
if wanted("csvkit-in2csv.csv"):
    with open(back / "csvkit-in2csv.csv", "w") as file:
        run("csvkit-in2csv.csv", csvkit / "in2csv", back / "python-csv.csv", stdout=file)

mlr = "".join(
    f'$line == {fix["line"]} {{ ${column} = "{value}" }}\n' for fix in fixes for column, value in fix["set"].items()
)
for name, form in [("miller.csv", ["--icsv", "--ocsv"]), ("miller.tsv", ["--icsv", "--otsv"])]:
    if wanted(name):
        with open(back / name, "w") as file:
            run(name, "mlr", *form, "put", mlr, rejected, stdout=file)

sql = "".join(
    f"update t set {column} = '{value}' where line = '{fix['line']}';\n" for fix in fixes for column, value in fix["set"].items()
)
if wanted("sqlite.csv"):
    with open(back / "sqlite.csv", "w") as file:
        text = f".mode csv\n.import '{rejected}' t\n{sql}.headers on\nselect * from t;\n"
        run("sqlite.csv", "sqlite3", ":memory:", input=text, text=True, stdout=file)

R = f"""
fixes <- read.csv(text = {json.dumps(chr(10).join(["line,name,value"] + [f'{fix["line"]},{column},"{value}"' for fix in fixes for column, value in fix["set"].items()]))}, strip.white = FALSE, na.strings = character())
correct <- function(t) {{
  for (i in seq_len(nrow(fixes))) t[t$line == fixes$line[i], fixes$name[i]] <- fixes$value[i]
  t
}}
"""
script("r.csv", ["Rscript", "-"], R + f"""
t <- correct(read.csv("{rejected}", fileEncoding = "UTF-8-BOM"))
write.csv(t, "{back}/r.csv", row.names = FALSE)
write.csv(t, "{back}/r-row-names.csv")
write.csv2(t, "{back}/r-csv2.csv", row.names = FALSE)
write.table(t, "{back}/r-table.csv", sep = ",")
""")
script("r-fread.csv", ["Rscript", "-"], R + f"""
library(data.table)
t <- as.data.frame(fread("{rejected}"))
t$datetime <- as.character(t$datetime)
fwrite(correct(t), "{back}/r-fread.csv")
""")

PHP = f"""<?php
$fixes = array_column(json_decode(file_get_contents("{corrections}"), true), null, "line");
$in = fopen("{rejected}", "r");
$out = fopen("{back}/php.csv", "w");
$names = fgetcsv($in);
$names[0] = str_replace("\\xEF\\xBB\\xBF", "", $names[0]);
fputcsv($out, $names);
while ($row = fgetcsv($in)) {{
    $row = array_combine($names, $row);
    fputcsv($out, array_merge($row, $fixes[$row["line"]]["set"]));
}}
"""
script("php.csv", ["php"], PHP)
script("ruby.csv", ["ruby", "-"], f"""
require 'csv'
require 'json'
fixes = JSON.parse(File.read('{corrections}')).to_h {{ |fix| [fix['line'].to_s, fix['set']] }}
table = CSV.read('{rejected}', headers: true, encoding: 'bom|utf-8')
table.each {{ |row| fixes[row['line']].each {{ |name, value| row[name] = value }} }}
File.write('{back}/ruby.csv', table.to_csv)
""")
script("perl.csv", ["perl", "-"], f"""
use utf8; use Text::CSV; use JSON::PP;
open my $f, '<', '{corrections}'; my %fixes = map {{ $_->{{line}} => $_->{{set}} }} @{{decode_json(join '', <$f>)}};
my $csv = Text::CSV->new({{ binary => 1, eol => "\\n" }});
open my $in, '<:encoding(UTF-8)', '{rejected}'; open my $out, '>:encoding(UTF-8)', '{back}/perl.csv';
my @names = $csv->header($in, {{ munge_column_names => 'none' }}); $csv->print($out, \\@names);
while (my $row = $csv->getline_hr($in)) {{
  my %row = (%$row, %{{$fixes{{$row->{{line}}}}}}); $csv->print($out, [@row{{@names}}]);
}}
""")
node = ["node", here / "node.js", rejected, corrections, back]
run("node", *node, env={**os.environ, "NODE_PATH": modules})
shutil.rmtree(here / "__pycache__", ignore_errors=True)
