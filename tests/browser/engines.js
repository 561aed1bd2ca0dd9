// The three engines, driven alike: Chromium by Playwright, Firefox by WebDriver BiDi, WebKit by WebDriver (W3C).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

import { launch } from './support.js';

const KEYS = { Enter: '\uE007', Tab: '\uE004', ArrowDown: '\uE015', ArrowUp: '\uE013', Escape: '\uE00C' };
const PATIENCE_MS = 15_000;
/** What Firefox itself logs, as an error of the script, when a server is not there. */
const NO_SERVER = /^Firefox can’t establish a connection to the server|^The connection to \S+ was interrupted/;
const WIDTH = 1280;
const HEIGHT = 800;

/** A program that runs while its tests do. */
class Program {
  constructor(command, args, environment = {}) {
    this.child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = once(this.child, 'exit');
    this.output = '';
  }

  /** Waits for a line on either output. */
  line(pattern) {
    return new Promise((resolve, reject) => {
      for (const stream of [this.child.stdout, this.child.stderr]) {
        createInterface(stream).on('line', (line) => {
          this.output += `${line}\n`;
          const found = pattern.exec(line);
          if (found) resolve(found);
        });
      }
      this.child.on('error', reject);
      this.exited.then(([code]) => reject(new Error(`${this.child.spawnfile} ended with ${code}:\n${this.output}`)), reject);
    });
  }

  async end() {
    this.child.kill('SIGTERM');
    await this.exited;
  }
}

/**
 * A page in an engine. What each engine does its own way is `goto(url)`, `call(source)` and `type(text)`;
 * `errors` are the exceptions that nobody caught, or their promise.
 */
class Tab {
  /** Runs a function in the page, with arguments and a result that are JSON; it may promise its result. */
  async run(code, ...args) {
    // The page's policy forbids `eval`: the function goes in as source.
    const answer = JSON.parse(await this.call(`async () => {
      try {
        return JSON.stringify({ value: await (${code})(...${JSON.stringify(args)}) ?? null });
      } catch (error) {
        return JSON.stringify({ error: String(error) });
      }
    }`));
    if (answer.error) throw new Error(answer.error);
    return answer.value;
  }

  /** Waits until a function gives something true in the page, and gives that. */
  until(code, ...args) {
    return this.run(`(...args) => new Promise((resolve, reject) => {
      const end = performance.now() + ${PATIENCE_MS};
      const look = () => {
        const found = (${code})(...args);
        if (found) resolve(found);
        else if (performance.now() < end) setTimeout(look, 20);
        else reject(new Error(${JSON.stringify(`in vain: ${code}`)} + document.body.innerText));
      };
      look();
    })`, ...args);
  }

  press(key) {
    return this.type(KEYS[key]);
  }

  /** Writes into a field as people do, and leaves the focus there. */
  async fill(selector, text) {
    await this.run((where) => { document.querySelector(where).focus(); }, selector);
    await this.type(text);
  }

  click(selector) {
    return this.run((where) => { document.querySelector(where).click(); }, selector);
  }
}

/** One key after another, as both kinds of WebDriver take them. */
const strokes = (text) => [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
const keyboard = (text) => [{ type: 'key', id: 'keyboard', actions: strokes(text) }];

class ChromiumTab extends Tab {
  errors = [];

  static async open() {
    const browser = await launch();
    const tab = new ChromiumTab();
    tab.page = await browser.newPage({ locale: 'en-GB', viewport: { width: WIDTH, height: HEIGHT } });
    tab.page.on('pageerror', (error) => tab.errors.push(String(error)));
    tab.end = () => browser.close();
    return tab;
  }

  async goto(url) { await this.page.goto(url); }

  call(source) { return this.page.evaluate(`(${source})()`); }

  async type(text) {
    const names = Object.fromEntries(Object.entries(KEYS).map(([name, code]) => [code, name]));
    for (const key of text) await this.page.keyboard.press(names[key] ?? key);
  }
}

/** Firefox speaks BiDi itself, over a WebSocket. https://w3c.github.io/webdriver-bidi/ */
class FirefoxTab extends Tab {
  errors = [];
  #socket;
  #waiting = new Map();
  #lastId = 0;
  #context;

  static async open() {
    const profile = await mkdtemp(join(tmpdir(), 'parlor-firefox-'));
    // What a fresh profile would fetch, and ask about; a language as the other engines have it.
    const settings = {
      'app.update.enabled': false, 'browser.shell.checkDefaultBrowser': false, 'browser.startup.page': 0,
      'datareporting.policy.dataSubmissionEnabled': false, 'extensions.getAddons.cache.enabled': false,
      'intl.accept_languages': 'en-GB', 'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false, 'services.settings.server': 'data:,', 'toolkit.telemetry.server': '',
      'browser.safebrowsing.downloads.remote.enabled': false, 'browser.safebrowsing.malware.enabled': false,
      'browser.safebrowsing.phishing.enabled': false, 'app.normandy.enabled': false,
    };
    const lines = Object.entries(settings).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    await writeFile(join(profile, 'user.js'), lines.join(''));
    const firefox = new Program(process.env.FIREFOX ?? '/usr/bin/firefox-esr', [
      '--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0',
      `--width=${WIDTH}`, `--height=${HEIGHT}`,
    ], { HOME: profile });
    const tab = new FirefoxTab();
    tab.end = async () => {
      tab.#socket?.close();
      await firefox.end();
      await rm(profile, { recursive: true, maxRetries: 5, retryDelay: 200 });
    };
    const [, address] = await firefox.line(/^WebDriver BiDi listening on (ws:\S+)/);
    await tab.#connect(`${address}/session`);
    return tab;
  }

  async #connect(address) {
    this.#socket = new WebSocket(address, { perMessageDeflate: false });
    await once(this.#socket, 'open');
    this.#socket.on('message', (text) => this.#received(JSON.parse(text)));
    await this.#ask('session.new', { capabilities: {} });
    const { contexts } = await this.#ask('browsingContext.getTree', {});
    this.#context = contexts[0].context;
    await this.#ask('session.subscribe', { events: ['log.entryAdded'] });
  }

  #received({ id, type, result, error, message, method, params }) {
    if (method === 'log.entryAdded' && params.type === 'javascript' && !NO_SERVER.test(params.text)) this.errors.push(params.text);
    const { resolve, reject } = this.#waiting.get(id) ?? {};
    if (type === 'success') resolve?.(result);
    else if (type === 'error') reject?.(new Error(`${error}: ${message}`));
    this.#waiting.delete(id);
  }

  #ask(method, params) {
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      this.#waiting.set(this.#lastId, { resolve, reject });
      this.#socket.send(JSON.stringify({ id: this.#lastId, method, params }));
    });
  }

  async goto(url) {
    await this.#ask('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
  }

  async call(source) {
    const { result, exceptionDetails } = await this.#ask('script.callFunction', {
      functionDeclaration: source, awaitPromise: true, target: { context: this.#context },
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value;
  }

  async type(text) {
    await this.#ask('input.performActions', { context: this.#context, actions: keyboard(text) });
  }
}

