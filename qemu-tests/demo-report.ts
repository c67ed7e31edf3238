import { z } from 'zod';
import { formatBytes, formatSeconds } from '../src/lib/progress.ts';

const seconds = z.number().min(0);
const bytes = z.number().int().min(0);
const count = z.number().int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const bootSchema = z.strictObject({
  /** From power-on to the program's first line. */
  programSeconds: seconds,
  /** From power-on to the console's welcome. */
  connectedSeconds: seconds,
});

const partitionSchema = z.strictObject({
  number: z.number().int().min(1),
  filesystem: z.string(),
  usedBytes: bytes,
  masterSha256: sha256,
  targetSha256: sha256,
  equal: z.boolean(),
});

const targetSchema = z.strictObject({
  name: z.string(),
  mac: z.string(),
  diskBytes: bytes,
  boot: bootSchema,
  writtenBytes: bytes,
  multicastChunks: count,
  tcpChunks: count,
  datagrams: count,
  lostFragments: count,
  receiveSeconds: seconds,
  /** Read by programs that have nothing to do with TotalDeploy. */
  comparison: z.strictObject({
    table: z.enum(['gpt', 'dos']),
    problems: z.array(z.string()),
    partitions: z.array(partitionSchema).min(1),
    equal: z.boolean(),
  }),
  /** What the computer said when it started from its own disk. */
  login: z.string(),
  loginSeconds: seconds,
});

/** What a run of the demo saw; `dist/demo/report.json`. */
export const demoReportSchema = z.strictObject({
  version: z.literal(1),
  ok: z.boolean(),
  /** ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
  totalSeconds: seconds,
  programVersion: z.string(),
  master: z.strictObject({
    system: z.string(),
    diskBytes: bytes,
    fileBytes: bytes,
  }),
  capture: z.strictObject({
    boot: bootSchema,
    seconds,
    usedBytes: bytes,
    storedBytes: bytes,
    bytesPerSecond: z.number().min(0),
    chunks: count,
    /** All chunks read again and verified. */
    checked: z.boolean(),
  }),
  deployment: z.strictObject({
    seconds,
    /** Bytes of the image each target received, by the time from order to last report. */
    bytesPerSecond: z.number().min(0),
    repairs: count,
    datagrams: count,
  }),
  targets: z.array(targetSchema).min(2),
});

export type DemoReport = z.infer<typeof demoReportSchema>;
export type DemoTarget = DemoReport['targets'][number];

/** The report for people, as the demo prints it at its end. */
export function renderReport(report: DemoReport): string {
  const { capture, deployment, master } = report;
  const lines = [
    '',
    `TotalDeploy ${report.programVersion}: ${report.ok ? 'all steps seen and checked' : 'NOT all as it should be'}`,
    '',
    `Master    ${master.system}, disk ${formatBytes(master.diskBytes)}, files ${formatBytes(master.fileBytes)}`,
    `Capture   booted by PXE, connected after ${secondsText(capture.boot.connectedSeconds)}`,
    `          ${formatBytes(capture.usedBytes)} used -> ${formatBytes(capture.storedBytes)} stored in ${formatSeconds(capture.seconds)} (${formatBytes(capture.bytesPerSecond)}/s)`,
    `          ${capture.chunks} chunks${capture.checked ? ', all verified' : ''}`,
    `Deploy    one multicast session to ${report.targets.length} targets in ${formatSeconds(deployment.seconds)} (${formatBytes(deployment.bytesPerSecond)}/s each)`,
    `          ${deployment.datagrams} datagrams sent, ${deployment.repairs} of them repairs`,
  ];
  for (const target of report.targets) lines.push(...targetLines(target));
  lines.push('', `Total     ${formatSeconds(report.totalSeconds)}`, '');
  return lines.join('\n');
}

function targetLines(target: DemoTarget): string[] {
  const { comparison } = target;
  const parts = comparison.partitions.map(
    (part) =>
      `          partition ${part.number} ${part.filesystem.padEnd(5)} ${formatBytes(part.usedBytes).padStart(8)}  ${part.targetSha256.slice(0, 16)}…  ${part.equal ? 'equal' : 'DIFFERENT'}`,
  );
  return [
    `${target.name.padEnd(9)} booted by PXE, connected after ${secondsText(target.boot.connectedSeconds)}; received in ${formatSeconds(target.receiveSeconds)}`,
    `          ${target.multicastChunks} chunks by multicast, ${target.tcpChunks} over TCP; disk ${formatBytes(target.diskBytes)}`,
    `          used blocks against the master, SHA-256 read by dumpe2fs, sfdisk and friends:`,
    ...parts,
    ...comparison.problems.map((problem) => `          PROBLEM ${problem}`),
    `          from its own disk: "${target.login}" after ${secondsText(target.loginSeconds)}`,
  ];
}

function secondsText(value: number): string {
  return `${value.toFixed(0)} s`;
}
