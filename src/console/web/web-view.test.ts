import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity, type Identity } from '../../control/identity.ts';
import { silentLog } from '../../lib/log.ts';
import type { ConsoleApi, ConsoleSettings } from '../console-api.ts';
import type { NewEvent } from '../store.ts';
import { TestConsole, until } from '../testdata/test-console.ts';
import { SignInAttempts } from './web-attempts.ts';
import { startWebView } from './web-view.ts';

let dir: string;
let identity: Identity;
let stack: AsyncDisposableStack;
let events: NewEvent[];
let calls: [name: string, params: object][];
let settings: ConsoleSettings;
let change: (web: Partial<ConsoleSettings['web']>) => void;

const PASSWORD = 'correct horse';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-web-'));
  identity = await createIdentity(join(dir, 'identity'));
  stack = new AsyncDisposableStack();
  events = [];
  calls = [];
  const web = { enabled: true, port: await freePort(), passwordSet: true };
  settings = { templatesDir: '', interface: '', address: '', customPin: '', web } as ConsoleSettings;
});
afterEach(async () => {
  await stack[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const answers: Record<string, unknown> = {
  status: { name: 'lab', address: '10.0.0.1' },
  computers: [{ computerId: 'c', name: '<b>pc</b>', address: '10.0.0.5', model: 'M', state: 'waiting' }],
  jobs: [],
  'template.list': [
    { name: 'good', comment: '', problems: [] },
    { name: 'broken', comment: '', problems: ['image: missing'] },
  ],
  plan: { rows: [], notApplied: [], warnings: [] },
  deploy: { jobId: 'j1' },
  cancel: null,
};

async function open(): Promise<void> {
  const call = async (name: string, params: object) => {
    calls.push([name, params]);
    return name === 'settings' ? settings : answers[name];
  };
  let listener: (settings: ConsoleSettings) => void = () => {};
  change = (web) => {
    settings = { ...settings, web: { ...settings.web, ...web } };
    listener(settings);
  };
  stack.use(
    await startWebView({
      settings: {
        get: () => settings,
        onChange: (heard) => {
          listener = heard;
          return () => true;
        },
        isWebPassword: async (password) => password === PASSWORD,
      },
      api: { call } as unknown as ConsoleApi,
      ...{ identity, host: '127.0.0.1', logger: silentLog },
      addEvent: (event) => events.push(event),
    }),
  );
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

function ask(
  path: string,
  options: { method?: string; headers?: object; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: settings.web.port,
        path,
        method,
        headers: { ...headers },
        rejectUnauthorized: false,
      },
      (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

function post(path: string, value: unknown, headers: object = {}): Promise<Answer> {
  const origin = `https://127.0.0.1:${settings.web.port}`;
  const all = { origin, 'content-type': 'application/json', ...headers };
  return ask(path, { method: 'POST', headers: all, body: JSON.stringify(value) });
}

async function signedIn(): Promise<{ cookie: string }> {
  const answer = await post('/session', { password: PASSWORD });
  expect(answer.status).toBe(200);
  return { cookie: String(answer.headers['set-cookie']).split(';')[0]! };
}

describe('the web view', () => {
  it('serves one page without any inline script, over the certificate of the console', async () => {
    await open();
    const page = await ask('/');
    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/<script>|\son\w+=|style=/);
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect((await ask('/page.js')).headers['content-type']).toContain('text/javascript');
    expect((await ask('/page.css')).status).toBe(200);
    for (const path of ['/../etc/passwd', '/page.js?x', '/__proto__', '/constructor', '/%00']) {
      expect((await ask(path)).status, path).toBe(404);
    }
    expect((await ask('/', { method: 'PUT' })).status).toBe(405);
  });

  it('shows everything to everybody and lets nobody do anything who is not signed in', async () => {
    await open();
    for (const path of ['/cancel', '/deploy', '/plan', '/session/end']) {
      expect((await post(path, { jobId: 'j', template: 'good' })).status, path).toBe(401);
    }
    expect((await ask('/templates')).status).toBe(401);
    expect((await post('/cancel', {}, { cookie: '__Host-totaldeploy=AAAA' })).status).toBe(401);
    expect(calls.map(([name]) => name)).toEqual([]);
    expect(JSON.parse((await ask('/session')).text)).toEqual({ signedIn: false, passwordSet: true });
  });

  it('lets whoever knows the password start and cancel, until the sign-out', async () => {
    await open();
    const session = await signedIn();
    expect(JSON.parse((await ask('/session', { headers: session })).text)).toMatchObject({ signedIn: true });
    expect(JSON.parse((await ask('/templates', { headers: session })).text)).toEqual([
      { name: 'good', comment: '' },
    ]);
    expect((await post('/deploy', { template: 'good' }, session)).status).toBe(200);
    expect((await post('/cancel', { jobId: 'j', computer: 'c' }, session)).status).toBe(200);
    expect(calls).toContainEqual(['deploy', { template: 'good' }]);
    expect(calls).toContainEqual([
      'cancel',
      { jobId: 'j', computer: 'c', reason: 'cancelled in the web view' },
    ]);
    await post('/session/end', {}, session);
    expect((await post('/deploy', { template: 'good' }, session)).status).toBe(401);
  });

  it('hides the session from scripts, other sites and plain connections', async () => {
    await open();
    const cookie = String((await post('/session', { password: PASSWORD })).headers['set-cookie']);
    for (const part of ['__Host-', 'Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/'])
      expect(cookie).toContain(part);
  });

  it('takes no request that another site sends', async () => {
    await open();
    const session = await signedIn();
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${settings.web.port}`]) {
      expect((await post('/deploy', { template: 'good' }, { ...session, origin })).status).toBe(403);
    }
    const noOrigin = { ...session, 'content-type': 'application/json' };
    expect((await ask('/deploy', { method: 'POST', headers: noOrigin, body: '{}' })).status).toBe(403);
    expect((await post('/deploy', {}, { ...session, 'content-type': 'text/plain' })).status).toBe(415);
    expect(calls.map(([name]) => name)).not.toContain('deploy');
  });

  it('limits wrong passwords, and says how long to wait', async () => {
    await open();
    for (let i = 0; i < 5; i += 1)
      expect((await post('/session', { password: `guess ${i}` })).status).toBe(401);
    const limited = await post('/session', { password: PASSWORD });
    expect(limited.status).toBe(429);
    expect(limited.text).toMatch(/too many attempts; wait \d+ s/);
    expect(events.filter((one) => one.kind === 'web-sign-in-refused')).toHaveLength(5);
  });

  it('answers wrong requests with one line', async () => {
    await open();
    const session = await signedIn();
    expect((await post('/cancel', { jobId: 7 }, session)).text).toContain('Cannot use');
    expect((await post('/cancel', { jobId: 'j', evil: 1 }, session)).status).toBe(400);
    const headers = {
      ...session,
      origin: `https://127.0.0.1:${settings.web.port}`,
      'content-type': 'application/json',
    };
    expect((await ask('/cancel', { method: 'POST', headers, body: '{' })).status).toBe(400);
    expect((await ask('/cancel', { method: 'POST', headers, body: ' '.repeat(20_000) })).status).toBe(413);
  });

  it('signs everybody out and moves when the settings change, and closes when it is switched off', async () => {
    await open();
    const session = await signedIn();
    const port = await freePort();
    change({ port });
    await until(async () => (await ask('/').catch(() => undefined))?.status === 200, 'the new port');
    expect((await ask('/templates', { headers: session })).status).toBe(401);
    change({ enabled: false });
    await until(async () => (await ask('/').catch(() => undefined)) === undefined, 'the end');
  });

  it('says in one line that its port is taken, and opens on another', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(settings.web.port, '127.0.0.1', resolve));
    stack.defer(() => void other.close());
    await open();
    expect(events).toMatchObject([{ level: 'error', kind: 'web-failed' }]);
    expect(events[0]?.text).toBe(
      `Cannot open the web view on 127.0.0.1:${settings.web.port}: another program uses that port; set another port`,
    );
    change({ port: await freePort() });
    await until(() => events.some((one) => one.kind === 'web-opened'), 'the web view');
    expect((await ask('/')).status).toBe(200);
  });

  it('tells the state at once and when it changed, and forgets readers that went away', async () => {
    await open();
    const told: string[] = [];
    const gone = Promise.withResolvers<void>();
    const reading = request(
      { host: '127.0.0.1', port: settings.web.port, path: '/events', rejectUnauthorized: false },
      (response) => response.on('data', (part: Buffer) => told.push(part.toString())),
    );
    reading.on('error', () => gone.resolve());
    reading.on('close', () => gone.resolve());
    reading.end();
    await until(() => told.join('').includes('data: {'), 'the first state');
    expect(told.join('')).toContain('"name":"<b>pc</b>"');
    reading.destroy();
    await gone.promise;
    const before = calls.length;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(calls.length - before).toBeLessThanOrEqual(3);
  });
});

describe('a console', () => {
  it('starts and works when the port of its web view is taken', async () => {
    const port = await freePort();
    {
      await using lab = await TestConsole.start({ dataDir: dir });
      await lab.rpc.call('settings.change', { web: { enabled: true, port, password: PASSWORD } });
    }
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    stack.defer(() => void other.close());
    await using lab = await TestConsole.start({ dataDir: dir });
    expect(await lab.rpc.call('computers')).toEqual([]);
    const failed = lab.events().find((one) => one.kind === 'web-failed');
    expect(failed?.text).toContain(`127.0.0.1:${port}: another program uses that port`);
  });
});

describe('attempts to sign in', () => {
  it('are limited for an address and for all together, and forgotten after five minutes', () => {
    let nowMs = 0;
    const attempts = new SignInAttempts({ nowMs: () => nowMs });
    for (let i = 0; i < 5; i += 1) expect(attempts.begin('a')).toBe(0);
    expect(attempts.begin('a')).toBe(300);
    expect(attempts.begin('b')).toBe(0);
    attempts.succeeded('a');
    expect(attempts.begin('a')).toBe(0);
    for (let i = 0; i < 200; i += 1) attempts.begin(`c${i}`);
    expect(attempts.begin('z')).toBe(300);
    nowMs = 301_000;
    expect(attempts.begin('z')).toBe(0);
  });
});
