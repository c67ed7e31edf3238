import { type Random, seededRandom } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { TargetFaults } from './simulated-target.ts';
import type { SimulationOptions } from './simulator.ts';

export interface ScenarioOptions {
  receivers: number;
  /** Part of the datagrams lost, 0 to 1. */
  loss: number;
  seed: number;
}

type Change = (targets: TargetFaults[], context: { random: Random; options: SimulationOptions }) => void;

/** What goes wrong when, by name; times are in the span of a first pass of about two seconds. */
export const SCENARIOS: Record<string, { about: string; change: Change }> = {
  plain: { about: 'only the given loss', change: () => {} },
  mixed: {
    about: 'a tenth of the receivers dies, another tenth freezes for a while',
    change: (targets, { random }) => {
      const tenth = Math.max(1, Math.floor(targets.length / 10));
      const unlucky = shuffled(targets, random);
      for (const target of unlucky.slice(0, tenth)) target.dieMs = random() * 4000;
      for (const target of unlucky.slice(tenth, 2 * tenth)) {
        target.freezeMs = random() * 4000;
        target.freezeForMs = 200 + random() * 9000;
      }
    },
  },
  'late-join': {
    about: 'half of the receivers is switched on during the first pass and after it',
    change: (targets, { random }) => {
      for (const target of targets.slice(targets.length / 2)) target.startMs = random() * 12_000;
    },
  },
  rejoin: {
    about: 'every second receiver is restarted in the middle and keeps what is on its disk',
    change: (targets, { random }) => {
      for (const target of targets.filter((_, i) => i % 2 === 0)) {
        target.restartMs = 500 + random() * 2000;
        target.restartAfterMs = random() * 8000;
      }
    },
  },
  reorder: {
    about: 'a tenth of the datagrams comes late and a tenth comes twice',
    change: (targets) => {
      for (const target of targets) Object.assign(target, { reordered: 0.1, duplicated: 0.1 });
    },
  },
  'all-dead': {
    about: 'every receiver dies',
    change: (targets, { random }) => {
      for (const target of targets) target.dieMs = 700 + random() * 1500;
    },
  },
  'slow-disk': {
    about: 'one disk takes a twentieth of the rate',
    change: (targets, { options }) => {
      options.assemblyBytesMax = 8 * options.chunkBytesMax;
      const first = targets[0];
      if (first !== undefined) first.diskBytesPerSecond = options.rateBytesPerSecond / 20;
    },
  },
  'slow-processors': {
    about: 'no receiver takes more than a tenth of the rate',
    change: (targets, { options }) => {
      const perSecond = options.rateBytesPerSecond / options.fragmentBytes / 10;
      for (const target of targets) target.datagramsPerSecond = perSecond;
    },
  },
  deaf: {
    about: 'multicast does not reach one receiver',
    change: (targets) => {
      const first = targets[0];
      if (first !== undefined) first.loss = 1;
    },
  },
  forged: {
    about: 'someone who knows the token sends forged, damaged and replayed datagrams',
    change: (_targets, { options }) => {
      options.forgedPerSecond = 40;
    },
  },
  'sender-dies': {
    about: 'the sender is gone in the middle, TCP still answers',
    change: (_targets, { options }) => {
      options.senderDiesMs = 1200;
    },
  },
};

/** @throws TdError `usage` naming the scenarios there are. */
export function scenarioOptions(name: string, wanted: ScenarioOptions): SimulationOptions {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) {
    throw new TdError('usage', `Unknown scenario "${name}": use one of ${Object.keys(SCENARIOS).join(', ')}`);
  }
  const targets = Array.from(
    { length: wanted.receivers },
    (): TargetFaults => ({
      loss: wanted.loss,
      reordered: 0,
      duplicated: 0,
      startMs: 0,
      diskBytesPerSecond: 50_000_000,
      datagramsPerSecond: 100_000,
      fetchFailures: 0,
    }),
  );
  const options: SimulationOptions = {
    seed: wanted.seed,
    chunkCount: 40,
    chunkBytesMin: 100,
    chunkBytesMax: 40_000,
    fragmentBytes: 1440,
    rateBytesPerSecond: 500_000,
    rateStartBytesPerSecond: 200_000,
    sealed: true,
    targets,
    assemblyBytesMax: 1024 * 1024,
    cacheBytesMax: 200_000,
    forgedPerSecond: 0,
    timeLimitMs: 600_000,
  };
  scenario.change(targets, { random: seededRandom(wanted.seed ^ 0x5ca1_ab1e), options });
  return options;
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
