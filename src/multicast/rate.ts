import {
  RATE_CEILING_BYTES_PER_SECOND,
  RATE_FLOOR_BYTES_PER_SECOND,
  RATE_INTERVAL_MS,
  RATE_START_BYTES_PER_SECOND,
} from './limits.ts';

/** How one receiver fares, from its last reports. */
export interface RateSample {
  receiverId: number;
  /** Part of the datagrams sent that the receiver took, 0 to 1: neither lost nor refused. */
  delivered: number;
  /** How long ago the newest datagram that it has seen was sent. */
  lagMs: number;
  /** The sequence number after which `delivered` was counted. */
  since: number;
  /** And up to which. */
  until: number;
}

export interface RateDecision {
  /** Receivers that a decrease was made for although most others fared well. */
  blamed: number[];
  decreased: boolean;
}

/** Beyond the loss that does not depend on the rate. */
export const LOSS_TOLERATED = 0.05;
export const LOSS_BASELINE_MAX = 0.3;
export const LAG_MS_TOLERATED = 700;
/** Above it the rate does not grow: a queue is filling somewhere. */
export const LAG_MS_GROWING = 450;
/** The worst tenth of the group does not steer. */
export const STEERING_PERCENTILE = 0.9;
export const DECREASE_FACTOR_MIN = 0.25;
export const DECREASE_FACTOR_MAX = 0.85;
export const START_FACTOR = 2;
/** Well below the rate that last was too much, and near it or above. */
export const RETURN_FACTOR = 1.25;
export const RETURN_UP_TO = 0.8;
export const INCREASE_FACTOR = 1.05;
/** The longer all is well, the longer the steps, up to RETURN_FACTOR. */
export const INCREASE_GROWTH = 0.01;
export const INCREASE_BYTES_PER_SECOND = 40_000;
const TOO_MUCH_FADING = 0.6;
/** Decisions over which the rate really sent is remembered: reports are about half a second old. */
const RECENT_RATES = 4;
const BASELINE_EASING = 0.1;
/** The rate only grows when it was used. */
const USED_MIN = 0.7;

export interface RateOptions {
  startBytesPerSecond?: number;
  floorBytesPerSecond?: number;
  ceilingBytesPerSecond?: number;
}

/**
 * Pace of a session: grows fast until the group's 90th percentile first suffers, then additive increase
 * and multiplicative decrease. Loss that stays the same at a lower rate is the network's own and is borne.
 */
export class RateControl {
  readonly #floor: number;
  readonly #ceiling: number;
  #rate: number;
  #starting = true;
  #nextDecisionMs: number;
  #usedBytes = 0;
  #usedSinceMs: number;
  readonly #recentRates: number[] = [];
  /** The rate at which the group last suffered. */
  #tooMuch = 0;
  /** Increases since then. */
  #calmSteps = 0;
  /** Samples from before the last decrease say nothing about it. */
  #decreasedAt = 0;
  #increasedAt = 0;
  #before: { rate: number; delivered: number } | undefined;
  #baselineLoss = 0;

  constructor(options: RateOptions, nowMs: number) {
    this.#ceiling = options.ceilingBytesPerSecond ?? RATE_CEILING_BYTES_PER_SECOND;
    this.#floor = Math.min(options.floorBytesPerSecond ?? RATE_FLOOR_BYTES_PER_SECOND, this.#ceiling);
    const start = options.startBytesPerSecond ?? RATE_START_BYTES_PER_SECOND;
    this.#rate = Math.min(Math.max(start, this.#floor), this.#ceiling);
    this.#nextDecisionMs = nowMs + RATE_INTERVAL_MS;
    this.#usedSinceMs = nowMs;
  }

  get bytesPerSecond(): number {
    return this.#rate;
  }

  get baselineLoss(): number {
    return this.#baselineLoss;
  }

  /** The sequence number from which on the last decrease holds. */
  get decreasedAt(): number {
    return this.#decreasedAt;
  }

  get nextDecisionMs(): number {
    return this.#nextDecisionMs;
  }

