import { OFFERS_MAX, type Offer } from '../control/messages.ts';
import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ConnectedComputer, computerLabel } from './computers.ts';
import type { ConsoleCore } from './console-core.ts';
import type { SettingsStore } from './console-settings.ts';
import type { DeployJob } from './deploy-job.ts';
import { deployRequestOf, type PreparationParts } from './deploy-preparation.ts';
import { diskNeeds } from './preflight-message.ts';
import type { RpcMethods } from './rpc-server.ts';

/** Template files may be changed by hand, and images come and go. */
const REFRESH_INTERVAL_MS = 10_000;
const CHANGING_CALLS = ['template.save', 'template.delete'];
const WRONG_PINS_MAX = 5;
const WRONG_PINS_WINDOW_MS = 60_000;
/** A job that was started by another computer a moment ago is opening its image. */
const OPENING_MS_MAX = 2000;
const OPENING_POLL_MS = 20;

export interface CustomOffersOptions extends PreparationParts {
  core: ConsoleCore;
  settings: Pick<SettingsStore, 'get' | 'isPin' | 'onChange'>;
  logger: Logger;
  refreshIntervalMs?: number;
}

/** Custom deployment mode: templates that people at waiting computers may start there. */
export class CustomOffers implements Disposable {
  readonly #options: CustomOffersOptions;
  readonly #wrongPins = new Map<string, number[]>();
  readonly #cleanups: (() => void)[] = [];
  readonly #told = new Set<string>();
  #offers: Offer[] = [];
  #refreshing: Promise<void> = Promise.resolve();
  #choosing: Promise<void> = Promise.resolve();

