import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { errorLine, TdError } from '../lib/errors.ts';
import type { HostNetwork } from '../lib/host-network.ts';
import { readJsonFile, writeJsonFile } from '../lib/json-file.ts';
import type { ConsoleCalls, ConsoleSettings } from './console-api.ts';
import { hashPassword, isPassword } from './password-hash.ts';

const SETTINGS_VERSION = 1;
const WEB_PORT = 5080;
const PASSWORD_CHARS_MIN = 8;
const PASSWORD_CHARS_MAX = 256;

const storedSchema = z.strictObject({
  version: z.literal(SETTINGS_VERSION),
  /** Empty: below the data directory, wherever that is moved to. */
  templatesDir: z.string().max(4096).default(''),
  interface: z.string().max(15).default(''),
  pinHash: z.string().max(200).default(''),
  web: z
    .strictObject({
      enabled: z.boolean().default(false),
      port: z.number().int().min(1).max(65_535).default(WEB_PORT),
      passwordHash: z.string().max(200).default(''),
    })
    .prefault({}),
});
type Stored = z.output<typeof storedSchema>;

export type SettingsChange = ConsoleCalls['settings.change']['params'];

export interface SettingsOptions {
  /** Templates are there unless the settings say otherwise. */
  defaultTemplatesDir: string;
  /** TCP ports the console itself listens on. */
  ownPorts?: () => readonly number[];
  /** Missing where the console does not rule over its computer's network. */
  network?: HostNetwork;
  /** Asked before the network changes: empty, or why it must stay. */
  whyNoChange?: () => string;
  /** Replaced in tests. */
  interfaces?: () => readonly { name: string; address: string }[];
}

