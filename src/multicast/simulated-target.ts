import { type Random, seededRandom } from '../lib/clock.ts';
import { HEADER_BYTES } from './limits.ts';
import { decodeAnswer, decodeDataHeader, decodeHeartbeat, newDataHeader, packetKind } from './packet.ts';
import { Receiver, type ReceiverAction, type ReceiverState } from './receiver.ts';
import type { SessionKeys } from './session-keys.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** What one simulated target suffers. */
export interface TargetFaults {
  /** Part of the datagrams lost on the way, 0 to 1. */
  loss: number;
  /** Part of the datagrams that arrive up to 30 ms late, or twice. */
  reordered: number;
  duplicated: number;
  /** When it is switched on. */
  startMs: number;
  /** When it is switched off for good. */
  dieMs?: number;
  /** When it stops to do anything, and for how long. */
  freezeMs?: number;
  freezeForMs?: number;
  /** When its program is killed, and after how long it starts again with what is on the disk. */
  restartMs?: number;
  restartAfterMs?: number;
  diskBytesPerSecond: number;
  /** Datagrams a second that its processor takes. */
  datagramsPerSecond: number;
  /** Part of the chunks fetched over TCP that fail. */
  fetchFailures: number;
}

/** The parts of the simulation a target talks to. */
export interface TargetWorld {
  time: SimulatedTime;
  keys: SessionKeys;
  chunks: readonly Buffer[];
  report(bytes: Buffer, from: SimulatedTarget): void;
}

const QUEUE_DATAGRAMS_MAX = 400;
const FETCH_LATENCY_MS = 15;
const FETCH_BYTES_PER_MS = 20_000;

/** One computer with a disk, running the real receiver state machine. */
export class SimulatedTarget {
  readonly receiverId: number;
  readonly faults: TargetFaults;
  readonly #world: TargetWorld;
  readonly #random: Random;
  readonly #assemblyBytesMax: number;
  readonly #header = newDataHeader();
  /** The disk: survives restarts. */
  readonly disk: (Buffer | undefined)[];
  #receiver: Receiver | undefined;
  /** Rises with every start, so that what an earlier life had under way comes to nothing. */
  #life = 0;
  #frozenUntilMs = 0;
  #diskFreeMs = 0;
  #queueFreeMs = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #lastState: ReceiverState | undefined;
  dead = false;
  ended: 'complete' | 'failed' | undefined;
  endedMs = 0;
  heldBytesMax = 0;
  fetches = 0;

