import type { ConsoleOrder } from '../control/control-client.ts';
import type { AgentMessage, Offer } from '../control/messages.ts';
import { TdError } from '../lib/errors.ts';
import type { MachineDisk } from '../schema/machine.ts';
import type { TargetAnswer } from './target-disk.ts';

const ANSWER_MS_MAX = 15_000;

export interface AgentOffersOptions {
  /** False when the console is not connected. */
  send(message: AgentMessage): boolean;
  /** Applies an offer's disk rule to the disks as they are now. */
  chooseDisk(offer: Offer): Promise<TargetAnswer>;
  answerMsMax?: number;
}

interface Choice {
  template: string;
  disk: MachineDisk;
  jobId: string;
  settle: (result: { jobId: string } | TdError) => void;
}

/** What the console offers to the person at this computer, and how to take one. */
export class AgentOffers {
  readonly #options: AgentOffersOptions;
  readonly #handlers = new Set<() => void>();
  #offers: readonly Offer[] = [];
  #choice: Choice | undefined;

  constructor(options: AgentOffersOptions) {
    this.#options = options;
  }

  /** Empty while there is no console or it offers nothing. */
  get offers(): readonly Offer[] {
    return this.#offers;
  }

  /** Calls back when {@link offers} changed; the returned function ends that. */
  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** The disk an offer would be written to, for the person to confirm, or why there is none. */
  async diskFor(name: string): Promise<TargetAnswer> {
    return await this.#options.chooseDisk(this.#named(name));
  }

  /**
   * Asks the console for an offer.
   *
   * @param options `pin` where it is needed; `disk` as {@link diskFor} chose it and the person confirmed it.
   * @returns the job that now begins here.
   * @throws TdError `refused` with the console's reason, `timeout`, `network`, `not-found`.
   */
  async choose(name: string, options: { pin: string; disk: MachineDisk }): Promise<{ jobId: string }> {
    const { name: template } = this.#named(name);
    this.#choice?.settle(new TdError('cancelled', 'Another template was chosen'));
    if (!this.#options.send({ type: 'choose-offer', template, pin: options.pin })) {
      throw new TdError('network', `Cannot start "${template}": the console is not connected; try again`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<{ jobId: string }>();
    const settle = (result: { jobId: string } | TdError) =>
      result instanceof TdError ? reject(result) : resolve(result);
    const choice: Choice = { template, disk: options.disk, jobId: '', settle };
    this.#choice = choice;
    const timer = setTimeout(
      () =>
        settle(new TdError('timeout', `Cannot start "${template}": the console does not answer; try again`)),
      this.#options.answerMsMax ?? ANSWER_MS_MAX,
    );
    try {
      return await promise;
    } catch (error) {
      if (this.#choice === choice) this.#choice = undefined;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes what the console says about offers. */
  heard(order: Extract<ConsoleOrder, { type: 'offers' | 'offer-answer' }>): void {
    if (order.type === 'offers') {
      this.#replace(order.offers);
      return;
    }
    const { template, jobId, reason } = order;
    const choice = this.#choice;
    if (choice === undefined || choice.template !== template || choice.jobId !== '') return;
    choice.jobId = jobId;
    choice.settle(jobId === '' ? new TdError('refused', reason || 'The console refused it') : { jobId });
  }

  /** The connection is gone: nothing is offered any more, and no answer comes. */
  disconnected(): void {
    this.#replace([]);
    if (this.#choice?.jobId !== '') return;
    this.#choice.settle(new TdError('network', 'The connection to the console was lost; try again'));
  }

  /** Why a job may not be written to a disk: the person here confirmed another one for it. Undefined when it may. */
  objection(jobId: string, disk: MachineDisk): string | undefined {
    const choice = this.#choice;
    if (choice === undefined || choice.jobId !== jobId || jobId === '') return undefined;
    const { name, serial, sizeBytes } = choice.disk;
    if (disk.name === name && disk.serial === serial && disk.sizeBytes === sizeBytes) return undefined;
    return `Disk ${name} was confirmed here, the rule now chooses ${disk.name}; choose the template again`;
  }

  #named(name: string): Offer {
    const offer = this.#offers.find((one) => one.name === name);
    if (offer === undefined) {
      throw new TdError(
        'not-found',
        `Cannot start "${name}": the console no longer offers it; choose another`,
      );
    }
    return offer;
  }

  #replace(offers: readonly Offer[]): void {
    this.#offers = offers;
    for (const handler of this.#handlers) handler();
  }
}
