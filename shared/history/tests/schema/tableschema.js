// Casts rows with npm's tableschema. Each input line has the cells of a row; each output line has the kinds of the row's errors.
const readline = require('readline');
const { Schema } = require('tableschema');

(async () => {
  const schema = await Schema.load(require(require('path').resolve(process.argv[2])));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let kinds = [];
    try {
      schema.castRow(JSON.parse(line));
    } catch (error) {
      kinds = ['cast'];
    }
    process.stdout.write(`${JSON.stringify(kinds)}\n`);
  }
})();
