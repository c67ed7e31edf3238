import { parseArgs } from 'node:util';
import { errorLine, TdError } from '../lib/errors.ts';
import { SCENARIOS, scenarioOptions } from './scenarios.ts';
import { type SimulationResult, simulate } from './simulator.ts';

const HELP = `Runs multicast sessions over a simulated bad network in virtual time.

npm run sim -- --receivers 50 --loss 2% --scenario mixed --seed 1 --seeds 200

  --receivers N    1 to 1000, default 50
  --loss P         part of the datagrams lost: 0.02 or 2%, default 2%
  --scenario NAME  default mixed; one of
${Object.entries(SCENARIOS)
  .map(([name, { about }]) => `                     ${name.padEnd(16)} ${about}`)
  .join('\n')}
  --seed S         default 1; the same seed gives the same run
  --seeds COUNT    runs so many seeds from S on, default 1
  --json           one JSON object on standard output
`;

interface SeedSummary {
  seed: number;
  ok: boolean;
  problem: string;
  virtualMs: number;
  complete: number;
  dead: number;
  datagrams: number;
  repairDatagrams: number;
  tcpChunks: number;
  heldBytesMax: number;
}

/** What is wrong with a run: all living targets must have every byte, and the session must have ended. */
export function simulationProblem(result: SimulationResult): string {
  if (!result.ended) return 'the session did not end';
  const wrong = result.targets.find(
    (target) => !target.dead && !(target.outcome === 'complete' && target.equal),
  );
  if (wrong !== undefined) return `target ${wrong.receiverId} is alive and ${wrong.outcome}`;
  return '';
}

function runSeed(seed: number, wanted: { scenario: string; receivers: number; loss: number }): SeedSummary {
  const result = simulate(scenarioOptions(wanted.scenario, { ...wanted, seed }));
  const problem = simulationProblem(result);
  const living = result.targets.filter((target) => !target.dead);
  return {
    seed,
    ok: problem === '',
    problem,
    virtualMs: Math.round(Math.max(result.senderEndedMs, ...living.map((target) => target.endedMs))),
    complete: living.filter((target) => target.outcome === 'complete').length,
    dead: result.targets.length - living.length,
    datagrams: result.sender.datagrams,
    repairDatagrams: result.sender.repairDatagrams,
    tcpChunks: result.targets.reduce((sum, target) => sum + target.tcpChunks, 0),
    heldBytesMax: Math.max(0, ...result.targets.map((target) => target.heldBytesMax)),
  };
}

function numberOption(text: string, option: { name: string; min: number; max: number }): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (text.trim() === '' || !(value >= option.min && value <= option.max)) {
    throw new TdError(
      'usage',
      `Wrong value "${text}" for --${option.name}: ${option.min} to ${option.max} is allowed`,
    );
  }
  return value;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      receivers: { type: 'string', default: '50' },
      loss: { type: 'string', default: '2%' },
      scenario: { type: 'string', default: 'mixed' },
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const whole = (name: 'receivers' | 'seed' | 'seeds', max: number) =>
    Math.floor(numberOption(values[name], { name, min: name === 'seed' ? 0 : 1, max }));
  const wanted = {
    scenario: values.scenario,
    receivers: whole('receivers', 1000),
    loss: numberOption(values.loss, { name: 'loss', min: 0, max: 0.9 }),
  };
  const firstSeed = whole('seed', 0xffff_ffff);
  const seeds: SeedSummary[] = [];
  for (let i = 0; i < whole('seeds', 100_000); i += 1) {
    const summary = runSeed(firstSeed + i, wanted);
    seeds.push(summary);
    if (!values.json) process.stdout.write(`${seedLine(summary)}\n`);
  }
  const failed = seeds.filter((summary) => !summary.ok).length;
  if (values.json) process.stdout.write(`${JSON.stringify({ ...wanted, failed, seeds })}\n`);
  else process.stdout.write(`${seeds.length - failed} of ${seeds.length} runs as they should be\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function seedLine(summary: SeedSummary): string {
  const repairs = ((100 * summary.repairDatagrams) / Math.max(1, summary.datagrams)).toFixed(0);
  return [
    `seed ${summary.seed}`,
    summary.ok ? 'ok' : `FAILED: ${summary.problem}`,
    `${summary.complete} complete, ${summary.dead} dead`,
    `${(summary.virtualMs / 1000).toFixed(1)} s`,
    `${summary.datagrams} datagrams (${repairs} % repairs)`,
    `${summary.tcpChunks} chunks over TCP`,
  ].join('  ');
}

if (import.meta.main) {
  try {
    main();
  } catch (error) {
    process.stderr.write(`${errorLine(error)}\n`);
    process.exitCode = 2;
  }
}
