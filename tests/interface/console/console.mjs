// Uses the console in a headless Chromium as a person does, three times: with the mouse, with the keyboard alone, and without JavaScript.
//
//     node console.mjs REPOSITORY cee local.json long.csv [folder for screenshots]
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Tab, Test, check, keyboard, launch, mouse } from './browser.mjs';
import { REASONS, ROWS, clumsy, corrected } from './files.mjs';

const [root, cee, description, long, shots] = process.argv.slice(2);
const { api_url: api, operators } = JSON.parse(readFileSync(description, 'utf8'));
if (shots) mkdirSync(shots, { recursive: true });
const test = new Test(root, api, shots);
const work = mkdtempSync(join(tmpdir(), 'console-'));

/** An application of each operator, which its program has registered. */
const APPLICATIONS = [
  { journey_type: 'short', last_name_trunc: 'MAR', driving_license: '051227308989', operator_journey_id: 'ar:2024-03-15_0001' },
  { journey_type: 'short', last_name_trunc: 'TO ', driving_license: '051227308990', operator_journey_id: 'bv_0002' },
  { journey_type: 'short', last_name_trunc: 'LEG', driving_license: '051227308991', operator_journey_id: 'cc-0001' },
];
const call = async (operator, path, body) => {
  const answer = await fetch(`${api}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  check(answer.status === 201, JSON.stringify(said));
  return said;
};

/** The page of an import says that it has ended: by itself, or without the script after its link was followed. */
const ended = async (tab, state) => {
  while (!tab.script && await tab.page.$('#refresh')) {
    await tab.follow('#refresh');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await tab.until(`the import is ${state}`, (wanted) => {
    const live = document.querySelector('#live');
    return live && !live.dataset.refresh && [...live.querySelectorAll('dd')].some((item) => item.innerText.startsWith(wanted));
  }, state);
};

/** Chooses a file and what to do with it, and sends it. */
const send = async (tab, script, file, action) => {
  const { page, hand } = tab;
  if (script) await hand.open(page, '#file', file);
  if (action) await hand.pick(page, `input[name=check_only][value=${action === 'import' ? 'false' : 'true'}]`);
  if (!script) {
    await hand.write(page, '#file_name', file.split('/').pop());
    await tab.follow('form#upload button');
    await tab.inspect(`place-${action ?? 'check'}`);
    await hand.open(page, '#file', file);
  }
  // With the script the page of the place comes first; without it S3 answers, then a page that leads to the import.
  await tab.follow('#upload button, #send button');
  await tab.until('the page of the import', () => location.pathname.startsWith('/console/files/') && !document.querySelector('#send'));
};

/** The page of an import looks at it again if the registry is busy, and gives way to the registry's answer if the import is gone. */
const leaves = async (tab, place) => {
  const { page } = tab;
  const statuses = [503, 404, 404];
  const answer = (request) => (request.url().includes(place)
    ? request.respond({ status: statuses.shift() ?? 500, contentType: 'text/html', body: '<title>gone</title><link rel="icon" href="data:,">' })
    : request.continue());
  tab.allowed = [/status of (503|404)/];
  await page.setRequestInterception(true);
  page.on('request', answer);
  await tab.until('the answer of a registry without the import', () => document.title === 'gone');
  page.off('request', answer);
  await page.setRequestInterception(false);
  check(statuses.length === 0, `not asked for: ${statuses}`);
  tab.allowed = [];
};

const journey = async (browser, operator, hand, script) => {
  const context = await browser.createBrowserContext();
  const tab = await Tab.open(test, context, { hand, script });
  const { page } = tab;
  const application = await call(operator, '/policies/cee', APPLICATIONS[operator.id - 1]);
  const [bad, good] = ['historique.csv', 'historique corrigé.csv'].map((name) => join(work, name));
  writeFileSync(bad, clumsy());
  writeFileSync(good, corrected());

  // Sign in, after a slip.
  await tab.goto('/');
  await tab.inspect('home');
  if (hand === keyboard) {
    await page.keyboard.press('Tab');
    check(await page.evaluate(() => document.activeElement.matches('a.skip') && document.activeElement.getBoundingClientRect().left >= 0), 'no link skips the menu');
    await page.keyboard.press('Enter');
    await tab.arrives('the content', /#content$/);
  }
  await tab.goto('/console');
  check(tab.path === '/console/sign-in', tab.path);
  await tab.inspect('sign-in');
  tab.allowed = [/status of 403.*\/console\/sign-in/];
  await hand.write(page, '#access_key', operator.access_key);
  await hand.write(page, '#secret_key', 'not the secret');
  await tab.follow('main form button');
  check(await page.$('[role=alert]'), 'a wrong secret is taken');
  await tab.inspect('sign-in-refused');
  tab.allowed = [];
  await hand.write(page, '#access_key', operator.access_key);
  await hand.write(page, '#secret_key', operator.secret_key);
  await tab.follow('main form button');
  check(tab.path === '/console/overview', tab.path);
  await tab.shows(operator.name);
  await tab.inspect('overview-not-counted');
  // The team counts each night.
  execFileSync(cee, ['stats', '--data-dir', dirname(description)], { stdio: 'pipe' });
  await tab.goto('/console/overview');
  check(await page.$('svg.chart'), 'the certificate is not in a chart');
  await hand.press(page, 'summary');
  await tab.inspect('overview');
  await hand.select(page, '#weeks', await page.$eval('#weeks option:last-child', (option) => option.value));
  await tab.follow('#period button');
  await tab.follow('#earlier');
  await tab.inspect('overview-earlier');
  await tab.follow('nav a[href="/console/files"]');
  await tab.shows("Votre entreprise n'a encore envoyé aucun fichier.");
  await tab.inspect('files-none');

  // Check the clumsy file, and read why rows are rejected.
  await tab.follow('main a.button');
  await tab.inspect('upload');
  await send(tab, script, bad, null);
  await ended(tab, 'terminé');
  await tab.shows('vérification seule', 'Seraient acceptées', 'Lignes rejetées');
  const reasons = await page.$$eval('.cells tbody tr', (rows) => rows.map((row) => row.lastElementChild.innerText));
  check(reasons.length === REASONS.length, `${reasons.length} rejected rows`);
  reasons.forEach((reason, row) => check(reason.startsWith(REASONS[row]), `row ${row}: ${reason}`));
  await tab.inspect('checked');
  const checked = page.url();
  const link = await page.$eval('#rejected', (link) => link.pathname);
  check(link === `${new URL(checked).pathname}/rejected`, link);
  const follows = await page.evaluate(async (path) => (await fetch(path, { redirect: 'manual' })).type, link);
  check(follows === 'opaqueredirect', follows);
  // It leads to S3, where a program reads the same file.
  const headers = { authorization: `Bearer ${operator.token}` };
  const { rejected_rows_url: url } = await (await fetch(`${api}/policies/cee/imports/${link.split('/').at(-2)}`, { headers })).json();
  const rejected = await (await fetch(url)).text();
  check(REASONS.every((reason) => rejected.includes(reason)), rejected);

  // Pages that are left at once: the one that S3 leads to, and a place before and after its file.
  const { import_id: place } = await call(operator, '/policies/cee/imports', { file_name: 'attendu.csv' });
  await tab.goto('/console/proof');
  const sent = await (await fetch(`${test.root}/console/sent/${place}`, { headers: { 'accept-language': 'fr' } })).text();
  check(sent.includes('http-equiv="refresh"'), sent);
  await page.setContent(sent.replace(/<meta http-equiv="refresh"[^>]*>/, ''));
  await tab.inspect('sent');
  await tab.goto(`/console/files/${place}`);
  await tab.inspect('awaiting');
  await tab.goto(`/console/files/${place}?sent=yes`);
  await tab.inspect('arrived');
  await tab.follow('#refresh');
  check(tab.path === `/console/files/${place}?sent=yes`, tab.path);
  if (hand === mouse) await leaves(tab, place);

  // Import the corrected one, and watch it to the end.
  await tab.goto(new URL(checked).pathname);
  await tab.follow('#import');
  await send(tab, script, good, null);
  const address = page.url();
  await ended(tab, 'terminé');
  // Once the registry reads the file, the query that says that it was sent may be gone.
  check(page.url().split('?')[0] === address.split('?')[0], `the page was left: ${address}, ${page.url()}`);
  const counts = await page.$$eval('tbody td.number', (cells) => cells.map((cell) => cell.innerText));
  check(counts[0] === String(ROWS), `imported: ${counts}`);
  await tab.inspect('imported');

  // Take it back.
  await tab.follow('#take-back');
  await tab.inspect('take-back');
  await tab.follow('#confirm button');
  await ended(tab, 'annulé');
  await tab.inspect('taken-back');
  await tab.follow('nav a[href="/console/files"]');
  await tab.shows('historique.csv', 'annulé');
  await tab.inspect('files');

  // Find an application, and verify its proof.
  await tab.follow('nav a[href="/console/applications"]');
  await tab.inspect('applications');
  await hand.select(page, '#journey_type', 'long');
  await tab.follow('#filter button');
  await tab.shows("Il n'y a aucune demande de ce type sur cette page.");
  await tab.inspect('applications-none');
  await tab.goto('/console/applications');
  await hand.write(page, '#uuid', application.uuid);
  await tab.follow('#find button');
  await tab.shows(application.uuid, application.token);
  await tab.inspect('application');
  await tab.follow('form[action="/console/proof"] button');
  await tab.shows('Ce registre a signé cette preuve, et sa demande est valable.', application.uuid);
  await tab.inspect('proof-valid');
  await hand.write(page, '#token', `${application.token.slice(0, -9)}AAAAAAAAA`);
  await tab.follow('main form button');
  check(await page.$('[role=alert]'), 'a forged proof is taken');
  await tab.inspect('proof-forged');

  // Simulate.
  await tab.follow('nav a[href="/console/simulate"]');
  await tab.inspect('simulate');
  await hand.pick(page, 'input[name=journey_type][value=long]');
  await hand.write(page, '#last_name_trunc', 'ZAZ');
  await hand.write(page, '#phone_trunc', '+336010203');
  await tab.follow('main form button');
  await tab.shows('Ce conducteur peut obtenir un certificat.');
  await tab.inspect('simulated');

  // Delete the application.
  await tab.goto(`/console/application?uuid=${application.uuid}`);
  await tab.follow('#delete');
  await tab.inspect('delete');
  await tab.follow('#confirm button');
  await tab.shows('La demande a été supprimée.');
  await tab.inspect('deleted');
  tab.allowed = [/status of 404/];
  await tab.goto('/console/nothing');
  await tab.inspect('no-such-page');
  tab.allowed = [];

  // Change the language, and sign out.
  await tab.goto('/console/files');
  await tab.follow('nav a[hreflang=en]');
  tab.language = 'en';
  await tab.shows('Sign out', 'undone');
  for (const [name, path] of [
    ['overview', '/console/overview'], ['files', '/console/files'], ['upload', '/console/upload'], ['taken-back', new URL(address).pathname],
    ['applications', '/console/applications'], ['simulate', '/console/simulate'], ['proof', '/console/proof'], ['home', '/'],
  ]) {
    await tab.goto(path);
    await tab.inspect(name);
  }
  await tab.goto('/console/files');
  await tab.follow('.who button');
  check(tab.path === '/console/sign-in', tab.path);
  await tab.inspect('signed-out');
  await tab.goto('/console/files');
  check(tab.path === '/console/sign-in', 'the session goes on');
  tab.silent();
  await context.close();
};

/** Two tabs show the same import while it runs. */
const twoTabs = async (browser, operator) => {
  const context = await browser.createBrowserContext();
  const first = await Tab.open(test, context, { hand: mouse });
  const { page } = first;
  await first.signIn(operator);
  await first.goto('/console/upload?import=yes');
  await send(first, true, long, null);
  const second = await Tab.open(test, context, { hand: mouse });
  await second.page.goto(page.url());
  // The keyboard is within what will be replaced.
  await second.until('the link of a running import', () => {
    const link = document.querySelector('#refresh');
    link?.focus();
    return document.activeElement === link;
  });
  // Each value of the progress that a tab shows until the import has ended.
  const watch = async (tab) => {
    const shown = [];
    let inspected = false;
    await tab.page.bringToFront();
    for (;;) {
      const now = await tab.until('the page of the import', () => {
        const bar = document.querySelector('#live progress:not(#bar)');
        return { rows: bar && [bar.value, bar.max], runs: Boolean(document.querySelector('#live').dataset.refresh) };
      });
      if (now.rows && shown.at(-1)?.[0] !== now.rows[0]) shown.push(now.rows);
      if (now.rows && !inspected && tab === first) {
        inspected = true;
        await tab.inspect('running');
      }
      if (!now.runs) return shown;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const [one, two] = await Promise.all([watch(first), watch(second)]);
  for (const shown of [one, two]) {
    check(shown.length > 0, 'the import ended before its progress was seen: take a longer file');
    check(shown.every(([rows, total], at) => total === shown[0][1] && rows <= total && (at === 0 || rows > shown[at - 1][0])), `${shown}`);
  }
  check(one[0][1] === two[0][1], `one tab counts ${one[0][1]} rows, the other ${two[0][1]}`);
  const [here, there] = await Promise.all([first, second].map((tab) => tab.text('#live dl + h2, #live h2')));
  check(here === there && (await first.text('table')) === (await second.text('table')), 'the tabs end differently');
  check(await second.page.evaluate(() => document.activeElement.closest('main') !== null), 'the keyboard has lost its place');
  for (const tab of [first, second]) check((await tab.text('.unseen[role=status]')).startsWith('terminé'), 'nobody hears that the import has ended');
  console.log(`two tabs: ${one.map(([rows]) => rows)} and ${two.map(([rows]) => rows)} of ${one[0][1]} rows`);
  first.silent();
  second.silent();
  await context.close();
};

const browser = await launch();
try {
  for (const [number, hand, script] of [[0, mouse, true], [1, keyboard, true], [2, { ...mouse, name: 'no script' }, false]]) {
    const began = Date.now();
    await journey(browser, operators[number], hand, script);
    console.log(`${hand.name}: ${script ? 'with' : 'without'} the script, ${Math.round((Date.now() - began) / 1000)} s`);
    // The screenshots show one of the three.
    test.shots = undefined;
  }
  await twoTabs(browser, operators[0]);
} finally {
  await browser.close();
  rmSync(work, { recursive: true, force: true });
}
console.log(`axe: ${[...test.seen.values()].reduce((sum, found) => sum + found, 0)} violations on ${test.seen.size} pages (by language and width)`);
