// A Chromium with the console in it: what a page must keep, and three ways to use it.
import { createRequire } from 'node:module';
import { readFileSync, accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import puppeteer from 'puppeteer-core';

const WAIT = 60_000;
export const WIDTHS = [1280, 390];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const check = (holds, what) => {
  if (!holds) throw new Error(what);
};

/** The first installed Chromium, or nothing. */
const program = () => {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const folder of process.env.PATH.split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // The next one.
      }
    }
  }
  throw new Error('no chromium');
};

export const launch = () => puppeteer.launch({
  executablePath: program(),
  protocolTimeout: 2 * WAIT,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--lang=fr'],
  // The texts of the browser itself, such as those of a field for a file.
  env: { ...process.env, LANGUAGE: 'fr' },
});

/** The texts of words.rs and of reasons.md, in English and in French. */
const catalogue = (root) => {
  const text = (literal) => JSON.parse(`"${literal.replace(/\\\n\s*/g, '').replace(/\\u\{([0-9a-f]+)\}/g, (_, hex) => `\\u${hex.padStart(4, '0')}`)}"`);
  const words = readFileSync(join(root, 'functions/console/src/words.rs'), 'utf8');
  const declared = [...words.matchAll(/^ {4}\w+: "((?:[^"\\]|\\[^])*)",\s*"((?:[^"\\]|\\[^])*)";/gm)];
  const reasons = readFileSync(join(root, 'docs/reasons.md'), 'utf8').matchAll(/^\| (.+?) \| (.+?) \|$/gm);
  const pairs = [...declared.map(([, english, french]) => [text(english), text(french)]), ...[...reasons].map(([, ...pair]) => pair)];
  check(declared.length > 100 && pairs.length > declared.length + 40, 'the catalogues are not read');
  // The name of the other language is written in that language.
  const spaced = pairs.map((pair) => pair.map((text) => text.replace(/\s+/g, ' ')));
  return spaced.filter(([english, french]) => english !== french && french !== 'English' && french !== 'Français');
};

/** The words of language.rs that only English has. */
const english = (root) => {
  const source = readFileSync(join(root, 'shared/eligibility/src/language.rs'), 'utf8');
  const words = [...source.match(/const ENGLISH: &\[&str\] = &\[([^\]]+)\]/)[1].matchAll(/"([a-z]+)"/g)].map(([, word]) => word);
  check(words.length > 100, 'the English words are not read');
  return words;
};

/** What all tabs have in common. */
export class Test {
  constructor(root, api, shots) {
    this.root = api.replace(/\/v3$/, '');
    this.shots = shots;
    this.pairs = catalogue(root);
    this.english = english(root);
    this.seen = new Map();
    this.number = 0;
  }
}

/** A tab, and the hand that uses it. */
export class Tab {
  constructor(test, page, hand, script) {
    Object.assign(this, { test, page, hand, script, language: 'fr', complaints: [], allowed: [] });
  }

  static async open(test, context, { hand, script = true }) {
    const page = await context.newPage();
    const tab = new Tab(test, page, hand, script);
    page.setDefaultTimeout(WAIT);
    await page.setViewport({ width: WIDTHS[0], height: 900 });
    await page.setExtraHTTPHeaders({ 'accept-language': 'fr' });
    await page.setJavaScriptEnabled(script);
    // Errors of the console, of scripts and of the policy, and what could not be loaded.
    page.on('console', (message) => {
      if (['error', 'warn', 'assert'].includes(message.type())) tab.complain(`${message.text()} ${message.location()?.url ?? ''}`);
    });
    page.on('pageerror', (error) => tab.complain(error.message));
    page.on('requestfailed', (request) => {
      // A file that is downloaded, or a page that is left while it loads, is no failure.
      if (request.failure()?.errorText !== 'net::ERR_ABORTED') tab.complain(`${request.url()} ${request.failure()?.errorText}`);
    });
    return tab;
  }

