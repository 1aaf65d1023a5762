// Sends a large file through the browser while other tabs watch, loses the connection, sends it again, closes the tab, sends it once more:
// one import, every row once, and no function holds the file.
//
//     node upload.mjs REPOSITORY local.json large.csv ROWS check|import PROCESS
//
// PROCESS is the local stack, whose functions are its children.
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tab, Test, check, launch, mouse } from './browser.mjs';

const [root, description, large, rowsText, action, stack] = process.argv.slice(2);
const { api_url: api, operators: [, operator] } = JSON.parse(readFileSync(description, 'utf8'));
const test = new Test(root, api);
const rows = Number(rowsText);
const { size } = statSync(large);
const MB = 1e6;
/** A function may grow by this much while a file of any size is sent, and while it is read: always less than the file. */
const MOST = { 'cee-console': 4 * MB, 'cee-import': Math.min(48 * MB, size - MB) };
/** The bytes of forms that the console may receive. */
const MOST_RECEIVED = 4000;

/** What an import's page shows of it, as the API says it. */
const imports = async () => {
  const answer = await fetch(`${api}/policies/cee/imports`, { headers: { authorization: `Bearer ${operator.token}` } });
  check(answer.ok, `${answer.status}`);
  return (await answer.json()).imports;
};

/** What a program hears of the same file, which is only checked: the API's own upload, without a browser. */
const checked = async () => {
  const headers = { authorization: `Bearer ${operator.token}`, 'content-type': 'application/json' };
  const answer = await fetch(`${api}/policies/cee/imports`, { method: 'POST', headers, body: JSON.stringify({ check_only: true, size }) });
  const place = await answer.json();
  check(answer.status === 201, JSON.stringify(place));
  const put = await fetch(place.upload_url, { method: 'PUT', headers: { 'content-length': `${size}` }, body: createReadStream(large), duplex: 'half' });
  check(put.ok, await put.text());
  for (;;) {
    const now = (await imports()).find(({ import_id: id }) => id === place.import_id);
    if (now.ended_at) return now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

/** The process of a function, and the most memory that it has ever had, in bytes. */
const memory = (name) => {
  for (const id of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const status = readFileSync(`/proc/${id}/status`, 'utf8');
      const value = (key) => status.match(new RegExp(`^${key}:\\s+(.+)$`, 'm'))?.[1];
      if (value('PPid') === stack && value('Name') === name) return { id, most: parseInt(value('VmHWM'), 10) * 1024 };
    } catch {
      // It has ended.
    }
  }
  throw new Error(`${name} is not a process of the stack ${stack}: start it with --binaries`);
};
const memories = () => Object.fromEntries(Object.keys(MOST).map((name) => [name, memory(name)]));

/** All that the browser sends goes through here, so it can be counted and cut off. */
class Line {
  /** Forms and their bytes: to the console, and to S3. */
  sent = { console: [0, 0], s3: [0, 0] };
  sockets = new Set();
  isCut = false;
  /** Whether nothing more arrives. A tab that is closed is slowed down no more, and might send the rest at once. */
  isHeld = false;
  /** Whether the console is too busy for a form. */
  isBusy = false;

  constructor() {
    this.server = createServer((request, response) => {
      const kind = new URL(request.url).origin === test.root ? 'console' : 's3';
      if (this.isBusy && request.method === 'POST') {
        request.resume();
        response.writeHead(503, { 'content-type': 'text/html' }).end('<main>Busy</main>');
        return;
      }
      const { 'proxy-connection': _, ...headers } = request.headers;
      const onward = httpRequest(request.url, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      // What was cut off here is cut off there.
      response.on('close', () => response.writableFinished || onward.destroy());
      if (request.method === 'POST') this.sent[kind][0] += 1;
      request.on('data', (bytes) => {
        this.sent[kind][1] += bytes.length;
        if (!this.isHeld && !onward.write(bytes)) {
          request.pause();
          onward.once('drain', () => request.resume());
        }
      });
      request.on('end', () => this.isHeld || onward.end());
    });
    this.server.on('connection', (socket) => {
      if (this.isCut) socket.destroy();
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async open() {
    await new Promise((listens) => this.server.listen(0, '127.0.0.1', listens));
    return `127.0.0.1:${this.server.address().port}`;
  }

  cut(isCut) {
    this.isCut = isCut;
    if (isCut) this.sockets.forEach((socket) => socket.destroy());
  }
}
const line = new Line();

const open = async (context, path) => {
  const tab = await Tab.open(test, context, { hand: mouse });
  // The connection that this test cuts, what was under way then, and the registry that is busy.
  tab.allowed = [/net::ERR_/, /status of 503/];
  await tab.page.bringToFront();
  if (path) await tab.goto(path);
  return tab;
};

/** What a page shows of a file that is being sent: nothing, or by whom and how much of it. */
const shown = (tab) => tab.until('the page', () => {
  const seen = (id) => document.getElementById(id)?.checkVisibility() ?? false;
  const bar = document.getElementById('bar');
  return { here: seen('here'), elsewhere: seen('elsewhere'), failed: seen('failed'), form: seen('send'), part: seen('bar') ? bar.value / bar.max : 0 };
});

/** Waits until more than this part of the file is sent, and returns each part that was seen on the way. */
const moves = async (tab, where, part) => {
  const seen = [];
  await tab.page.bringToFront();
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const now = await shown(tab);
    check(!now.part || (now[where] && now.here !== now.elsewhere), `${where}: ${JSON.stringify(now)}`);
    if (now.part && now.part !== seen.at(-1)) seen.push(now.part);
    if (now.part > part) {
      // A tab that opens while the file is sent begins somewhere.
      check(seen.every((value, at) => at === 0 || value > seen[at - 1]), `the bar goes back: ${seen}`);
      check(now.form === (where === 'here'), `the other tab offers the form too: ${JSON.stringify(now)}`);
      return seen;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not more than ${part} of the file is sent ${where}: ${seen}`);
};

/** The page says that the file has not arrived, or offers the form again. */
const over = (tab, failed) => tab.until('the form', (wanted) => {
  const seen = (id) => document.getElementById(id)?.checkVisibility();
  return seen('send') && !seen('bar') && seen('failed') === wanted && !document.querySelector('#send button').disabled;
}, failed);

/** How many seconds the whole file would take: while pages are looked at, and while the bars of two tabs are watched. */
const [HELD, WATCHED] = [400, 100];
/** A connection over which the whole file takes so long. */
const slow = (page, seconds) => page.emulateNetworkConditions({ upload: size / seconds, download: -1, latency: 0 });

/** Waits as long as the rows move. */
const ended = async (tab) => {
  let [last, end] = ['', 0];
  for (;;) {
    const [rows, done] = await tab.until('the page of the import', () => {
      const live = document.querySelector('#live');
      return live && [live.innerText, !live.dataset.refresh && !document.querySelector('#send')];
    });
    if (done) return check(rows.includes('terminé'), rows);
    if (rows !== last) [last, end] = [rows, Date.now() + 120_000];
    check(Date.now() < end, `the import does not go on: ${rows}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

const journey = async (browser) => {
  // Chromium asks no proxy for an address of this machine, unless told to.
  const context = await browser.createBrowserContext({ proxyServer: await line.open(), proxyBypassList: ['<-loopback>'] });
  const first = await open(context);
  await first.signIn(operator);

  // A small file first: a function that has never worked has little memory.
  const small = join(work, 'petit.csv');
  writeFileSync(small, beginning(large));
  for (const query of ['', '?import=yes']) {
    await first.goto(`/console/upload${query}`);
    await mouse.open(first.page, '#file', small);
    await mouse.press(first.page, '#upload button');
    await ended(first);
  }
  // The registry is too busy for the form, which stays with the file that was chosen.
  await first.goto('/console/upload');
  await mouse.open(first.page, '#file', small);
  line.isBusy = true;
  await mouse.press(first.page, '#upload button');
  await first.until('the form stays', () => document.querySelector('#upload') && document.getElementById('failed').checkVisibility());
  line.isBusy = false;
  await mouse.press(first.page, '#upload button');
  await ended(first);
  const before = await imports();
  const began = memories();
  line.sent = { console: [0, 0], s3: [0, 0] };

  // The large one. Two clicks are one.
  await first.goto(`/console/upload${action === 'import' ? '?import=yes' : ''}`);
  // Long enough for two looks of axe on any machine.
  await slow(first.page, HELD);
  await mouse.open(first.page, '#file', large);
  await first.page.click('#upload button', { count: 2 });
  const here = await moves(first, 'here', 0.02);
  check(here.length >= 3, `the bar does not move: ${here}`);
  check(line.sent.console[0] === 1 && line.sent.s3[0] === 1, `two clicks: ${JSON.stringify(line.sent)}`);
  const place = first.path;
  check(/^\/console\/files\/[0-9a-f]{32}$/.test(place), place);

  // A second tab shows the same, and offers nothing meanwhile.
  const second = await open(context, place);
  const there = await moves(second, 'elsewhere', 0.03);
  await second.shows('Un autre onglet envoie le fichier.', 'en attente du fichier');
  await second.inspect('sent-elsewhere');
  await first.page.bringToFront();
  await first.inspect('sending');

  // The connection is lost.
  line.cut(true);
  await over(first, true);
  await first.shows("Le fichier n'est pas arrivé, ou la connexion a été perdue.");
  await over(second, false);
  await mouse.press(first.page, '#send button');
  await over(first, true);
  line.cut(false);

  // Begun again, with the file that is still chosen; and the tab is closed. The browser asks first.
  await slow(first.page, WATCHED);
  await mouse.press(first.page, '#send button');
  const again = await moves(first, 'here', 0.06);
  check(again[0] < 0.06, `it goes on in the middle: ${again}`);
  await moves(second, 'elsewhere', 0.07);
  const asked = new Promise((resolve) => {
    first.page.once('dialog', (dialog) => {
      resolve(dialog.type());
      dialog.accept();
    });
  });
  line.isHeld = true;
  await first.page.close({ runBeforeUnload: true });
  check((await asked) === 'beforeunload', 'the browser does not ask');
  await over(second, false);
  line.isHeld = false;
  const [awaited, ...others] = await imports();
  check(others.length === before.length && place.endsWith(awaited.import_id), `${others.length + 1} imports after ${before.length}`);
  check(awaited.state === 'awaiting_upload', awaited.state);

  // The second tab sends it to its end, a third one watches.
  const third = await open(context, place);
  await second.page.bringToFront();
  await slow(second.page, WATCHED);
  await mouse.open(second.page, '#file', large);
  await second.page.click('#send button', { count: 2 });
  await moves(second, 'here', 0.05);
  await moves(third, 'elsewhere', 0.06);
  await slow(second.page, 2);
  const tabs = [second, third];
  for (const tab of tabs) await tab.until('the file has arrived', () => !document.querySelector('#send'));
  for (const tab of tabs) await ended(tab);
  const [one, two] = await Promise.all(tabs.map((tab) => tab.text('#live')));
  check(one === two, `the tabs end differently: ${one} ${two}`);

  // One import, and every row once.
  const [done, ...rest] = await imports();
  check(rest.length === before.length && done.import_id === awaited.import_id, `${rest.length + 1} imports after ${before.length}`);
  check(done.state === 'completed' && !done.ignored_upload, JSON.stringify(done));
  check(done.read === rows && done.bytes === size, JSON.stringify(done));
  const now = memories();
  const expected = await checked();
  check(expected.read === rows && expected.accepted + expected.rejected === rows && done.rejected === expected.rejected, JSON.stringify([done, expected]));
  check((action === 'import' ? done.imported + done.already_known : done.accepted) === expected.accepted, JSON.stringify([done, expected]));
  const { console: [forms, received], s3: [files, bytes] } = line.sent;
  check(files === 3, `${files} tries`);

  // The file went to S3 and through no function: the console received a form, and neither it nor the import function grew.
  check(bytes > size && received < MOST_RECEIVED, `${received} bytes to the console, ${bytes} to S3`);
  for (const [name, most] of Object.entries(MOST)) {
    const grown = now[name].most - began[name].most;
    check(now[name].id === began[name].id, `${name} was started again`);
    console.log(`${name}: at most ${(began[name].most / MB).toFixed(1)} MB before, ${(now[name].most / MB).toFixed(1)} MB after`);
    check(grown <= most, `${name} has grown by ${grown} bytes`);
  }
  console.log(`a file of ${(size / MB).toFixed(1)} MB, ${rows} rows, begun ${files} times: ${bytes} bytes to S3, ${forms} form of ${received} bytes to the console`);
  console.log(`seen here: ${parts(here)} %; in the second tab: ${parts(there)} %`);
  for (const tab of tabs) tab.silent();
  first.silent();
  await context.close();
};

/** The first whole lines of a file. */
const beginning = (file) => {
  const [bytes, handle] = [Buffer.alloc(16_384), openSync(file)];
  const length = readSync(handle, bytes);
  closeSync(handle);
  return bytes.subarray(0, bytes.lastIndexOf('\n', length - 1) + 1);
};
const parts = (seen) => seen.map((part) => Math.round(part * 100)).join(' ');

const work = mkdtempSync(join(tmpdir(), 'upload-'));
const browser = await launch();
try {
  await journey(browser);
} finally {
  await browser.close();
  line.server.close();
  rmSync(work, { recursive: true, force: true });
}