/** What an administrator set, in `settings.json` of the data directory; passwords and the PIN only as hashes. */
export class SettingsStore {
  readonly #path: string;
  readonly #options: SettingsOptions;
  readonly #listeners = new Set<(settings: ConsoleSettings) => void>();
  #stored: Stored;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(path: string, stored: Stored, options: SettingsOptions) {
    this.#path = path;
    this.#stored = stored;
    this.#options = options;
  }

  /** @throws TdError `damaged` when the file is there but cannot be used: guessing would undo what someone set. */
  static async open(dataDir: string, options: SettingsOptions): Promise<SettingsStore> {
    const path = join(dataDir, 'settings.json');
    const stored = await readJsonFile(path, {
      schema: storedSchema,
      what: "the console's settings",
      version: SETTINGS_VERSION,
      advice: 'correct the file, or move it away to start with the defaults',
    });
    return new SettingsStore(path, stored ?? storedSchema.parse({ version: SETTINGS_VERSION }), options);
  }

  get(): ConsoleSettings {
    const { templatesDir, interface: name, pinHash, web } = this.#stored;
    const { network } = this.#options;
    return {
      templatesDir: templatesDir || this.#options.defaultTemplatesDir,
      interface: name,
      address: network?.now().address ?? '',
      customPin: '',
      pinSet: pinHash !== '',
      web: { enabled: web.enabled, port: web.port, passwordSet: web.passwordHash !== '' },
      interfaces: [...this.#interfaces()],
      canSetAddress: network !== undefined,
    };
  }

  /** Calls the listener after every change; returns the function that ends that. */
  onChange(listener: (settings: ConsoleSettings) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Checks every value, writes them all and tells the listeners; a wrong value changes nothing.
   *
   * @throws TdError `usage`, `not-found`, `refused` naming the value; `io`, `no-space` when it cannot be written.
   */
  async change(change: SettingsChange): Promise<ConsoleSettings> {
    const done = this.#writing.then(() => this.#change(change));
    this.#writing = done.catch(() => {});
    return await done;
  }

  /** Whether a person at a target may go on; true when no PIN is set. */
  async isPin(pin: string): Promise<boolean> {
    const { pinHash } = this.#stored;
    return pinHash === '' || (await isPassword(pinHash, pin));
  }

  /** False when no password is set: nobody can sign in then. */
  async isWebPassword(password: string): Promise<boolean> {
    const { passwordHash } = this.#stored.web;
    return passwordHash !== '' && (await isPassword(passwordHash, password));
  }

  async #change(change: SettingsChange): Promise<ConsoleSettings> {
    const next: Stored = { ...this.#stored, web: { ...this.#stored.web } };
    if (change.templatesDir !== undefined) {
      const isDefault = ['', this.#options.defaultTemplatesDir].includes(change.templatesDir);
      next.templatesDir = isDefault ? '' : await writableFolder(change.templatesDir);
    }
    if (change.interface !== undefined) next.interface = this.#checkedInterface(change.interface);
    if (change.customPin !== undefined) next.pinHash = await checkedPin(change.customPin);
    if (change.web !== undefined) await this.#changeWeb(next.web, change.web);
    const move = this.#moveTo(change.address, next.interface);
    await writeJsonFile(this.#path, next);
    this.#stored = next;
    move?.();
    const settings = this.get();
    for (const listener of this.#listeners) listener(settings);
    return settings;
  }

  #interfaces(): readonly { name: string; address: string }[] {
    return (this.#options.interfaces ?? systemInterfaces)();
  }

  #checkedInterface(name: string): string {
    const names = this.#interfaces().map((one) => one.name);
    if (name === '' || names.includes(name)) return name;
    throw new TdError(
      'not-found',
      `Cannot use network interface "${name}": there is none of that name with an address; there are: ${names.join(', ') || 'none'}`,
    );
  }

  /** What brings the console to another address or card; undefined where it stays, or is moved at its next start. */
  #moveTo(address: string | undefined, card: string): (() => void) | undefined {
    const { network, whyNoChange } = this.#options;
    if (network === undefined) {
      if (address === undefined || address === '') return undefined;
      throw new TdError(
        'refused',
        'Cannot set the address here: this computer decides it itself; set it there',
      );
    }
    const wanted = { address: address ?? network.now().address, card };
    if (network.isNow(wanted) && card === this.#stored.interface) return undefined;
    const why = whyNoChange?.() ?? '';
    if (why !== '') throw new TdError('refused', `Cannot change the network now: ${why}`);
    return () => network.change(wanted);
  }

  async #changeWeb(web: Stored['web'], change: NonNullable<SettingsChange['web']>): Promise<void> {
    const before = this.#stored.web;
    if (change.enabled !== undefined) web.enabled = change.enabled;
    if (change.port !== undefined) web.port = change.port;
    if (change.password !== undefined) web.passwordHash = await checkedPassword(change.password);
    if (this.#options.ownPorts?.().includes(web.port) === true) {
      throw new TdError(
        'refused',
        `Cannot use port ${web.port} for the web page: the console itself uses it; take another`,
      );
    }
    // The one it listens on already is in use by itself.
    const isNew = web.enabled && (!before.enabled || before.port !== web.port);
    if (isNew) await checkPortFree(web.port);
  }
}

function systemInterfaces(): { name: string; address: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos = []]) =>
    infos
      .filter((info) => info.family === 'IPv4' && !info.internal)
      .map(({ address }) => ({ name, address })),
  );
}

async function writableFolder(path: string): Promise<string> {
  const refuse = (why: string) =>
    new TdError('usage', `Cannot use "${path}" as a folder: ${why}; name another`);
  if (!isAbsolute(path)) throw refuse('it must begin with /');
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw refuse('it does not exist');
  if (!found.isDirectory()) throw refuse('it is not a folder');
  await access(path, constants.R_OK | constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw refuse(`it cannot be written to (${errorLine(cause)})`);
  });
  return path;
}

async function checkedPin(pin: string): Promise<string> {
  if (pin === '') return '';
  if (!/^[0-9]{4,12}$/.test(pin)) throw new TdError('usage', 'Cannot use this PIN: use 4 to 12 digits');
  return await hashPassword(pin);
}

async function checkedPassword(password: string): Promise<string> {
  if (password === '') return '';
  if (password.length < PASSWORD_CHARS_MIN || password.length > PASSWORD_CHARS_MAX) {
    throw new TdError(
      'usage',
      `Cannot use this password: use ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`,
    );
  }
  return await hashPassword(password);
}

async function checkPortFree(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new TdError(
          'refused',
          `Cannot use port ${port} for the web page: ${errorLine(cause)}; take another`,
          { cause },
        ),
      ),
    );
    server.listen(port, () => server.close(() => resolve()));
  });
}
