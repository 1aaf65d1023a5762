// Two double clicks on each button of the console that changes something, and on the link of the download: each has one effect.
//
//     node twice.mjs REPOSITORY local.json
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tab, Test, check, launch, mouse } from './browser.mjs';
import { ROWS, corrected } from './files.mjs';

const [root, description] = process.argv.slice(2);
const { api_url: api, operators: [, , operator] } = JSON.parse(readFileSync(description, 'utf8'));
const test = new Test(root, api);
const work = mkdtempSync(join(tmpdir(), 'twice-'));

/** All is quiet when the browser has waited for nothing for so many milliseconds. */
const QUIET = 800;

const call = async (method, path, body) => {
  const answer = await fetch(`${api}${path}`, {
    method,
    headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, ...(answer.status === 204 ? {} : await answer.json()) };
};
const imports = async () => (await call('GET', '/policies/cee/imports')).imports;

const register = async () => {
  const application = await call('POST', '/policies/cee', {
    journey_type: 'long', last_name_trunc: 'DUC', phone_trunc: '+336777777', driving_license: '777227308989', datetime: '2024-03-15T08:30:00+01:00',
  });
  check(application.status === 201, JSON.stringify(application));
  return application;
};

/** A tab, and the paths of the console to which its forms and links were sent. */
const open = async (context, script) => {
  const tab = await Tab.open(test, context, { hand: { ...mouse, name: script ? 'mouse' : 'no script' }, script });
  const sent = [];
  tab.page.on('request', (request) => {
    const url = new URL(request.url());
    const is = request.method() === 'POST' || url.pathname.endsWith('.csv');
    if (is && url.origin === test.root) sent.push(`${request.method()} ${url.pathname}`);
  });
  await tab.signIn(operator);
  return { tab, sent };
};

/** A server that is far away: holds its answers until the function that this returns is called. */
const holdAnswers = async (page) => {
  const session = await page.createCDPSession();
  const held = [];
  let isHeld = true;
  // A click can cancel the request of the click before.
  const pass = (requestId) => session.send('Fetch.continueRequest', { requestId }).catch(() => {});
  session.on('Fetch.requestPaused', ({ requestId }) => (isHeld ? held.push(requestId) : pass(requestId)));
  await session.send('Fetch.enable', { patterns: [{ requestStage: 'Response' }] });
  return async () => {
    isHeld = false;
    await Promise.all(held.map(pass));
    await page.waitForNetworkIdle({ idleTime: QUIET });
    await session.detach();
  };
};

/** Two double clicks at one moment, before the server answers, and what the browser then sent. */
const twice = async ({ tab, sent }, selector, moment = Date.now()) => {
  const { page } = tab;
  const button = await page.waitForSelector(selector);
  await button.scrollIntoView();
  const place = await button.clickablePoint();
  const answer = await holdAnswers(page);
  await page.evaluate((now) => {
    Date.now = () => now;
  }, moment);
  sent.length = 0;
  for (let click = 0; click < 2; click++) await page.mouse.click(place.x, place.y, { count: 2 });
  await answer();
  return sent.slice();
};
const once = (sent, expected) => check(sent.join() === expected, `two double clicks send ${sent.join() || 'nothing'} instead of ${expected}`);

const ended = (tab, state) => tab.until(`the import is ${state}`, (wanted) => {
  const live = document.querySelector('#live');
  return live && !live.dataset.refresh && !document.querySelector('#send') && live.querySelector('dd').innerText.startsWith(wanted);
}, state);

const withScript = async (browser) => {
  const context = await browser.createBrowserContext();
  const used = await open(context, true);
  const { tab } = used;
  const file = join(work, 'historique.csv');
  writeFileSync(file, corrected());
  const before = (await imports()).length;
  const one = async (number, what) => {
    const list = await imports();
    check(list.length === before + number, `${what}: ${list.length - before} imports instead of ${number}`);
    return list;
  };

  // A file, checked and imported.
  for (const [at, query] of [[1, ''], [2, '?import=yes']]) {
    await tab.goto(`/console/upload${query}`);
    await mouse.open(tab.page, '#file', file);
    once(await twice(used, '#upload button'), 'POST /console/upload');
    await ended(tab, 'terminé');
    const [latest] = await one(at, 'send');
    check(latest.read === ROWS && !latest.ignored_upload && latest[query ? 'imported' : 'accepted'] === ROWS, JSON.stringify(latest));
  }
  const replaced = tab.path.split(/[/?]/)[3];

  // The place of a file, as the API makes it.
  const place = await call('POST', '/policies/cee/imports', { file_name: 'attendu.csv' });
  await tab.goto(`/console/files/${place.import_id}`);
  await mouse.open(tab.page, '#file', file);
  await twice(used, '#send button');
  await ended(tab, 'terminé');
  const [sent] = await one(3, 'send to a place');
  check(sent.import_id === place.import_id && !sent.ignored_upload && sent.already_known === ROWS, JSON.stringify(sent));

  // A file that replaces the one before.
  await tab.goto(`/console/upload?replaces=${replaced}`);
  await mouse.open(tab.page, '#file', file);
  once(await twice(used, '#upload button'), 'POST /console/upload');
  await ended(tab, 'terminé');
  const [replacing, ...others] = await one(4, 'replace');
  check(replacing.replaces === replaced && others.find((old) => old.import_id === replaced).state === 'undone', JSON.stringify(replacing));

  // Taken back.
  await tab.goto(`/console/take-back?import_id=${replacing.import_id}`);
  once(await twice(used, '#confirm button'), 'POST /console/take-back');
  await ended(tab, 'annulé');
  check((await one(4, 'take back'))[0].state === 'undone', 'it is not taken back');

  // An application, deleted.
  const application = await register();

  // The list, downloaded.
  const client = await tab.page.createCDPSession();
  const folder = mkdtempSync(join(work, 'downloads-'));
  await client.send('Browser.setDownloadBehavior', { behavior: 'allowAndName', downloadPath: folder, browserContextId: context.id });
  await tab.goto('/console/applications?journey_type=long');
  once(await twice(used, '#export'), 'GET /console/applications.csv');
  const downloaded = async (number) => {
    const complete = () => readdirSync(folder).filter((name) => !name.endsWith('.crdownload'));
    for (let tries = 0; complete().length < number; tries++) {
      check(tries < 600, `downloaded: ${readdirSync(folder)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return complete();
  };
  const files = await downloaded(1);
  check(files.length === 1 && readFileSync(join(folder, files[0]), 'utf8').includes(application.uuid), `downloaded: ${files}`);
  // Later it downloads again.
  once(await twice(used, '#export', Date.now() + 2000), 'GET /console/applications.csv');
  check((await downloaded(2)).length === 2, `downloaded: ${readdirSync(folder)}`);

  await tab.goto(`/console/delete?uuid=${application.uuid}`);
  once(await twice(used, '#confirm button'), 'POST /console/delete');
  await tab.shows('La demande a été supprimée.');
  const changes = await call('GET', '/policies/cee/changes');
  const deletes = changes.changes.filter(({ uuid }) => uuid === application.uuid);
  check(deletes.length === 1, JSON.stringify(changes));

  // What changes nothing is asked once, too.
  await tab.goto('/console/simulate');
  await mouse.pick(tab.page, 'input[name=journey_type][value=long]');
  await mouse.write(tab.page, '#last_name_trunc', 'ZAZ');
  await mouse.write(tab.page, '#phone_trunc', '+336010203');
  once(await twice(used, 'main form button'), 'POST /console/simulate');
  once(await twice(used, '.who button'), 'POST /console/sign-out');
  // A wrong secret, which counts once.
  tab.allowed = [/status of 403.*\/console\/sign-in/];
  await mouse.write(tab.page, '#access_key', operator.access_key);
  await mouse.write(tab.page, '#secret_key', 'not the secret');
  once(await twice(used, 'main form button'), 'POST /console/sign-in');
  tab.silent();
  await context.close();
};

/** Without the script each click may be sent, and the registry sees to it. */
const withoutScript = async (browser) => {
  const context = await browser.createBrowserContext();
  const used = await open(context, false);
  const { tab } = used;
  const file = join(work, 'sans script.csv');
  writeFileSync(file, corrected());
  const before = (await imports()).length;
  await tab.goto('/console/upload?import=yes');
  const places = await twice(used, '#upload button');
  await tab.arrives('the page of the place', /^\/console\/files\/[0-9a-f]{32}$/);
  let list = await imports();
  check(list.length === before + 1, `${places.length} forms make ${list.length - before} places`);
  await mouse.open(tab.page, '#file', file);
  await twice(used, '#send button');
  const follow = async (state) => {
    await tab.until('the page of the import', () => document.querySelector('#live'));
    for (let tries = 0; await tab.page.$('#refresh'); tries++) {
      check(tries < 300, `the import is not ${state}`);
      await tab.follow('#refresh');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await ended(tab, state);
  };
  await follow('terminé');
  list = await imports();
  check(list.length === before + 1 && list[0].read === ROWS && list[0].imported + list[0].already_known === ROWS, JSON.stringify(list[0]));
  await tab.goto(`/console/take-back?import_id=${list[0].import_id}`);
  const backs = await twice(used, '#confirm button');
  await follow('annulé');
  check((await imports())[0].state === 'undone', 'it is not taken back');
  const application = await register();
  await tab.goto(`/console/delete?uuid=${application.uuid}`);
  // The answer that is seen may be the one to the second click.
  tab.allowed = [/status of 404.*\/console\/delete/];
  const deletes = await twice(used, '#confirm button');
  check((await call('GET', `/policies/cee/${application.uuid}`)).status === 404, 'the application is not deleted');
  const { changes } = await call('GET', '/policies/cee/changes');
  check(changes.filter(({ uuid }) => uuid === application.uuid).length === 1, JSON.stringify(changes));
  console.log(`without the script four clicks sent ${places.length} forms for a place, ${backs.length} to take back, ${deletes.length} to delete`);
  tab.silent();
  await context.close();
};

const browser = await launch();
try {
  await withScript(browser);
  await withoutScript(browser);
} finally {
  await browser.close();
  rmSync(work, { recursive: true, force: true });
}
console.log('two double clicks have one effect');