  constructor(options: CustomOffersOptions) {
    this.#options = options;
    const { core, settings } = options;
    const timer = setInterval(() => void this.refresh(), options.refreshIntervalMs ?? REFRESH_INTERVAL_MS);
    this.#cleanups.push(
      () => clearInterval(timer),
      settings.onChange(() => void this.refresh()),
      core.computers.subscribe({ onConnected: (computer) => this.#connected(computer) }),
    );
    void this.refresh();
  }

  [Symbol.dispose](): void {
    for (const cleanup of this.#cleanups) cleanup();
  }

  /** Looks at the templates and tells waiting computers what changed; never throws. */
  refresh(): Promise<void> {
    this.#refreshing = this.#refreshing.then(() => this.#refreshNow()).catch((error) => this.#tell(error));
    return this.#refreshing;
  }

  /** The same calls; those that change templates are followed by a look at them. */
  following(methods: RpcMethods): RpcMethods {
    const changed = Object.entries(methods).filter(([name]) => CHANGING_CALLS.includes(name));
    const followed = changed.map(([name, method]): [string, RpcMethods[string]] => [
      name,
      async (call) => {
        const result = await method(call);
        void this.refresh();
        return result;
      },
    ]);
    return { ...methods, ...Object.fromEntries(followed) };
  }

  async #refreshNow(): Promise<void> {
    const { core, templates, settings } = this.#options;
    const needsPin = settings.get().pinSet === true;
    const offers: Offer[] = [];
    for (const entry of await templates.list()) {
      if (!entry.offeredOnTargets || entry.problems.length > 0 || offers.length >= OFFERS_MAX) continue;
      try {
        offers.push(await this.#offerOf(entry, needsPin));
      } catch (error) {
        this.#tell(error);
      }
    }
    if (JSON.stringify(offers) === JSON.stringify(this.#offers)) return;
    this.#offers = offers;
    for (const computer of core.computers.list()) {
      if (computer.role === 'agent') computer.connection.send({ type: 'offers', offers });
    }
  }

  async #offerOf(entry: { name: string; comment: string }, needsPin: boolean): Promise<Offer> {
    const { name, comment } = entry;
    // Each computer starts its own job or joins one: that many wait says nothing against the template.
    const request = await deployRequestOf(this.#options, { template: name, waitFor: 1 }, { computers: [] });
    await using lease = await this.#options.core.library.lease(request.image);
    const image = lease.reader.manifest.name;
    return { name, comment, image, needsPin, ...diskNeeds(lease.reader, request) };
  }

  #connected(computer: ConnectedComputer): void {
    if (computer.role !== 'agent') return;
    if (this.#offers.length > 0) computer.connection.send({ type: 'offers', offers: this.#offers });
    computer.connection.onMessage((message) => {
      if (message.type !== 'choose-offer') return;
      // One after the other: two that choose the same template at once are to share one session.
      this.#choosing = this.#choosing.then(() => this.#answer(computer, message));
    });
  }

  async #answer(
    computer: ConnectedComputer,
    { template, pin }: { template: string; pin: string },
  ): Promise<void> {
    const say = (jobId: string, reason: string) =>
      computer.connection.send({ type: 'offer-answer', template, jobId, reason: reason.slice(0, 1000) });
    try {
      await this.#checkPin(computer.computerId, pin);
      this.#checkFree(computer, template);
      const job = (await this.#openJob(template)) ?? (await this.#newJob(computer, template));
      // The answer goes first: the computer is to know that pre-flight is about what was confirmed there.
      say(job.id, '');
      job.admit(computer);
      this.#event(computer, `chose template "${template}", job ${job.id}`);
    } catch (error) {
      say('', errorLine(error));
      this.#event(computer, `may not start template "${template}": ${errorLine(error)}`, 'warn');
    }
  }

  /** @throws TdError `refused`. */
  async #checkPin(computerId: string, pin: string): Promise<void> {
    const nowMs = performance.now();
    const wrong = (this.#wrongPins.get(computerId) ?? []).filter((at) => nowMs - at < WRONG_PINS_WINDOW_MS);
    if (wrong.length >= WRONG_PINS_MAX) {
      throw new TdError('refused', 'Too many wrong PINs from this computer; wait a minute');
    }
    if (await this.#options.settings.isPin(pin)) {
      this.#wrongPins.delete(computerId);
      return;
    }
    this.#wrongPins.set(computerId, [...wrong, nowMs]);
    throw new TdError('refused', 'This PIN is wrong; ask your administrator');
  }

  #checkFree(computer: ConnectedComputer, template: string): void {
    if (!this.#offers.some((one) => one.name === template)) {
      throw new TdError('refused', `Template "${template}" is no longer offered; choose another`);
    }
    if (computer.connection.closed || computer.jobId !== undefined) {
      throw new TdError('refused', `Job ${computer.jobId ?? ''} runs on this computer already`);
    }
  }

  /** The running job of a template. */
  async #openJob(template: string): Promise<DeployJob | undefined> {
    const { deployments } = this.#options.core;
    const mine = () => deployments.list().filter((job) => job.request.template === template);
    const endMs = performance.now() + OPENING_MS_MAX;
    while (mine().some((job) => job.isOpening) && performance.now() < endMs) await sleep(OPENING_POLL_MS);
    return mine().find((job) => job.isOpen);
  }

  async #newJob(computer: ConnectedComputer, template: string): Promise<DeployJob> {
    const targets = [computer.computerId];
    const request = await deployRequestOf(
      this.#options,
      { template, targets, waitFor: 0 },
      { countsOn: true },
    );
    this.#checkFree(computer, template);
    return this.#options.core.deployments.start({ ...request, wake: false });
  }

  #event(computer: ConnectedComputer, text: string, level: 'info' | 'warn' = 'info'): void {
    const { computerId } = computer;
    const line = `${computerLabel(computerId)} ${text}`;
    this.#options.core.store.addEvent({ level, kind: 'offer-chosen', computerId, text: line });
  }

  /** The same problem comes up at every look: once is enough. */
  #tell(error: unknown): void {
    const line = errorLine(error);
    if (this.#told.has(line) || this.#told.size > 1000) return;
    this.#told.add(line);
    this.#options.logger.warn({ error: line }, 'a template cannot be offered');
  }
}
