import { TdError } from '../../../lib/errors.ts';
import type { ConsoleApi, ConsoleCalls, JobSummary, KnownComputer } from '../../console-api.ts';
import type { ComputerView, JobSnapshot } from '../../console-core.ts';
import type { ConsoleStatus } from '../../console-status.ts';
import type { DeploySnapshot, TargetView } from '../../deploy-view.ts';

type Answers = { [Name in keyof ConsoleCalls]?: (params: ConsoleCalls[Name]['params']) => unknown };

export const FAKE_STATUS: ConsoleStatus = {
  name: 'lab-server',
  version: '1.0.0',
  interface: 'eth0',
  address: '192.168.10.1',
  ports: { control: 5001, discovery: 5002, service: 5003, data: 5004 },
  certificateSha256: '0'.repeat(64),
  dataDir: '/var/lib/totaldeploy',
  imagesDir: '/srv/images',
};

const MODELS = [
  'Dell OptiPlex 7010',
  'HP EliteDesk 800 G6',
  'Lenovo ThinkCentre M920q',
  'Fujitsu ESPRIMO D757',
];

const hex = (number: number) => number.toString(16).padStart(2, '0');

export function fakeMac(n: number): string {
  return `52:54:00:${hex((n >> 16) & 255)}:${hex((n >> 8) & 255)}:${hex(n & 255)}`;
}

export function fakeComputer(n: number, jobId: string | null = null): ComputerView {
  return {
    computerId: `id-${n}`,
    name: `LAB-${String(n).padStart(3, '0')}`,
    address: `192.168.${10 + (n >> 8)}.${n & 255}`,
    role: 'agent',
    model: MODELS[n % MODELS.length] ?? '',
    serial: `SN${1000 + n}`,
    firmware: n % 3 === 0 ? 'bios' : 'uefi',
    memoryBytes: 16e9,
    macs: [fakeMac(n)],
    disks: [
      { name: 'sda', model: 'Samsung SSD 870', serial: `S${n}`, sizeBytes: n % 4 === 0 ? 256e9 : 512e9 },
    ],
    connectedAt: '2026-03-02T08:15:00.000Z',
    jobId,
    state: jobId === null ? 'waiting' : 'receiving',
  };
}

/** Switched off; the last one is a master that was backed up. */
export const FAKE_KNOWN: KnownComputer[] = [31, 32, 33].map((n) => ({
  ...{ computerId: `id-${n}`, name: `LAB-0${n}`, macs: [fakeMac(n)], model: MODELS[n % MODELS.length] ?? '' },
  ...{ role: n === 33 ? 'backup' : 'agent', lastSeen: `2026-03-0${n - 30}T16:00:00.000Z` },
}));

/** A target in the middle; every seventh is done, every ninth slow, every eleventh failed. */
export function fakeTarget(n: number, share = 0.45): TargetView {
  const { computerId, name, address } = fakeComputer(n);
  const totalBytes = 42e9;
  const base = {
    ...{ computerId, name, address, detail: '', reason: '', slow: '', disk: 'sda', report: null },
    ...{ totalBytes, doneBytes: Math.round(totalBytes * share), bytesPerSecond: 112e6, leftSeconds: 206 },
    state: 'receiving',
  };
  const idle = { bytesPerSecond: 0, leftSeconds: null };
  if (n % 7 === 0) return { ...base, ...idle, state: 'done', doneBytes: totalBytes };
  if (n % 11 === 0) {
    const reason = 'the disk "sda" cannot be written: input/output error at 12.4 GB; replace the disk';
    return { ...base, ...idle, state: 'failed', reason };
  }
  if (n % 9 === 0) {
    const slow = 'its disk writes 31 MB/s, the others take 112 MB/s';
    return { ...base, slow, bytesPerSecond: 31e6, leftSeconds: 745, doneBytes: totalBytes * share * 0.3 };
  }
  return base;
}

