import { createHash } from 'node:crypto';
import { type Random, seededRandom } from '../lib/clock.ts';
import { type ChunkLayout, chunkLayout } from './chunk-layout.ts';
import { HEADER_BYTES } from './limits.ts';
import { encodeAnswer, encodeDataHeader, encodeHeartbeat, newDataHeader, packetKind } from './packet.ts';
import { decodeReport } from './report-packet.ts';
import { Sender } from './sender.ts';
import type { ReceiverNotice, SenderAction, SenderEvent, SendState } from './sender-events.ts';
import { type SessionKeys, sessionKeys } from './session-keys.ts';
import { SimulatedTarget, type TargetFaults, type TargetWorld } from './simulated-target.ts';
import { SimulatedTime } from './simulated-time.ts';

export interface SimulationOptions {
  seed: number;
  chunkCount: number;
  /** Chunks get random sizes in between. */
  chunkBytesMin: number;
  chunkBytesMax: number;
  fragmentBytes: number;
  rateBytesPerSecond: number;
  rateStartBytesPerSecond: number;
  sealed: boolean;
  targets: readonly TargetFaults[];
  assemblyBytesMax: number;
  cacheBytesMax: number;
  /** Forged, foreign, damaged and replayed datagrams a second, each way. */
  forgedPerSecond: number;
  /** The sender is killed at this time. */
  senderDiesMs?: number;
  timeLimitMs: number;
}

export interface SimulatedTargetResult {
  receiverId: number;
  dead: boolean;
  outcome: 'complete' | 'failed' | 'unfinished';
  equal: boolean;
  endedMs: number;
  multicastChunks: number;
  tcpChunks: number;
  fetches: number;
  lostFragments: number;
  badDatagrams: number;
  damagedChunks: number;
  heldBytesMax: number;
}

export interface SimulationResult {
  /** The session and all living targets came to an end within the limit. */
  ended: boolean;
  senderEndedMs: number;
  sender: SendState;
  imageBytes: number;
  cacheBytesMax: number;
  targets: SimulatedTargetResult[];
  notices: ReceiverNotice[];
}

const DELAY_MS = 0.4;
const READ_MS = 0.3;
const PACE_STEP_MS = 4;
const RECORDED_MAX = 64;

