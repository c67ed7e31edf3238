import { describe, expect, it } from 'vitest';
import { type BackupDraft, draftProblems, newDraft, partitionsToTake } from './backup-draft.ts';

const right = newDraft({
  disk: 'sda',
  partitions: [1, 2, 3],
  chosen: [1, 2, 3],
  console: '192.168.1.10',
  name: 'lab 1',
});

function problemsOf(change: Partial<BackupDraft>): string[] {
  return draftProblems({ ...right, ...change }).map(
    ({ step, path, message }) => `${step} ${path}: ${message}`,
  );
}

describe('backup draft', () => {
  it('takes what is complete, for every kind of destination', () => {
    const all: Partial<BackupDraft>[] = [
      {},
      { kind: 'disk', device: '/dev/sdb1', folder: 'images/2026' },
      { kind: 'smb', share: '\\\\srv\\images', user: 'u', password: 'p' },
      { kind: 'nfs', share: 'srv:/images' },
      { kind: 'folder', folder: '/mnt' },
    ];
    for (const change of all) expect(problemsOf(change)).toEqual([]);
  });

  it('names what is wrong at its field, only for the destination that is chosen', () => {
    expect(problemsOf({ disk: '' })).toEqual(['disk : Choose the disk to back up']);
    expect(problemsOf({ chosen: [] })[0]).toContain('Choose at least one partition');
    expect(problemsOf({ console: '' })[0]).toMatch(/^destination console: Choose a console/);
    expect(problemsOf({ console: 'a b' })[0]).toMatch(/^destination console: use an address/);
    expect(problemsOf({ kind: 'disk', console: '' })).toEqual([
      'destination device: Choose where the image is stored',
    ]);
    expect(problemsOf({ kind: 'nfs', share: '/images' })[0]).toMatch(/^destination share: Cannot use/);
    expect(problemsOf({ kind: 'smb', share: '//srv/x', password: 'p' })[0]).toMatch(/^destination user/);
    expect(problemsOf({ kind: 'folder', folder: 'mnt' })[0]).toMatch(/^destination folder/);
    expect(problemsOf({ kind: 'nfs', share: 'srv:/x', folder: '../etc' })[0]).toMatch(/must not contain/);
    expect(problemsOf({ name: 'a/b' })[0]).toMatch(/^image name: use letters/);
    for (const level of ['0', '20', '3x', '']) expect(problemsOf({ level })[0]).toMatch(/^image level/);
  });

  it('refuses password and split size rather than leave them out', () => {
    expect(problemsOf({ imagePassword: 'secret', splitSize: '4 GB' })).toEqual([
      'image imagePassword: not applied by this version; leave it empty',
      'image splitSize: not applied by this version; leave it empty',
    ]);
  });

  it('asks for the whole disk when every partition is chosen', () => {
    expect(partitionsToTake(right)).toEqual([]);
    expect(partitionsToTake({ ...right, chosen: [3, 1] })).toEqual([1, 3]);
  });
});
