import type { ConsoleEvent } from '../../store.ts';
import type { ReportSource } from '../report-build.ts';

const START_MS = Date.parse('2026-01-31T14:25:30.000Z');
const at = (seconds: number) => new Date(START_MS + seconds * 1000).toISOString();

/** Names and reasons as a hostile computer would send them. */
export const HOSTILE = '<img src=x onerror=alert(1)>"\'&\u202e\u001b[31m</title><script>alert(2)</script>';

/** A deployment to some computers: most done, one failed, one lost and back, one hostile. */
export function sampleSource(computers = 6, changes: Partial<ReportSource['job']> = {}): ReportSource {
  const ids = Array.from(
    { length: computers },
    (_, i) =>
      `00000000-0000-4000-8000-${String(i).padStart(12, '0')}/02:00:00:00:00:${i.toString(16).padStart(2, '0')}`,
  );
  const events: Omit<ConsoleEvent, 'id'>[] = [];
  const add = (seconds: number, kind: string, text: string, more: Partial<ConsoleEvent> = {}) =>
    events.push({
      at: at(seconds),
      level: 'info',
      kind,
      jobId: 'j',
      computerId: null,
      details: {},
      text,
      ...more,
    });
  add(0, 'job-created', 'deployment of "office" asked for');
  for (const [i, computerId] of ids.entries()) {
    const step = (seconds: number, name: string) =>
      add(seconds, 'target-step', `${name}`, { computerId, details: { step: name } });
    const end = (seconds: number, name: string, reason = '') =>
      add(seconds, `target-${name}`, `${name} ${reason}`, {
        computerId,
        level: name === 'done' ? 'info' : 'error',
      });
    step(1, 'pre-flight');
    step(4, 'partitioning');
    step(8, 'receiving');
    if (i === 1) {
      end(70, 'failed', HOSTILE);
      continue;
    }
    if (i === 2) {
      add(60, 'target-lost', 'lost contact: ETIMEDOUT', { computerId, level: 'warn' });
      add(95, 'target-back', 'is back', { computerId });
      step(99, 'receiving');
    }
    step(180 + i, 'checking');
    step(200 + i, 'growing');
    step(210 + i, 'customising');
    step(222 + i, 'boot-entry');
    end(228 + i, 'done');
  }
  add(235, 'job-ended', 'job is partial', { level: 'warn' });
  const report = (ok: boolean) => ({
    ...{ ok, error: ok ? '' : HOSTILE, disk: 'sda', writtenBytes: ok ? 12_300_000_000 : 2_000_000_000 },
    ...{ multicastChunks: 11_000, tcpChunks: 12, datagrams: 8_000_000, lostFragments: 1234, badDatagrams: 0 },
    ...{ durationMs: ok ? 228_000 : 70_000, root: ok ? 'ab' : '' },
  });
  return {
    job: {
      ...{ id: '20260131-142530-1f3a', kind: 'deploy', image: 'office', state: 'partial' },
      error: '1 of 6 computers failed',
      createdAt: at(0),
      endedAt: at(235),
      options: {
        ...{
          image: 'office',
          targets: 'all',
          diskRule: 'auto',
          after: 'restart',
          waitFor: 6,
          waitSeconds: 600,
        },
        template: 'classroom',
        settings: [{ label: 'Computer names', value: 'LAB-{n:03}' }],
        notApplied: ['Computer names: this version keeps the names of the master image'],
      },
      summary: {
        sessions: [
          { bytes: 12_300_000_000, durationMs: 190_000, datagrams: 8_500_000, repairDatagrams: 41_000 },
        ],
      },
      ...changes,
    },
    targets: ids.map((computerId, i) => ({
      computerId,
      step: i === 1 ? 'failed' : 'done',
      reason: i === 1 ? HOSTILE : '',
      disk: 'sda Samsung SSD 870 256 GB S5Y1NX0R',
      report: report(i !== 1),
    })),
    events: events.sort((a, b) => a.at.localeCompare(b.at)).map((event, i) => ({ ...event, id: i + 1 })),
    samples: Array.from({ length: 95 }, (_, i) => ({
      atMs: 8000 + i * 2000,
      bytesPerSecond: 60_000_000 * Math.min(1, i / 10) + 8_000_000 * Math.sin(i / 3),
    })).map((one) => ({ ...one, bytesPerSecond: Math.max(0, one.bytesPerSecond) })),
    now: new Date(START_MS + 3_600_000),
  };
}
