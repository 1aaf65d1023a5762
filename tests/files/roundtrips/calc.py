"""Does what a person does in LibreOffice Calc: opens the rejected file, types the corrections into the cells, saves it as CSV.

Usage: calc.py REJECTED CORRECTIONS OUT LANGUAGE [guess]. Needs python3-uno. LANGUAGE is fr-FR or en-US. `guess` ticks "Detect special
numbers" in the dialog, as after a double click on a file with dates.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import uno
from com.sun.star.beans import PropertyValue

rejected, corrections, out, language = sys.argv[1:5]
guess = "true" if "guess" in sys.argv else "false"
codes = {"en-US": "1033", "fr-FR": "1036"}


def properties(**values):
    return tuple(PropertyValue(Name=name, Value=value) for name, value in values.items())


def url(path):
    return pathlib.Path(path).resolve().as_uri()


with tempfile.TemporaryDirectory() as profile:
    office = subprocess.Popen(
        ["soffice", "--headless", "--norestore", "--accept=pipe,name=roundtrip;urp;", f"-env:UserInstallation={url(profile)}"],
        env={**os.environ, "LC_ALL": language.replace("-", "_") + ".UTF-8"},
    )
    resolver = uno.getComponentContext().ServiceManager.createInstance("com.sun.star.bridge.UnoUrlResolver")
    for attempt in range(120):
        try:
            context = resolver.resolve("uno:pipe,name=roundtrip;urp;StarOffice.ComponentContext")
            break
        except Exception:
            time.sleep(0.5)
    desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
    # Separator, quotes, UTF-8, first line, columns, language, quote all text, detect numbers.
    form = f"44,34,76,1,,{codes[language]},false,{guess}"
    filters = dict(FilterName="Text - txt - csv (StarCalc)", Hidden=True)
    document = desktop.loadComponentFromURL(url(rejected), "_blank", 0, properties(FilterOptions=form, **filters))
    sheet = document.Sheets.getByIndex(0)
    cursor = sheet.createCursor()
    cursor.gotoEndOfUsedArea(False)
    last_row, last_column = cursor.RangeAddress.EndRow, cursor.RangeAddress.EndColumn
    names = [sheet.getCellByPosition(column, 0).String for column in range(last_column + 1)]
    lines = {}
    for row in range(1, last_row + 1):
        lines[sheet.getCellByPosition(names.index("line"), row).String] = row
    for correction in json.load(open(corrections)):
        for name, value in correction["set"].items():
            # As if it was typed: Calc interprets the text.
            sheet.getCellByPosition(names.index(name), lines[str(correction["line"])]).FormulaLocal = value
    # "As shown" is the dialog's default.
    form = f"44,34,76,1,,{codes[language]},false,true,true"
    document.storeToURL(url(out), properties(FilterOptions=form, **filters))
    document.close(True)
    desktop.terminate()
    office.wait()