  complain(text) {
    if (!this.allowed.some((allowed) => allowed.test(text))) this.complaints.push(text);
  }

  async goto(path) {
    await this.page.goto(`${this.test.root}${path}`);
  }

  async signIn({ access_key: key, secret_key: secret }) {
    await this.goto('/console/sign-in');
    await this.hand.write(this.page, '#access_key', key);
    await this.hand.write(this.page, '#secret_key', secret);
    await this.follow('main form button');
  }

  get path() {
    return this.page.url().slice(this.test.root.length);
  }

  /** Waits until the page says so. It may be replaced in between. */
  async until(what, question, ...values) {
    const end = Date.now() + WAIT;
    while (Date.now() < end) {
      try {
        const answer = await this.page.evaluate(question, ...values);
        if (answer) return answer;
      } catch (error) {
        if (!/context|detached|navigat/i.test(error.message)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`not seen within ${WAIT / 1000} s: ${what}; ${this.path}; ${await this.text('body')}; ${this.complaints}`);
  }

  /** The text of an element. A no-break space of the typography is a space here. */
  async text(selector) {
    return (await this.page.$eval(selector, (element) => element.innerText)).replace(/[\u00a0\u202f]/g, ' ');
  }

  async shows(...texts) {
    for (const text of texts) {
      await this.until(text, (wanted) => document.body?.innerText.replace(/[\u00a0\u202f]/g, ' ').includes(wanted), text);
    }
  }

  /** Waits for an address of the console: a browser says a little later where it is. */
  async arrives(what, matches) {
    await this.until(what, (source) => new RegExp(source).test(location.pathname + location.search + location.hash), matches.source);
  }

  /** Uses a link or button, and waits for the next page. */
  async follow(selector) {
    const arrived = this.page.waitForNavigation();
    arrived.catch(() => {});
    await this.hand.press(this.page, selector);
    await arrived.catch(async (error) => {
      throw new Error(`${selector} of ${this.path} leads nowhere: ${error.message}; ${await this.text('body')}; ${this.complaints}`);
    });
  }

  /** What every page must keep: axe finds nothing, nothing has to be scrolled sideways, no word of the other language is left. */
  async inspect(name) {
    const { page, test } = this;
    const file = `${String(++test.number).padStart(2, '0')}-${name}`;
    for (const width of WIDTHS) {
      await page.setViewport({ width, height: 900 });
      const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      check(sizes[0] <= sizes[1], `${file}: ${sizes[0]} px at ${width} px`);
      // On a phone no table goes on beyond the edge, either, and no text is cut off.
      const cut = width > 390 ? [] : await page.evaluate(() => [...document.querySelectorAll('main, main *')]
        .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible' && !element.matches('input, select, thead, .unseen'))
        .map((element) => `${element.outerHTML.slice(0, 80)} ${element.scrollWidth} > ${element.clientWidth}`));
      check(cut.length === 0, `${file}: cut off at ${width} px: ${cut.join('; ')}`);
      if (test.shots) await page.screenshot({ path: join(test.shots, `${file}-${width}.png`), fullPage: true });
      // axe is a script too. The page's own has not been loaded, and is not loaded now.
      await page.setJavaScriptEnabled(true);
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run(document, { rules: { 'target-size': { enabled: true } } }));
      await page.setJavaScriptEnabled(this.script);
      check(passes.length > 10, `${file}: axe has looked at nothing`);
      const found = violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
      test.seen.set(`${name} ${this.language} ${width}`, violations.length);
      for (const violation of found) this.complain(`axe on ${file} at ${width} px: ${violation}`);
    }
    await page.setViewport({ width: WIDTHS[0], height: 900 });
    await this.speaks(file);
  }

  async speaks(file) {
    const shown = await this.page.evaluate(() => {
      const texts = [document.title];
      // Values, names that people chose, and the name of the other language.
      const skipped = 'script, style, noscript, code, time, option, .who strong, .cells td:not(:last-child), .cells th, body [lang], h1, tbody th a';
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(skipped)) texts.push(walker.currentNode.data);
      }
      for (const option of document.querySelectorAll('option')) texts.push(option.label);
      for (const element of document.querySelectorAll('[aria-label], [title], [alt], [placeholder], [data-script]')) {
        for (const name of ['aria-label', 'title', 'alt', 'placeholder', 'data-script']) texts.push(element.getAttribute(name) ?? '');
      }
      return { language: document.documentElement.lang, texts: texts.map((text) => text.replace(/\s+/g, ' ').trim()).filter(Boolean) };
    });
    check(shown.language === this.language, `${file}: lang="${shown.language}"`);
    const is = this.language === 'fr' ? 0 : 1;
    const both = new Set(this.test.pairs.map((pair) => pair[1 - is]));
    for (const text of shown.texts) {
      for (const pair of this.test.pairs) {
        const other = pair[is];
        const left = other.split(' ').length > 2 ? text.includes(other) : text === other && !both.has(other);
        check(!left, `${file} says « ${other} » instead of « ${pair[1 - is]} »`);
      }
      if (is === 0) {
        const word = text.replace(/«[^»]*»/g, '').split(/[\s'’]+/).map((part) => part.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, ''))
          .find((part) => part !== part.toUpperCase() && this.test.english.includes(part.toLowerCase()));
        check(!word, `${file} says « ${word} »: ${text}`);
      }
    }
  }

  /** Nothing was complained about. */
  silent() {
    check(this.complaints.length === 0, `${this.hand.name}: ${this.complaints.join('\n')}`);
  }
}

/** Clicks. */
export const mouse = {
  name: 'mouse',
  press: (page, selector) => page.click(selector),
  write: async (page, selector, text) => {
    await page.click(selector, { count: 3 });
    await page.type(selector, text);
  },
  pick: (page, selector) => page.click(selector),
  async open(page, selector, file) {
    const [chooser] = await Promise.all([page.waitForFileChooser(), page.click(selector)]);
    await chooser.accept([file]);
  },
  select: (page, selector, value) => page.select(selector, value),
};

/** Goes on with Tab until an element has the focus, and looks whether a person sees that. */
const reach = async (page, selector) => {
  for (let steps = 0; steps < 150; steps++) {
    const here = await page.evaluate((wanted) => {
      const element = document.activeElement;
      if (!element?.matches(wanted)) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    }, selector);
    if (here !== null) return check(here, `the focus on ${selector} is not seen`);
    await page.keyboard.press('Tab');
  }
  throw new Error(`no Tab leads to ${selector}`);
};

/** Tab, arrows, Space and Enter, and nothing else. */
export const keyboard = {
  name: 'keyboard',
  async press(page, selector) {
    await reach(page, selector);
    await page.keyboard.press('Enter');
  },
  async write(page, selector, text) {
    await reach(page, selector);
    await page.keyboard.down('Control');
    await page.keyboard.press('a');
    await page.keyboard.up('Control');
    await page.keyboard.type(text);
  },
  // Tab reaches a group of radio buttons where one is chosen, and the arrows choose another.
  async pick(page, selector) {
    const name = await page.$eval(selector, (element) => element.name);
    await reach(page, `input[name="${name}"]`);
    for (let steps = 0; !(await page.$eval(selector, (element) => element.checked)); steps++) {
      check(steps < 5, `no arrow chooses ${selector}`);
      await page.keyboard.press(steps === 0 ? 'Space' : 'ArrowDown');
    }
  },
  async open(page, selector, file) {
    await reach(page, selector);
    const [chooser] = await Promise.all([page.waitForFileChooser(), page.keyboard.press('Space')]);
    await chooser.accept([file]);
  },
  async select(page, selector, value) {
    await reach(page, selector);
    for (let steps = 0; (await page.$eval(selector, (element) => element.value)) !== value; steps++) {
      check(steps < 20, `no arrow chooses ${value} of ${selector}`);
      await page.keyboard.press('ArrowDown');
    }
  },
};