  /** What was really sent since the last decision. */
  noteSent(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /**
   * Adjusts the rate; call when {@link nextDecisionMs} has come.
   *
   * @param samples of the receivers that steer: active, recent, not left behind.
   */
  decide(samples: readonly RateSample[], options: { nowMs: number; nextSequence: number }): RateDecision {
    const used = this.#noteUsed(options.nowMs);
    this.#nextDecisionMs = options.nowMs + RATE_INTERVAL_MS;
    const current = samples.filter((sample) => sample.since >= this.#decreasedAt);
    // Without word from most of the group since the last step there is nothing to decide on.
    if (current.length === 0 || current.length * 2 < samples.length) return { blamed: [], decreased: false };
    const loss = percentile(current.map((sample) => 1 - sample.delivered));
    const lagMs = percentile(current.map((sample) => sample.lagMs));
    this.#learnBaseline(1 - loss);
    const lossMax = this.#baselineLoss * 1.5 + LOSS_TOLERATED;
    if (loss <= lossMax && lagMs <= LAG_MS_TOLERATED) {
      // One step for one word: the group has to have seen the last one.
      const heard = current.filter((sample) => sample.until > this.#increasedAt).length * 2 >= current.length;
      if (heard && used >= USED_MIN && lagMs <= LAG_MS_GROWING) this.#increase(options.nextSequence);
      return { blamed: [], decreased: false };
    }
    const culprits = current.filter(
      (sample) => 1 - sample.delivered > lossMax || sample.lagMs > LAG_MS_TOLERATED,
    );
    const few = culprits.length * 2 <= current.length;
    // For a few the step is small: perhaps they are left behind, and then it was for nothing.
    const factor = few ? DECREASE_FACTOR_MAX : decreaseFactor(1 - loss, lagMs);
    this.#decrease(factor, { delivered: 1 - loss, nextSequence: options.nextSequence });
    return { blamed: few ? culprits.map((culprit) => culprit.receiverId) : [], decreased: true };
  }

  /** @returns the part of the rate that was used since the last decision. */
  #noteUsed(nowMs: number): number {
    const elapsedMs = Math.max(nowMs - this.#usedSinceMs, 1);
    this.#recentRates.push((this.#usedBytes * 1000) / elapsedMs);
    if (this.#recentRates.length > RECENT_RATES) this.#recentRates.shift();
    this.#usedBytes = 0;
    this.#usedSinceMs = nowMs;
    return this.#recentRates.at(-1)! / this.#rate;
  }

  /** What was really sent when it was sent; a computer that cannot send faster is not slowed by a lower limit. */
  #effectiveRate(): number {
    return Math.min(Math.max(...this.#recentRates, this.#rate * DECREASE_FACTOR_MIN), this.#rate);
  }

  /** A receiver that held the group back no longer does: search anew from here. */
  release(): void {
    this.#starting = true;
    this.#before = undefined;
  }

  #increase(nextSequence: number): void {
    this.#increasedAt = nextSequence;
    const factor = Math.min(INCREASE_FACTOR + INCREASE_GROWTH * this.#calmSteps, RETURN_FACTOR);
    this.#calmSteps += 1;
    let grown = this.#rate * factor + INCREASE_BYTES_PER_SECOND;
    if (this.#starting) grown = this.#rate * START_FACTOR;
    else if (this.#rate < this.#tooMuch * RETURN_UP_TO) grown = this.#rate * RETURN_FACTOR;
    this.#rate = Math.min(grown, this.#ceiling);
  }

  #decrease(factor: number, at: { delivered: number; nextSequence: number }): void {
    this.#starting = false;
    this.#calmSteps = 0;
    // A step that follows another one at once is still about the same excess.
    const rate = this.#effectiveRate();
    this.#tooMuch = Math.max(rate, this.#tooMuch * TOO_MUCH_FADING);
    this.#before = { rate, delivered: at.delivered };
    this.#rate = Math.max(rate * factor, this.#floor);
    this.#decreasedAt = at.nextSequence;
  }

  /** A full queue delivers a larger part when less is sent; a bad cable does not. */
  #learnBaseline(delivered: number): void {
    const easing = this.#baselineLoss - (1 - delivered);
    if (easing > 0) this.#baselineLoss -= easing * BASELINE_EASING;
    const before = this.#before;
    this.#before = undefined;
    if (before === undefined || before.delivered >= 1) return;
    const gainExpected = Math.min(1 / before.delivered, before.rate / this.#rate);
    const gain = delivered / before.delivered;
    if (gain - 1 > (gainExpected - 1) / 2 || gainExpected < 1.01) return;
    const loss = 1 - delivered;
    if (loss > LOSS_BASELINE_MAX) return;
    this.#baselineLoss = loss;
    this.#rate = before.rate;
  }
}

/** A little less than what got through. */
function decreaseFactor(delivered: number, lagMs: number): number {
  const wanted = Math.min(delivered * 0.9, LAG_MS_TOLERATED / Math.max(lagMs, 1));
  return Math.min(Math.max(wanted, DECREASE_FACTOR_MIN), DECREASE_FACTOR_MAX);
}

/** The value below which {@link STEERING_PERCENTILE} of the group lies; the worst of fewer than ten. */
function percentile(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.max(0, Math.ceil(values.length * STEERING_PERCENTILE) - 1)] ?? 0;
}