/** WebKitGTK's driver speaks WebDriver over HTTP, and needs a screen. https://www.w3.org/TR/webdriver2/ */
class WebKitTab extends Tab {
  #driver;
  #session;

  static async open() {
    const screen = new Program('Xvfb', ['-displayfd', '1', '-screen', '0', `${WIDTH}x${HEIGHT}x24`, '-nolisten', 'tcp']);
    const [, display] = await screen.line(/^(\d+)$/);
    const port = await freePort();
    const home = await mkdtemp(join(tmpdir(), 'parlor-webkit-'));
    const driver = new Program('WebKitWebDriver', ['-p', String(port)], {
      DISPLAY: `:${display}`, HOME: home, XDG_CACHE_HOME: home, XDG_DATA_HOME: home, GDK_BACKEND: 'x11', LANG: 'C.UTF-8',
      // There is neither a graphics card nor, in most containers, what WebKit's sandbox is made of.
      WEBKIT_DISABLE_COMPOSITING_MODE: '1', LIBGL_ALWAYS_SOFTWARE: '1', WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
      NO_AT_BRIDGE: '1',
    });
    const tab = new WebKitTab();
    tab.end = async () => {
      await tab.#ask('DELETE', '').catch(() => {});
      await driver.end();
      await screen.end();
      await rm(home, { recursive: true, maxRetries: 5, retryDelay: 200 });
    };
    tab.#driver = `http://127.0.0.1:${port}/session`;
    await tab.#begin();
    return tab;
  }

  async #begin() {
    // Its browser is MiniBrowser unless it is told another.
    const capabilities = { alwaysMatch: { timeouts: { script: 2 * PATIENCE_MS } } };
    const { sessionId } = await this.#ask('POST', null, { capabilities });
    this.#session = sessionId;
  }

  /** One command; the driver is there a moment after it was started. */
  async #ask(method, path, body) {
    const address = path === null ? this.#driver : `${this.#driver}/${this.#session}${path}`;
    const request = { method, body: body && JSON.stringify(body) };
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(address, request).catch((error) => {
        if (path !== null || tries === 100) throw error;
      });
      if (!response) {
        await new Promise((resolve) => { setTimeout(resolve, 50); });
        continue;
      }
      const { value } = await response.json();
      if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
      return value;
    }
  }

  async goto(url) {
    await this.#ask('POST', '/url', { url });
    // Its driver tells of no exceptions: those that come once the page is there are kept by the page.
    await this.run(() => {
      globalThis.thrown = [];
      addEventListener('error', ({ message }) => globalThis.thrown.push(message));
      addEventListener('unhandledrejection', ({ reason }) => globalThis.thrown.push(String(reason)));
    });
  }

  get errors() {
    return this.run(() => globalThis.thrown);
  }

  call(source) {
    const script = `(${source})().then(arguments[arguments.length - 1])`;
    return this.#ask('POST', '/execute/async', { script, args: [] });
  }

  async type(text) { await this.#ask('POST', '/actions', { actions: keyboard(text) }); }
}

/** WebKit's driver does not say which port it took: it is told one that was free. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export const ENGINES = { Chromium: ChromiumTab, Firefox: FirefoxTab, WebKit: WebKitTab };