  constructor(
    world: TargetWorld,
    options: { receiverId: number; seed: number; faults: TargetFaults; assemblyBytesMax: number },
  ) {
    this.#world = world;
    this.receiverId = options.receiverId;
    this.faults = options.faults;
    this.#random = seededRandom(options.seed);
    this.#assemblyBytesMax = options.assemblyBytesMax;
    this.disk = world.chunks.map(() => undefined);
    const { time } = world;
    const { startMs, dieMs, freezeMs, freezeForMs = 0, restartMs, restartAfterMs = 0 } = options.faults;
    time.at(startMs, () => this.#start());
    if (dieMs !== undefined) time.at(dieMs, () => this.#die());
    if (freezeMs !== undefined) {
      time.at(freezeMs, () => {
        this.#frozenUntilMs = time.nowMs + freezeForMs;
      });
    }
    if (restartMs !== undefined) {
      time.at(restartMs, () => this.#stop());
      time.at(restartMs + restartAfterMs, () => this.#start());
    }
  }

  get state(): ReceiverState | undefined {
    return this.#receiver?.state() ?? this.#lastState;
  }

  /** Whether the disk holds exactly what was sent. */
  get equal(): boolean {
    return this.#world.chunks.every((chunk, ordinal) => this.disk[ordinal]?.equals(chunk) === true);
  }

  /** The network brings datagrams that were sent back to back. */
  arrive(datagrams: readonly Buffer[]): void {
    for (const bytes of datagrams) {
      const { loss, duplicated, reordered } = this.faults;
      if (loss > 0 && this.#random() < loss) continue;
      const late = reordered > 0 && this.#random() < reordered;
      if (late) this.#world.time.at(this.#world.time.nowMs + this.#random() * 30, () => this.#take(bytes));
      else this.#take(bytes);
      if (duplicated > 0 && this.#random() < duplicated) this.#take(bytes);
    }
  }

  /** Unicast does not suffer from what multicast suffers from, but from freezing and death. */
  receive(bytes: Buffer): void {
    if (this.#awake()) this.#dispatch(bytes);
  }

  #take(bytes: Buffer): void {
    const { nowMs } = this.#world.time;
    const perDatagramMs = 1000 / this.faults.datagramsPerSecond;
    const freeMs = Math.max(this.#queueFreeMs, nowMs, this.#frozenUntilMs);
    if (freeMs - nowMs > QUEUE_DATAGRAMS_MAX * perDatagramMs && freeMs > nowMs) return;
    this.#queueFreeMs = freeMs + perDatagramMs;
    // A processor that keeps up is not worth an event of its own for every datagram.
    if (freeMs - nowMs < 1) this.receive(bytes);
    else this.#world.time.at(freeMs, () => this.receive(bytes));
  }

  #awake(): boolean {
    return this.#receiver !== undefined && this.#world.time.nowMs >= this.#frozenUntilMs;
  }

  #dispatch(bytes: Buffer): void {
    const receiver = this.#receiver!;
    const { nowMs } = this.#world.time;
    const { keys } = this.#world;
    const kind = packetKind(bytes, keys.token);
    const control =
      kind.ok && kind.value === 'heartbeat'
        ? decodeHeartbeat(bytes, keys)
        : kind.ok && kind.value === 'answer'
          ? decodeAnswer(bytes, keys)
          : undefined;
    if (control?.ok) {
      this.#act(
        'verdict' in control.value
          ? receiver.handle({ kind: 'answer', answer: control.value }, nowMs)
          : receiver.handle({ kind: 'heartbeat', heartbeat: control.value }, nowMs),
      );
    } else if (kind.ok && kind.value === 'data' && decodeDataHeader(bytes, this.#header) === undefined) {
      const payload = bytes.subarray(HEADER_BYTES);
      this.#act(receiver.handle({ kind: 'data', header: this.#header, payload }, nowMs));
    } else {
      receiver.countBadDatagram();
    }
    this.#plan();
  }

  #start(): void {
    if (this.dead || this.ended !== undefined) return;
    const { time, keys, chunks } = this.#world;
    this.#life += 1;
    this.#receiver = new Receiver(
      {
        receiverId: this.receiverId,
        incarnation: Math.floor(this.#random() * 0x1_0000_0000),
        sizes: { chunkCount: chunks.length, storedBytes: (ordinal) => chunks[ordinal]!.length },
        keys,
        random: this.#random,
        have: this.disk.flatMap((bytes, ordinal) => (bytes === undefined ? [] : [ordinal])),
        assemblyBytesMax: this.#assemblyBytesMax,
      },
      time.nowMs,
    );
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.#plan();
  }

  #stop(): void {
    this.#lastState = this.state;
    this.#receiver = undefined;
    this.#life += 1;
  }

  #die(): void {
    this.dead = this.ended === undefined;
    this.#stop();
  }

  #plan(): void {
    const receiver = this.#receiver;
    if (receiver === undefined || receiver.nextWakeMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = receiver.nextWakeMs;
    const life = this.#life;
    const wake = () => {
      if (life !== this.#life) return;
      const { time } = this.#world;
      if (time.nowMs < this.#frozenUntilMs) {
        time.at(this.#frozenUntilMs, wake);
        return;
      }
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#act(receiver.handle({ kind: 'tick' }, time.nowMs));
      this.#plan();
    };
    this.#world.time.at(this.#wakeAtMs, wake);
  }

  #act(actions: readonly ReceiverAction[]): void {
    for (const action of actions) {
      this.heldBytesMax = Math.max(this.heldBytesMax, this.#receiver?.heldBytes ?? 0);
      switch (action.kind) {
        case 'deliver':
          this.#write(action.ordinal, this.#world.keys.open(action.ordinal, action.wire));
          break;
        case 'fetch':
          this.#fetch(action.ordinal);
          break;
        case 'send-report':
          this.#world.report(action.bytes, this);
          break;
        case 'end':
        case 'fail':
          this.ended = action.kind === 'end' ? 'complete' : 'failed';
          this.endedMs = this.#world.time.nowMs;
          this.#stop();
          return;
      }
    }
  }

  /** The disk takes one chunk after the other. */
  #write(ordinal: number, opened: Buffer | undefined): void {
    const { time, chunks } = this.#world;
    const life = this.#life;
    const bytes = opened === undefined ? undefined : Buffer.from(opened);
    const damaged = bytes?.equals(chunks[ordinal]!) !== true;
    this.#diskFreeMs =
      Math.max(this.#diskFreeMs, time.nowMs) + ((bytes?.length ?? 0) * 1000) / this.faults.diskBytesPerSecond;
    time.at(this.#diskFreeMs, () => {
      if (life !== this.#life || this.#receiver === undefined) return;
      if (!damaged) this.disk[ordinal] = bytes;
      const verdict = damaged ? 'damaged' : 'ok';
      this.#act(this.#receiver.handle({ kind: 'delivered', ordinal, verdict }, time.nowMs));
      this.#plan();
    });
  }

  #fetch(ordinal: number): void {
    const { time, chunks } = this.#world;
    const life = this.#life;
    const bytes = chunks[ordinal]!;
    const fails = this.#random() < this.faults.fetchFailures;
    this.fetches += 1;
    time.at(time.nowMs + FETCH_LATENCY_MS + bytes.length / FETCH_BYTES_PER_MS, () => {
      if (life !== this.#life || this.#receiver === undefined) return;
      if (!fails) {
        this.#write(ordinal, bytes);
        return;
      }
      this.#act(this.#receiver.handle({ kind: 'fetch-failed', ordinal, reason: 'simulated' }, time.nowMs));
      this.#plan();
    });
  }
}
