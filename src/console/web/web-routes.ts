import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { monotonicClock } from '../../lib/clock.ts';
import { errorLine, TdError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { checked } from '../checked-params.ts';
import type { ConsoleApi } from '../console-api.ts';
import { PAGE_HTML } from './page-html.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';
import { SignInAttempts } from './web-attempts.ts';
import { WebSessions } from './web-sessions.ts';
import { webState } from './web-state.ts';
import { WebStream } from './web-stream.ts';

const BODY_BYTES_MAX = 16 * 1024;

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const FILES: Readonly<Record<string, { type: string; text: string }>> = {
  '/': { type: 'text/html; charset=utf-8', text: PAGE_HTML },
  '/page.js': { type: 'text/javascript; charset=utf-8', text: PAGE_SCRIPT },
  '/page.css': { type: 'text/css; charset=utf-8', text: PAGE_STYLE },
};

const passwordSchema = z.strictObject({ password: z.string().max(256) });
const templateSchema = z.strictObject({ template: z.string().min(1).max(120) });
const cancelSchema = z.strictObject({
  jobId: z.string().min(1).max(40),
  computer: z.string().min(1).max(300).exactOptional(),
});

/** An answer that is no result. */
class HttpProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface WebRoutesOptions {
  api: ConsoleApi;
  isPassword(password: string): Promise<boolean>;
  onSignIn(address: string, ok: boolean): void;
  logger: Logger;
}

/** Answers browsers: everybody may look, who is signed in may also start and cancel. */
export class WebRoutes {
  readonly #options: WebRoutesOptions;
  readonly #sessions = new WebSessions(monotonicClock);
  readonly #attempts = new SignInAttempts(monotonicClock);
  readonly #stream: WebStream;
  #judging: Promise<unknown> = Promise.resolve();

  constructor(options: WebRoutesOptions) {
    this.#options = options;
    const { api } = options;
    this.#stream = new WebStream(async () => {
      const [status, computers, jobs] = await Promise.all([
        api.call('status', {}),
        api.call('computers', {}),
        api.call('jobs', {}),
      ]);
      return JSON.stringify(webState(status, computers, jobs));
    });
  }

  signEverybodyOut(): void {
    this.#sessions.endAll();
  }

  /** Answers one request; never throws. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      if (request.method === 'GET' || request.method === 'HEAD') await this.#get(request, response);
      else if (request.method === 'POST') await this.#post(request, response);
      else throw new HttpProblem(405, 'only GET and POST are known here');
    } catch (error) {
      if (!(error instanceof HttpProblem) && !(error instanceof TdError)) {
        this.#options.logger.warn({ error: errorLine(error) }, 'a request of the web view failed');
      }
      const status = error instanceof HttpProblem ? error.status : error instanceof TdError ? 400 : 500;
      if (response.headersSent) response.destroy();
      else sendJson(response, { error: errorLine(error) }, status);
    }
  }

  async #get(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
    if (file !== undefined) {
      response.setHeader('Content-Type', file.type);
      response.end(request.method === 'HEAD' ? undefined : file.text);
    } else if (path === '/events') {
      if (!this.#stream.add(response)) throw new HttpProblem(503, 'too many pages are open');
    } else if (path === '/session') {
      const { web } = await this.#options.api.call('settings', {});
      sendJson(response, { signedIn: this.#isSignedIn(request), passwordSet: web.passwordSet });
    } else if (path === '/templates') {
      this.#mustBeSignedIn(request);
      const templates = await this.#options.api.call('template.list', {});
      const usable = templates.filter((one) => one.problems.length === 0);
      sendJson(
        response,
        usable.map(({ name, comment }) => ({ name, comment })),
      );
    } else throw new HttpProblem(404, `there is nothing at "${path.slice(0, 200)}"`);
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page of another site can send requests, but not under our origin.
    if (request.headers.origin !== `https://${request.headers.host}`) {
      throw new HttpProblem(403, 'the request comes from another site');
    }
    const { api } = this.#options;
    const body = await readJson(request);
    if (request.url === '/session')
      return await this.#signIn(request, response, checked(passwordSchema, body));
    this.#mustBeSignedIn(request);
    switch (request.url) {
      case '/session/end':
        response.setHeader('Set-Cookie', this.#sessions.end(request.headers.cookie));
        return sendJson(response, null);
      case '/plan':
        return sendJson(response, await api.call('plan', checked(templateSchema, body)));
      case '/deploy':
        return sendJson(response, await api.call('deploy', checked(templateSchema, body)));
      case '/cancel': {
        const reason = 'cancelled in the web view';
        await api.call('cancel', { ...checked(cancelSchema, body), reason });
        return sendJson(response, null);
      }
      default:
        throw new HttpProblem(404, `there is nothing at "${request.url?.slice(0, 200)}"`);
    }
  }

  async #signIn(
    request: IncomingMessage,
    response: ServerResponse,
    { password }: z.output<typeof passwordSchema>,
  ): Promise<void> {
    const address = request.socket.remoteAddress ?? '';
    const waitSeconds = this.#attempts.begin(address);
    if (waitSeconds > 0) {
      response.setHeader('Retry-After', waitSeconds);
      throw new HttpProblem(429, `too many attempts; wait ${waitSeconds} s`);
    }
    // One after the other: judging a password costs time and memory on purpose.
    const judged = this.#judging.then(() => this.#options.isPassword(password));
    this.#judging = judged.catch(() => {});
    const ok = await judged;
    this.#options.onSignIn(address, ok);
    if (!ok) throw new HttpProblem(401, 'the password is wrong');
    this.#attempts.succeeded(address);
    response.setHeader('Set-Cookie', this.#sessions.start());
    sendJson(response, null);
  }

  #isSignedIn(request: IncomingMessage): boolean {
    return this.#sessions.isSignedIn(request.headers.cookie);
  }

  #mustBeSignedIn(request: IncomingMessage): void {
    if (!this.#isSignedIn(request)) throw new HttpProblem(401, 'sign in first');
  }
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(value));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json(?:;|$)/.test(request.headers['content-type'] ?? '')) {
    throw new HttpProblem(415, 'the request must be JSON');
  }
  const parts: Buffer[] = [];
  let heldBytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    heldBytes += part.length;
    if (heldBytes > BODY_BYTES_MAX) throw new HttpProblem(413, 'the request is too long');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    throw new HttpProblem(400, 'the request is no JSON');
  }
}
