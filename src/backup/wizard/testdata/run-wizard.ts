import { tmpdir } from 'node:os';
import { sleep } from '../../../lib/clock.ts';
import { TdError } from '../../../lib/errors.ts';
import { silentLog } from '../../../lib/log.ts';
import { runBackupTerminal } from '../backup-terminal.ts';
import { openBackupWizard } from '../backup-wizard.ts';
import { fakeParts } from './fake-parts.ts';

/** The wizard on this terminal with disks that are not there; for tests in tmux and for looking at it. */
const folder = process.argv[2] ?? tmpdir();
const { signal } = new AbortController();
const parts = fakeParts(folder);
await using wizard = await openBackupWizard({
  params: { name: 'lab 1' },
  site: undefined,
  logger: silentLog,
  signal,
  given: {},
  canPower: false,
  listFolder: parts.listFolder,
  suggestedPartitions: parts.suggestedPartitions,
  parts,
});
let attempts = 0;
await runBackupTerminal({
  input: process.stdin,
  output: process.stdout,
  term: process.env.TERM ?? '',
  wizard,
  logger: silentLog,
  signal,
  runRequest: async (request, { screen, signal: cancel }) => {
    attempts += 1;
    // The second attempt goes on until it is cancelled.
    for (let percent = 0; percent < 100; percent += attempts === 2 ? 0 : 10) {
      screen.show({
        title: 'Backup agent',
        rows: [
          { label: 'Disk', value: 'sda (ACME Disk 500, 500 GB, serial S-sda)' },
          { label: 'To', value: request.to },
        ],
        activity: '75 GB in use',
        fraction: percent / 100,
        rate: '7.5 GB of 75 GB, 412 MB/s, 2:44 left',
        problems: [],
        hints: [],
      });
      await sleep(100, cancel).catch(() => {
        throw cancel.reason;
      });
    }
    if (attempts === 1)
      throw new TdError('no-space', `Cannot store "${request.to}": the disk is full; free space`);
    return ['Image    lab 1', `Stored   ${request.to}, 31 GB for 75 GB in use`];
  },
});
