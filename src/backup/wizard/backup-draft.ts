import { parseShareSource } from '../../disk/share-source.ts';
import { errorLine } from '../../lib/errors.ts';
import type { AfterAction } from '../../schema/after-action.ts';
import { parseHostPort } from '../../schema/boot-params.ts';
import { imageNameSchema } from '../../schema/image-manifest.ts';

export const BACKUP_STEPS = ['disk', 'destination', 'image', 'summary'] as const;
export type BackupStep = (typeof BACKUP_STEPS)[number];

export type DestinationKind = 'console' | 'disk' | 'smb' | 'nfs' | 'folder';

const LEVEL_MAX = 19;
const COMMENT_CHARS_MAX = 2000;
const LINE_CHARS_MAX = 256;

/** Everything the wizard asks for, as it was entered. */
export interface BackupDraft {
  /** Kernel name; empty until one is chosen. */
  disk: string;
  /** Partitions of the disk, and those to take; all of them is the whole disk. */
  partitions: number[];
  chosen: number[];
  force: boolean;
  kind: DestinationKind;
  /** `HOST` or `HOST:PORT`. */
  console: string;
  /** Partition for the image, e.g. `/dev/sdb1`. */
  device: string;
  share: string;
  user: string;
  password: string;
  domain: string;
  /** Inside the disk or share; an absolute path for the kind `folder`. */
  folder: string;
  name: string;
  comment: string;
  level: string;
  imagePassword: string;
  splitSize: string;
  check: boolean;
  after: AfterAction;
}

export function newDraft(given: Partial<BackupDraft>): BackupDraft {
  return {
    disk: '',
    partitions: [],
    chosen: [],
    force: false,
    kind: 'console',
    console: '',
    device: '',
    share: '',
    user: '',
    password: '',
    domain: '',
    folder: '',
    name: '',
    comment: '',
    level: '3',
    imagePassword: '',
    splitSize: '',
    check: true,
    after: 'wait',
    ...given,
  };
}

export interface DraftProblem {
  step: BackupStep;
  /** Name of the field, or empty for the step as a whole. */
  path: keyof BackupDraft | '';
  message: string;
}

/** What must be corrected before the backup can start. */
export function draftProblems(draft: BackupDraft): DraftProblem[] {
  const problems: DraftProblem[] = [];
  const add = (step: BackupStep, path: DraftProblem['path'], message: string) => {
    if (message !== '') problems.push({ step, path, message });
  };
  if (draft.disk === '') add('disk', '', 'Choose the disk to back up');
  else if (draft.partitions.length > 0 && draft.chosen.length === 0) {
    add('disk', '', 'Choose at least one partition (Space), or the whole disk (F6)');
  }
  addDestination(draft, (path, message) => add('destination', path, message));
  const name = imageNameSchema.safeParse(draft.name);
  if (draft.name === '') add('image', 'name', 'Give the image a name');
  else if (!name.success) add('image', 'name', name.error.issues[0]?.message ?? 'it cannot be used');
  if (draft.comment.length > COMMENT_CHARS_MAX) {
    add('image', 'comment', `at most ${COMMENT_CHARS_MAX} characters`);
  }
  const isLevel = /^[0-9]{1,2}$/.test(draft.level) && Number(draft.level) >= 1;
  if (!isLevel || Number(draft.level) > LEVEL_MAX) {
    add('image', 'level', `use a whole number from 1 (fast) to ${LEVEL_MAX} (small)`);
  }
  const notApplied = 'not applied by this version; leave it empty';
  if (draft.imagePassword !== '') add('image', 'imagePassword', notApplied);
  if (draft.splitSize !== '') add('image', 'splitSize', notApplied);
  return problems;
}

function addDestination(draft: BackupDraft, add: (path: keyof BackupDraft, message: string) => void): void {
  switch (draft.kind) {
    case 'console':
      if (draft.console === '') add('console', 'Choose a console, or give its address');
      else if (parseHostPort(draft.console) === undefined) {
        add('console', 'use an address such as 192.168.1.10, or ADDRESS:PORT');
      }
      return;
    case 'disk':
      if (draft.device === '') add('device', 'Choose where the image is stored');
      add('folder', folderProblem(draft.folder));
      return;
    case 'folder':
      if (!/^\/[^\x00-\x1f\x7f]*$/.test(draft.folder)) add('folder', 'use a path that begins with /');
      return;
    case 'smb':
    case 'nfs':
      add('share', shareProblem(draft.kind, draft.share));
      if (draft.kind === 'smb' && draft.user === '' && draft.password !== '') {
        add('user', 'a password needs a user');
      }
      for (const path of ['user', 'password', 'domain'] as const) {
        if (draft[path].length > LINE_CHARS_MAX) add(path, `at most ${LINE_CHARS_MAX} characters`);
      }
      add('folder', folderProblem(draft.folder));
  }
}

/** Empty when it can be used; it must stay inside the disk or share. */
function folderProblem(folder: string): string {
  if (/[\x00-\x1f\x7f]/.test(folder)) return 'it must be one line';
  const leadsOut = folder.split('/').some((part) => part === '..');
  return leadsOut ? 'it must not contain ".."' : '';
}

function shareProblem(kind: 'smb' | 'nfs', share: string): string {
  const form = kind === 'smb' ? '//SERVER/SHARE' : 'SERVER:/FOLDER';
  if (share === '') return `give the shared folder as ${form}`;
  try {
    parseShareSource(kind, share);
    return '';
  } catch (error) {
    return errorLine(error);
  }
}

/** All of the disk, or numbers. */
export function partitionsToTake(draft: BackupDraft): number[] {
  return draft.chosen.length === draft.partitions.length ? [] : draft.chosen.toSorted((a, b) => a - b);
}