export function fakeDeployment(count: number, changes: Partial<DeploySnapshot> = {}): DeploySnapshot {
  return {
    ...{ id: '20260302-081500-a1', kind: 'deploy', image: 'office-2026', state: 'running', error: '' },
    ...{ template: 'Classroom', retryOf: '', startedAt: '2026-03-02T08:20:00.000Z', leftSeconds: 745 },
    ...{ settings: [], notApplied: [], connected: count, wanted: 0, bytesPerSecond: 112e6, sessions: [] },
    targets: Array.from({ length: count }, (_, i) => fakeTarget(i + 1)),
    ...changes,
  };
}

export const FAKE_HISTORY: JobSummary[] = [
  {
    ...{ id: '20260302-081500-a1', kind: 'deploy', image: 'office-2026', template: 'Classroom', error: '' },
    ...{
      state: 'running',
      createdAt: '2026-03-02T08:20:00.000Z',
      endedAt: '',
      done: 3,
      failed: 1,
      total: 24,
    },
  },
  {
    ...{
      id: '20260301-140000-b2',
      kind: 'capture',
      image: 'office-2026',
      template: '',
      error: '',
      state: 'done',
    },
    ...{
      createdAt: '2026-03-01T14:00:00.000Z',
      endedAt: '2026-03-01T14:12:00.000Z',
      done: 1,
      failed: 0,
      total: 1,
    },
  },
  {
    ...{
      id: '20260227-093000-c3',
      kind: 'deploy',
      image: 'office-2025',
      template: 'Library',
      state: 'partial',
    },
    ...{ error: '2 of 18 computers failed', createdAt: '2026-02-27T09:30:00.000Z' },
    ...{ endedAt: '2026-02-27T09:48:00.000Z', done: 16, failed: 2, total: 18 },
  },
];

export interface FakeConsoleOptions {
  computers?: number | readonly ComputerView[];
  jobs?: readonly JobSnapshot[];
  answers?: Answers;
}

/** A console that answers from fixed data; calls it was given no answer for are refused. */
export class FakeConsole implements ConsoleApi {
  readonly calls: { name: string; params: object }[] = [];
  computers: readonly ComputerView[];
  jobs: readonly JobSnapshot[];
  readonly #answers: Answers;

  constructor(options: FakeConsoleOptions = {}) {
    const { computers = 24 } = options;
    this.jobs = options.jobs ?? [];
    const busy = new Set(
      this.jobs.flatMap((job) => (job.kind === 'deploy' ? job.targets : [])).map((one) => one.computerId),
    );
    this.computers =
      typeof computers === 'number'
        ? Array.from({ length: computers }, (_, i) => {
            const computer = fakeComputer(i + 1);
            return busy.has(computer.computerId) ? fakeComputer(i + 1, this.jobs[0]?.id ?? null) : computer;
          })
        : computers;
    this.#answers = {
      status: () => FAKE_STATUS,
      computers: () => this.computers,
      'computers.known': () => FAKE_KNOWN,
      jobs: () => this.jobs,
      job: ({ jobId }) => this.#job(jobId),
      'job.history': () => FAKE_HISTORY,
      report: () => ({ text: 'Deployment of office-2026\n\n22 computers done, 2 failed.' }),
      'report.save': () => null,
      cancel: () => null,
      power: () => null,
      retry: ({ jobId }) => ({ jobId }),
      'storage.list': () => [],
      wake: ({ computers: names }) => ({ woken: names }),
      ...options.answers,
    };
  }

  call: ConsoleApi['call'] = async (name, params) => {
    this.calls.push({ name, params });
    const answer = this.#answers[name];
    if (answer === undefined) throw new TdError('usage', `The fake console knows no "${name}"`);
    return answer(params as never) as never;
  };

  #job(jobId: string): JobSnapshot {
    const job = this.jobs.find(({ id }) => id === jobId);
    if (job === undefined) throw new TdError('not-found', `There is no job "${jobId}" in this console`);
    return job;
  }
}
