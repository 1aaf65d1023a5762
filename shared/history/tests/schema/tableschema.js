// Casts rows with npm's tableschema: on each line of the input the cells of a row, on each line of the output the kinds of its faults.
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
