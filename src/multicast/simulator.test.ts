import { describe, expect, it } from 'vitest';
import { scenarioOptions } from './scenarios.ts';
import { simulationProblem } from './simulate.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulator.ts';

const SEEDS = 200;

function run(
  scenario: string,
  changes: Partial<SimulationOptions> & { receivers?: number; loss?: number; seed?: number } = {},
): SimulationResult {
  const { receivers = 12, loss = 0.02, seed = 1, ...options } = changes;
  return simulate({ ...scenarioOptions(scenario, { receivers, loss, seed }), ...options });
}

function lastEnd(result: SimulationResult, receiverIds: (id: number) => boolean): number {
  return Math.max(...result.targets.filter((t) => receiverIds(t.receiverId)).map((t) => t.endedMs));
}

describe('a simulated session', () => {
  it(`brings equal bytes to all who live, ${SEEDS} times, whoever dies or freezes`, {
    timeout: 300_000,
  }, () => {
    const small = {
      chunkCount: 16,
      chunkBytesMax: 14_000,
      rateBytesPerSecond: 120_000,
      assemblyBytesMax: 128 * 1024,
    };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const result = run('mixed', { ...small, receivers: 50, seed });
      expect(simulationProblem(result), `npm run sim -- --scenario mixed --seed ${seed}`).toBe('');
      expect(result.targets.filter((target) => target.dead).length).toBeLessThanOrEqual(5);
      for (const target of result.targets)
        expect(target.heldBytesMax).toBeLessThanOrEqual(small.assemblyBytesMax);
      // Eight chunks that are about to be sent may stand above the limit.
      expect(result.cacheBytesMax).toBeLessThanOrEqual(200_000 + 8 * (small.chunkBytesMax + 16));
    }
  });

  it('is the same for the same seed and another for another', () => {
    expect(run('mixed', { seed: 3 })).toEqual(run('mixed', { seed: 3 }));
    expect(run('mixed', { seed: 3 }).sender.datagrams).not.toBe(run('mixed', { seed: 4 }).sender.datagrams);
  });

  it('needs no repair without loss, and no TCP with 2 %', () => {
    const clean = run('plain', { loss: 0 });
    expect(simulationProblem(clean)).toBe('');
    expect(clean.sender.repairDatagrams).toBe(0);
    const lossy = run('plain');
    expect(simulationProblem(lossy)).toBe('');
    expect(lossy.sender.repairDatagrams).toBeGreaterThan(0);
    // 12 receivers at 2 % lack together about 22 % of the fragments, then 2 % of those.
    expect(lossy.sender.repairDatagrams / lossy.sender.datagrams).toBeLessThan(0.35);
  });

  it('completes at 20 % loss', () => {
    expect(simulationProblem(run('plain', { loss: 0.2 }))).toBe('');
  });

  it.each([2, 5, 11])('serves those who are switched on late (seed %i)', (seed) => {
    const result = run('late-join', { seed });
    expect(simulationProblem(result)).toBe('');
    expect(result.targets.every((target) => target.multicastChunks > 0)).toBe(true);
  });

  it.each([2, 5, 11])('lets restarted ones go on with what is on their disks (seed %i)', (seed) => {
    const result = run('rejoin', { seed });
    expect(simulationProblem(result)).toBe('');
    const restarted = result.targets.filter((target) => target.receiverId % 2 === 1);
    // Their second life needed only what the first had not written.
    expect(restarted.some((target) => target.multicastChunks + target.tcpChunks < 40)).toBe(true);
  });

  it('copes with reordered and repeated datagrams', () => {
    const result = run('reorder', { loss: 0.05 });
    expect(simulationProblem(result)).toBe('');
  });

  it('ends when everyone is dead', () => {
    const result = run('all-dead');
    expect(result.ended).toBe(true);
    expect(result.senderEndedMs).toBeLessThan(30_000);
    expect(result.sender.receivers.every((receiver) => receiver.standing === 'dropped')).toBe(true);
  });

  it('ends without receivers and without chunks', () => {
    expect(run('plain', { receivers: 0 }).ended).toBe(true);
    const empty = run('plain', { chunkCount: 0 });
    expect(simulationProblem(empty)).toBe('');
    expect(empty.senderEndedMs).toBeLessThan(3000);
  });

  it('does not slow everyone down for one slow disk', () => {
    const isFast = (id: number) => id > 1;
    const size = { receivers: 5, chunkCount: 250 };
    const alone = run('slow-disk', size);
    const without = run('plain', size);
    expect(simulationProblem(alone)).toBe('');
    expect(alone.notices.filter((notice) => notice.kind === 'receiver-demoted')).toMatchObject([
      { receiverId: 1 },
    ]);
    expect(lastEnd(alone, isFast)).toBeLessThan(1.6 * lastEnd(without, isFast));
    expect(lastEnd(alone, (id) => id === 1)).toBeGreaterThan(3 * lastEnd(without, isFast));
  });

  it('comes down to a group of slow processors instead of flooding it', () => {
    const result = run('slow-processors', { receivers: 3, chunkCount: 120 });
    expect(simulationProblem(result)).toBe('');
    const needed = result.imageBytes / 1440;
    expect(result.sender.datagrams).toBeLessThan(4 * needed);
    expect(result.targets.every((target) => target.multicastChunks > target.tcpChunks)).toBe(true);
  });

  it('serves one whom multicast does not reach over TCP, and the rest as always', () => {
    const result = run('deaf');
    expect(simulationProblem(result)).toBe('');
    expect(result.targets[0]).toMatchObject({ multicastChunks: 0, tcpChunks: 40 });
    expect(result.targets.slice(1).every((target) => target.tcpChunks === 0)).toBe(true);
  });

  it.each([1, 2, 3, 4, 5])('writes no forged byte and loses no one to forged datagrams (seed %i)', (seed) => {
    const result = run('forged', { seed });
    expect(simulationProblem(result)).toBe('');
    expect(result.targets.reduce((sum, target) => sum + target.badDatagrams, 0)).toBeGreaterThan(10);
    expect(result.sender.badDatagrams).toBeGreaterThan(5);
    expect(result.sender.receivers.every((receiver) => receiver.standing === 'complete')).toBe(true);
  });

  it('finishes over TCP when the sender dies, also when every fourth fetch fails', () => {
    const options = scenarioOptions('sender-dies', { receivers: 4, loss: 0.02, seed: 1 });
    for (const target of options.targets) target.fetchFailures = 0.25;
    const result = simulate(options);
    expect(simulationProblem(result)).toBe('');
    expect(result.targets.every((target) => target.tcpChunks > 0)).toBe(true);
  });
});
