import { type ControlClient, connectControl } from '../control/control-client.ts';
import { findConsole } from '../control/discovery.ts';
import type { AgentMessage, Hello } from '../control/messages.ts';
import { connectService, type GetOptions, type ServiceClient } from '../control/service-client.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { parseHostPort } from '../schema/boot-params.ts';
import type { Machine } from '../schema/machine.ts';
import { DEFAULT_PORTS, type Site } from '../schema/site.ts';

export interface ConsolePlace {
  host: string;
  port: number;
  /** Undefined trusts whichever console answers, and proves nothing to it. */
  certificateSha256: string | undefined;
}

export interface LocateOptions {
  /** `HOST[:PORT]` of the boot parameter or the command line. */
  console: string | undefined;
  site: Site | undefined;
  /** Own IPv4 addresses to ask from. */
  addresses: readonly string[];
  logger: Logger;
  signal: AbortSignal;
  find?: typeof findConsole;
}

/**
 * Says where the console is: as named, else as the site file has it, else as discovery finds it.
 *
 * @throws TdError `usage` for a wrong name; `not-found` and `refused` of discovery.
 */
export async function locateConsole(options: LocateOptions): Promise<ConsolePlace> {
  const certificateSha256 = options.site?.certificateSha256;
  const named = options.console ?? options.site?.console ?? '';
  if (named !== '') {
    const place = parseHostPort(named);
    if (place === undefined) {
      throw new TdError('usage', `Cannot use "${named}" as the console: use HOST or HOST:PORT`);
    }
    return { host: place.host, port: place.port ?? DEFAULT_PORTS.control, certificateSha256 };
  }
  const find = options.find ?? findConsole;
  const found = await find({
    interfaceAddresses: options.addresses,
    certificateSha256,
    logger: options.logger,
    signal: options.signal,
  });
  return { host: found.address, port: found.controlPort, certificateSha256 };
}

/** A report that could not be sent is kept for this many later connections' worth of jobs. */
const UNSENT_REPORTS_MAX = 20;

/**
 * The agent's end of "the console": outlives single connections, so that a job goes on while the console
 * restarts and its report still arrives.
 */
export class ConsoleLink implements AsyncDisposable {
  #client: ControlClient | undefined;
  #service: ServiceClient | undefined;
  #unsent: AgentMessage[] = [];
  #localAddress = '';
  #remoteAddress = '';
  #consoleName = '';

  get isConnected(): boolean {
    return this.#client !== undefined && !this.#client.closed;
  }

  /** Own address on the last connection. */
  get localAddress(): string {
    return this.#localAddress;
  }

  get remoteAddress(): string {
    return this.#remoteAddress;
  }

  get consoleName(): string {
    return this.#consoleName;
  }

  get unsentCount(): number {
    return this.#unsent.length;
  }

  /** Connects and sends what is left over. @throws TdError as `connectControl`. */
  async connect(
    place: ConsolePlace,
    options: {
      siteKey: string | undefined;
      version: string;
      machine: Machine;
      job?: NonNullable<Hello['job']>;
      localAddress?: string;
      logger: Logger;
      signal: AbortSignal;
    },
  ): Promise<ControlClient> {
    const client = await connectControl({ ...place, ...options, role: 'agent' });
    await this.#drop();
    this.#client = client;
    this.#localAddress = client.localAddress;
    this.#remoteAddress = client.remoteAddress;
    this.#consoleName = client.welcome.consoleName;
    this.#service = connectService({
      host: place.host,
      port: client.welcome.servicePort,
      // Pinned to what answered just now even where no site file names a certificate.
      certificateSha256: client.certificateSha256,
      token: client.welcome.serviceToken,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const message of unsent) this.sendSurely(message);
    return client;
  }

  /** Sends now or not at all (false): progress of a moment ago interests nobody. */
  send(message: AgentMessage): boolean {
    return this.#client?.send(message) ?? false;
  }

  /** Sends now or on the next connection. */
  sendSurely(message: AgentMessage): void {
    if (this.isConnected && this.#client!.send(message)) return;
    this.#unsent.push(message);
    while (this.#unsent.length > UNSENT_REPORTS_MAX) this.#unsent.shift();
  }

  /** @throws TdError `network` while there is no connection; else as `ServiceClient.getBuffer`. */
  async get(path: string, options: GetOptions): Promise<Buffer> {
    if (this.#service === undefined || !this.isConnected) {
      throw new TdError('network', `Cannot read "${path}": the connection to the console is lost`);
    }
    return this.#service.getBuffer(path, options);
  }

  async #drop(): Promise<void> {
    this.#client?.close();
    this.#service?.close();
    this.#client = undefined;
    this.#service = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop();
  }
}
