import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const PROJECT = resolve(import.meta.dirname, '..');
const RESULTS = join(PROJECT, 'dist', 'test-results');
const BIN = join(PROJECT, 'node_modules', '.bin');

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface Suite {
  name: string;
  run(): Promise<Count>;
  /** Run only when it is named. */
  isExtra?: true;
}

const vitestReportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  numFailedTestSuites: z.number(),
});

const SUITES: readonly Suite[] = [
  {
    name: 'check',
    run: () =>
      countPrograms([
        ['tsc', '--noEmit'],
        ['biome', 'check', '.'],
      ]),
  },
  { name: 'unit', run: () => vitest('unit', 'build/vitest.config.ts') },
  { name: 'net', run: () => vitest('net', 'build/vitest.net.config.ts') },
  { name: 'vm', run: () => buildAndTestVms('vm', 'qemu-tests/vitest.config.ts') },
  { name: 'long', run: () => buildAndTestVms('long', 'qemu-tests/vitest.long.config.ts'), isExtra: true },
];

/** Runs the named suites (all but extra ones when none is named) and ends with the line `N passed, N failed`. */
async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(
      `Cannot run suite "${unknown[0]}": it must be one of ${SUITES.map((s) => s.name).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  await mkdir(RESULTS, { recursive: true });
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of SUITES) {
    if (names.length > 0 ? !names.includes(suite.name) : suite.isExtra === true) continue;
    const startedMs = performance.now();
    console.log(`\n== ${suite.name}`);
    const count = await suite.run();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    console.log(`== ${suite.name}: ${count.passed} passed, ${count.failed} failed in ${seconds} s`);
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

async function countPrograms(commands: readonly (readonly string[])[]): Promise<Count> {
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  for (const [program, ...args] of commands) {
    const code = await inherit(join(BIN, program!), args);
    console.log(`${program} ${args.join(' ')}: ${code === 0 ? 'clean' : `exit ${code}`}`);
    if (code === 0) count.passed += 1;
    else count.failed += 1;
  }
  return count;
}

async function vitest(name: string, config: string): Promise<Count> {
  const output = join(RESULTS, `${name}.json`);
  await rm(output, { force: true });
  const code = await inherit(join(BIN, 'vitest'), [
    'run',
    '--config',
    config,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
  ]);
  let report: z.infer<typeof vitestReportSchema>;
  try {
    report = vitestReportSchema.parse(JSON.parse(await readFile(output, 'utf8')));
  } catch {
    console.error(`${name}: vitest left no report (exit ${code})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  // A file that fails to load fails no test of its own, and an unhandled error none at all: count both.
  const silent = code !== 0 && report.numFailedTests === 0 ? Math.max(1, report.numFailedTestSuites) : 0;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + silent,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

async function buildAndTestVms(name: string, config: string): Promise<Count> {
  const code = await inherit(process.execPath, ['build/appliance.ts']);
  if (code !== 0) {
    console.error(`${name}: the appliance could not be built (exit ${code})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  // Twice the limits of two idle cores: shared machines are not idle, and a limit costs time only where a test fails.
  process.env.TOTALDEPLOY_TEST_PATIENCE ??= '2';
  return vitest(name, config);
}

function inherit(program: string, args: readonly string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      cwd: PROJECT,
      stdio: ['ignore', 'inherit', 'inherit'],
      // The machine's own Node may be older than the pinned one that the tools' first lines find here.
      env: { ...process.env, PATH: `${BIN}:${process.env.PATH}` },
    });
    child.once('error', fail);
    child.once('close', (code) => done(code ?? 1));
  });
}

await main(process.argv.slice(2));
