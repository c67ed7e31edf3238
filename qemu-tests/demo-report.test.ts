import { describe, expect, it } from 'vitest';
import { type DemoReport, demoReportSchema, renderReport } from './demo-report.ts';

const HASH = 'ab'.repeat(32);

function target(name: string, equal: boolean): DemoReport['targets'][number] {
  const part = { number: 1, filesystem: 'ext4', usedBytes: 638_000_000, masterSha256: HASH };
  return {
    ...{ name, mac: '52:54:00:00:00:01', diskBytes: 4_000_000_000 },
    boot: { programSeconds: 50, connectedSeconds: 55 },
    ...{
      writtenBytes: 650_000_000,
      multicastChunks: 517,
      tcpChunks: 0,
      datagrams: 118_000,
      lostFragments: 3,
    },
    receiveSeconds: 120,
    comparison: {
      table: 'gpt',
      problems: equal ? [] : ['sgdisk: bad'],
      partitions: [{ ...part, targetSha256: equal ? HASH : 'cd'.repeat(32), equal }],
      equal,
    },
    login: 'master login:',
    loginSeconds: 31,
  };
}

const REPORT: DemoReport = {
  version: 1,
  ok: true,
  startedAt: '2026-01-01T00:00:00.000Z',
  totalSeconds: 900,
  programVersion: '0.1.0',
  master: { system: 'Debian 12 server', diskBytes: 3_200_000_000, fileBytes: 518_000_000 },
  capture: {
    boot: { programSeconds: 50, connectedSeconds: 55 },
    ...{ seconds: 100, usedBytes: 650_000_000, storedBytes: 170_000_000, bytesPerSecond: 6_500_000 },
    ...{ chunks: 517, checked: true },
  },
  deployment: { seconds: 180, bytesPerSecond: 3_600_000, repairs: 12, datagrams: 118_012 },
  targets: [target('target-1', true), target('target-2', true)],
};

describe('demo report', () => {
  it('is what its schema says', () => {
    expect(demoReportSchema.parse(REPORT)).toEqual(REPORT);
    expect(demoReportSchema.safeParse({ ...REPORT, targets: [REPORT.targets[0]] }).success).toBe(false);
  });

  it('shows sizes, rates, times and the end of each target', () => {
    const text = renderReport(REPORT);
    for (const words of [
      'all steps seen',
      '650 MB used -> 170 MB stored in 1:40',
      '118012 datagrams sent, 12 of them repairs',
    ]) {
      expect(text).toContain(words);
    }
    expect(text.match(/equal$/gm)).toHaveLength(2);
    expect(text.match(/"master login:" after 31 s/g)).toHaveLength(2);
  });

  it('does not hide what is wrong', () => {
    const text = renderReport({
      ...REPORT,
      ok: false,
      targets: [target('target-1', false), target('b', true)],
    });
    expect(text).toContain('NOT all as it should be');
    expect(text).toContain('DIFFERENT');
    expect(text).toContain('PROBLEM sgdisk: bad');
  });
});
