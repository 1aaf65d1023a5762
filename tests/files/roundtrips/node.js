// Runs the npm programs one after the other. Usage: node node.js REJECTED CORRECTIONS FOLDER
const fs = require('fs');
const [rejected, corrections, folder] = process.argv.slice(2);
const fixes = JSON.parse(fs.readFileSync(corrections));
const out = (name) => `${folder}/${name}`;
const read = () => fs.readFileSync(rejected, 'utf8');
// The rows as objects, each corrected by the line number of its rejected row.
const corrected = (rows) => {
  for (const { line, set } of fixes) Object.assign(rows.find((row) => Number(row.line) === line), set);
  return rows;
};

const X = require('xlsx');
// As a spreadsheet opens a CSV: it guesses types, and writes cells as it shows them.
const book = X.readFile(rejected, { type: 'file' });
const sheet = book.Sheets[book.SheetNames[0]];
const shown = X.utils.sheet_to_json(sheet, { raw: false, defval: '' });
fs.writeFileSync(out('sheetjs.csv'), X.utils.sheet_to_csv(X.utils.json_to_sheet(corrected(shown))));
const raw = X.read(read().replace(/^\ufeff/, ''), { type: 'string', raw: true });
const texts = X.utils.sheet_to_json(raw.Sheets[raw.SheetNames[0]], { raw: false, defval: '' });
fs.writeFileSync(out('sheetjs-raw.csv'), X.utils.sheet_to_csv(X.utils.json_to_sheet(corrected(texts))));

const P = require('papaparse');
const text = read().replace(/^\ufeff/, '');
fs.writeFileSync(out('papaparse.csv'), P.unparse(corrected(P.parse(text, { header: true, skipEmptyLines: true }).data)));
const typed = P.parse(text, { header: true, dynamicTyping: true, skipEmptyLines: true }).data;
fs.writeFileSync(out('papaparse-dynamic.csv'), P.unparse(corrected(typed)));
// Without the three extra columns.
const own = corrected(P.parse(text, { header: true, skipEmptyLines: true }).data).map(({ line, column, reason, ...row }) => row);
fs.writeFileSync(out('papaparse-cut-off.csv'), P.unparse(own));

const d3 = require('d3-dsv');
fs.writeFileSync(out('d3-dsv.csv'), d3.csvFormat(corrected(d3.csvParse(text))));

const S = require('csv-stringify/sync');
fs.writeFileSync(out('csv-stringify-semicolon.csv'), S.stringify(corrected(d3.csvParse(text)), { header: true, delimiter: ';', bom: true }));

(async () => {
  const F = require('fast-csv');
  const rows = await new Promise((done) => {
    const rows = [];
    F.parseString(text, { headers: true }).on('data', (row) => rows.push(row)).on('end', () => done(rows));
  });
  fs.writeFileSync(out('fast-csv.csv'), await F.writeToString(corrected(rows), { headers: true }));

  const E = require('exceljs');
  for (const [name, options] of [['exceljs.csv', {}], ['exceljs-text.csv', { map: (value) => value }]]) {
    const book = new E.Workbook();
    const sheet = await book.csv.readFile(rejected, options);
    const names = sheet.getRow(1).values.map((name) => String(name).replace(/^\ufeff/, ''));
    sheet.eachRow((row) => {
      const fix = fixes.find(({ line }) => Number(row.getCell(names.indexOf('line')).value) === line);
      for (const [name, value] of Object.entries(fix ? fix.set : {})) row.getCell(names.indexOf(name)).value = value;
    });
    await book.csv.writeFile(out(name));
  }
})();
