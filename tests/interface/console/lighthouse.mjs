// Measures every page of the console with Lighthouse, as a phone loads it: accessibility, best practices and performance.
//
//     node lighthouse.mjs REPOSITORY cee local.json [folder for the reports]
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import lighthouse from 'lighthouse';
import { Tab, Test, check, launch, mouse } from './browser.mjs';
import { clumsy } from './files.mjs';

const LEAST = 95;
const CATEGORIES = ['accessibility', 'best-practices', 'performance'];

const [root, cee, description, folder] = process.argv.slice(2);
const { api_url: api, operators: [operator] } = JSON.parse(readFileSync(description, 'utf8'));
const test = new Test(root, api);
if (folder) mkdirSync(folder, { recursive: true });

/** The score of a page in each category; below what is asked for, why. */
const measure = async (page, name, path) => {
  const { lhr, report } = await lighthouse(`${test.root}${path}`, {
    onlyCategories: CATEGORIES,
    output: 'html',
    logLevel: 'error',
    // The session is a cookie.
    disableStorageReset: true,
  }, undefined, page);
  check(!lhr.runtimeError, `${name}: ${lhr.runtimeError?.message}`);
  check(new URL(lhr.finalDisplayedUrl).pathname === path.split('?')[0], `${name} leads to ${lhr.finalDisplayedUrl}`);
  if (folder) writeFileSync(join(folder, `${name}.html`), report);
  const scores = CATEGORIES.map((category) => Math.round(lhr.categories[category].score * 100));
  console.log(`${name.padEnd(20)} ${scores.map((score) => String(score).padStart(4)).join(' ')}`);
  const low = CATEGORIES.filter((_, at) => scores[at] < LEAST).flatMap((category) => {
    const audits = lhr.categories[category].auditRefs.filter(({ weight }) => weight > 0).map(({ id }) => lhr.audits[id]);
    return audits.filter(({ score }) => score !== null && score < 1).map(({ id, displayValue, title }) => `${name}: ${id} ${displayValue ?? title}`);
  });
  return low;
};

const browser = await launch();
const work = mkdtempSync(join(tmpdir(), 'console-'));
try {
  const tab = await Tab.open(test, browser.defaultBrowserContext(), { hand: mouse });
  const { page } = tab;
  console.log(`${'page'.padEnd(20)} ${CATEGORIES.join(' ')}`);
  const low = [];
  for (const [name, path] of [['home', '/'], ['sign-in', '/console/sign-in'], ['proof', '/console/proof']]) {
    low.push(...await measure(page, name, path));
  }
  const application = await (await fetch(`${api}/policies/cee`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      journey_type: 'short', last_name_trunc: 'MAR', driving_license: '051227308989', operator_journey_id: 'ar:2024-03-15_0001',
    }),
  })).json();
  await tab.goto('/console/sign-in');
  await mouse.write(page, '#access_key', operator.access_key);
  await mouse.write(page, '#secret_key', operator.secret_key);
  await tab.follow('main form button');
  // A place without its file, a file that was checked, and one of which the good rows were imported.
  const place = await (await fetch(`${api}/policies/cee/imports`, {
    method: 'POST', headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/json' }, body: '{"file_name": "place.csv"}',
  })).json();
  const file = join(work, 'historique.csv');
  writeFileSync(file, clumsy());
  const imports = [];
  for (const address of ['/console/upload', '/console/upload?import=yes']) {
    await tab.goto(address);
    await mouse.open(page, '#file', file);
    await tab.follow('#upload button');
    await tab.until('the import has ended', () => document.querySelector('#live .cells') !== null);
    imports.push(new URL(page.url()).pathname);
  }
  execFileSync(cee, ['stats', '--data-dir', dirname(description)], { stdio: 'pipe' });
  const imported = imports[1].split('/').pop();
  for (const [name, path] of [
    ['overview', '/console/overview'], ['files', '/console/files'], ['upload', '/console/upload'], ['place', `/console/files/${place.import_id}`],
    ['checked', imports[0]], ['imported', imports[1]], ['take-back', `/console/take-back?import_id=${imported}`],
    ['applications', '/console/applications'], ['application', `/console/application?uuid=${application.uuid}`],
    ['delete', `/console/delete?uuid=${application.uuid}`], ['simulate', '/console/simulate'],
    ['proof-signed-in', '/console/proof'],
  ]) {
    low.push(...await measure(page, name, path));
  }
  check(low.length === 0, `below ${LEAST}:\n${low.join('\n')}`);
} finally {
  await browser.close();
  rmSync(work, { recursive: true, force: true });
}