/** Runs one session between the real state machines over a bad network, in virtual time. */
export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation implements TargetWorld {
  readonly time = new SimulatedTime();
  readonly keys: SessionKeys;
  readonly chunks: readonly Buffer[];
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #layout: ChunkLayout;
  readonly #sender: Sender;
  readonly #targets: SimulatedTarget[];
  readonly #held = new Map<number, Buffer>();
  readonly #header = newDataHeader();
  readonly #notices: ReceiverNotice[] = [];
  /** Genuine datagrams for a forger to replay and to damage. */
  readonly #recorded: Buffer[] = [];
  readonly #recordedReports: Buffer[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #senderOver = false;
  #senderEndedMs = 0;
  #cacheBytesMax = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.chunks = this.#makeImage();
    const secret = createHash('sha256').update(`key ${options.seed}`).digest();
    const token = createHash('sha256').update(`token ${options.seed}`).digest().subarray(0, 8);
    this.keys = sessionKeys(token, options.sealed ? secret : undefined);
    this.#layout = chunkLayout(
      { chunkCount: this.chunks.length, storedBytes: (ordinal) => this.chunks[ordinal]!.length },
      { sealed: options.sealed, fragmentBytes: options.fragmentBytes },
    );
    this.#sender = new Sender(
      {
        layout: this.#layout,
        sealed: options.sealed,
        receivers: options.targets.map((_, i) => ({ receiverId: i + 1, name: `target ${i + 1}` })),
        rate: {
          ceilingBytesPerSecond: options.rateBytesPerSecond,
          startBytesPerSecond: options.rateStartBytesPerSecond,
          floorBytesPerSecond: Math.min(20_000, options.rateBytesPerSecond),
        },
        cacheBytesMax: options.cacheBytesMax,
        paceStepMs: PACE_STEP_MS,
      },
      0,
    );
    this.#targets = options.targets.map((faults, i) => {
      const seed = Math.floor(this.#random() * 0xffff_ffff);
      const { assemblyBytesMax } = options;
      return new SimulatedTarget(this, { receiverId: i + 1, seed, faults, assemblyBytesMax });
    });
    if (options.forgedPerSecond > 0) this.#forge();
    if (options.senderDiesMs !== undefined) this.time.at(options.senderDiesMs, () => this.#endSender());
    this.#wake();
  }

  run(): SimulationResult {
    while (!this.#finished() && this.time.nowMs < this.#options.timeLimitMs) {
      // Looking whether all have ended after every event would cost more than the events.
      for (let i = 0; i < 64; i += 1) if (!this.time.step()) break;
    }
    return {
      ended: this.#finished(),
      senderEndedMs: this.#senderEndedMs,
      sender: this.#sender.state(this.time.nowMs),
      imageBytes: this.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
      cacheBytesMax: this.#cacheBytesMax,
      targets: this.#targets.map(targetResult),
      notices: this.#notices,
    };
  }

  report(bytes: Buffer, from: SimulatedTarget): void {
    if (this.#random() < Math.min(from.faults.loss, 0.5)) return;
    if (this.#recordedReports.length < RECORDED_MAX) this.#recordedReports.push(bytes);
    this.time.at(this.time.nowMs + DELAY_MS, () => this.#onReport(bytes, from.receiverId));
  }

  #makeImage(): Buffer[] {
    const { chunkCount, chunkBytesMin, chunkBytesMax } = this.#options;
    return Array.from({ length: chunkCount }, () => {
      const size = chunkBytesMin + Math.floor(this.#random() * (chunkBytesMax - chunkBytesMin + 1));
      const chunk = Buffer.alloc(size);
      for (let at = 0; at + 4 <= size; at += 4) chunk.writeUInt32LE(Math.floor(this.#random() * 2 ** 32), at);
      return chunk;
    });
  }

  #finished(): boolean {
    return this.#senderOver && this.#targets.every((target) => target.dead || target.ended !== undefined);
  }

  #handle(event: SenderEvent): void {
    if (this.#senderOver) return;
    for (const action of this.#sender.handle(event, this.time.nowMs)) this.#act(action);
    this.#cacheBytesMax = Math.max(this.#cacheBytesMax, this.#sender.cacheBytes);
    this.#wake();
  }

  #wake(): void {
    const atMs = this.#sender.nextWakeMs(this.time.nowMs);
    if (this.#senderOver || atMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.time.at(atMs, () => {
      if (this.#wakeAtMs !== atMs) return;
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#handle({ kind: 'tick' });
    });
  }

  #act(action: SenderAction): void {
    switch (action.kind) {
      case 'send':
        this.#broadcast(this.#datagrams(action));
        break;
      case 'heartbeat':
        this.#broadcast([encodeHeartbeat(action.heartbeat, this.keys)]);
        break;
      case 'answer': {
        const { receiverId, incarnation, sequence } = action.report;
        const { beat, verdict } = action;
        const answer = { receiverId, incarnation, reportSequence: sequence, beat, verdict };
        const bytes = encodeAnswer(answer, this.keys);
        const target = this.#targets[action.replyTo.port - 1];
        this.time.at(this.time.nowMs + DELAY_MS, () => target?.receive(bytes));
        break;
      }
      case 'read':
        this.time.at(this.time.nowMs + READ_MS, () => this.#onRead(action.ordinal));
        break;
      case 'release':
        this.#held.delete(action.ordinal);
        break;
      case 'notice':
        this.#notices.push(action.notice);
        break;
      case 'end':
      case 'fail':
        this.#endSender();
        break;
    }
  }

  #endSender(): void {
    this.#senderOver = true;
    this.#senderEndedMs = this.time.nowMs;
  }

  #onRead(ordinal: number): void {
    this.#held.set(ordinal, this.keys.seal(ordinal, this.chunks[ordinal]!));
    this.#handle({ kind: 'chunk-ready', ordinal });
  }

  #onReport(bytes: Buffer, port: number): void {
    const kind = packetKind(bytes, this.keys.token);
    const decoded =
      kind.ok && kind.value === 'report' ? decodeReport(bytes, this.keys, this.#layout) : undefined;
    if (decoded?.ok) {
      this.#handle({ kind: 'report', report: decoded.value, replyTo: { address: 'simulated', port } });
    } else {
      this.#handle({ kind: 'bad-datagram' });
    }
  }

  #datagrams(run: Extract<SenderAction, { kind: 'send' }>): Buffer[] {
    const chunk = this.#held.get(run.ordinal)!;
    const { fragmentBytes } = this.#layout;
    const datagrams: Buffer[] = [];
    for (let i = 0; i < run.count; i += 1) {
      const fragment = run.first + i;
      const payload = chunk.subarray(fragment * fragmentBytes, (fragment + 1) * fragmentBytes);
      const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
      Object.assign(this.#header, {
        ordinal: run.ordinal,
        fragment,
        fragmentCount: this.#layout.fragmentCount(run.ordinal),
        sequence: run.sequence + i,
        pass: run.pass,
        fragmentBytes,
        sealed: this.#options.sealed,
      });
      encodeDataHeader(bytes, this.keys.token, this.#header);
      payload.copy(bytes, HEADER_BYTES);
      datagrams.push(bytes);
    }
    return datagrams;
  }

  #broadcast(datagrams: Buffer[]): void {
    if (this.#recorded.length < RECORDED_MAX) this.#recorded.push(...datagrams);
    this.time.at(this.time.nowMs + DELAY_MS, () => {
      for (const target of this.#targets) target.arrive(datagrams);
    });
  }

  /** Someone on the network who knows the token but not the key. */
  #forge(): void {
    const forged = this.#forgery(this.#recorded);
    if (forged !== undefined) for (const target of this.#targets) target.receive(forged);
    const report = this.#forgery(this.#recordedReports);
    const port = 1 + Math.floor(this.#random() * this.#targets.length);
    if (report !== undefined) this.#onReport(report, port);
    if (!this.#finished()) {
      this.time.at(this.time.nowMs + 1000 / this.#options.forgedPerSecond, () => this.#forge());
    }
  }

  #forgery(genuine: readonly Buffer[]): Buffer | undefined {
    const original = genuine[Math.floor(this.#random() * genuine.length)];
    if (original === undefined) return undefined;
    const bytes = Buffer.from(original);
    const kind = Math.floor(this.#random() * 5);
    if (kind === 0) return bytes; // replayed as it was
    if (kind === 1) return bytes.subarray(0, Math.floor(this.#random() * bytes.length));
    if (kind === 2) return Buffer.concat([bytes, bytes]);
    if (kind === 3)
      bytes[4 + Math.floor(this.#random() * 8)]! ^= 0x55; // another session
    else
      bytes[12 + Math.floor(this.#random() * (bytes.length - 12))]! ^= 1 + Math.floor(this.#random() * 255);
    return bytes;
  }
}

function targetResult(target: SimulatedTarget): SimulatedTargetResult {
  const state = target.state;
  return {
    receiverId: target.receiverId,
    dead: target.dead,
    outcome: target.ended ?? 'unfinished',
    equal: target.equal,
    endedMs: target.endedMs,
    multicastChunks: state?.multicastChunks ?? 0,
    tcpChunks: state?.tcpChunks ?? 0,
    fetches: target.fetches,
    lostFragments: state?.lostFragments ?? 0,
    badDatagrams: state?.badDatagrams ?? 0,
    damagedChunks: state?.damagedChunks ?? 0,
    heldBytesMax: target.heldBytesMax,
  };
}
