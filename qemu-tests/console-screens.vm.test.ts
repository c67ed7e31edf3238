import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';
import { press, typeText } from './driver/keyboard.ts';
import { Lab } from './driver/lab.ts';
import { ensureDir, PICTURES_DIR, PROGRAM_PATH } from './driver/project-paths.ts';
import { SMB_USER } from './driver/samba.ts';
import type { Vm } from './driver/vm.ts';
import { compareDisks } from './masters/compare.ts';
import { emptyDisk, MIB, overlayOf, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';
import { type TinyFacts, tinyMaster } from './masters/tiny.ts';

const CONSOLE = { mac: '52:54:00:7d:05:01', address: '10.77.0.51' };
const MASTER = { mac: '52:54:00:7d:05:02', address: '10.77.0.52' };
const PXE_TARGET = { mac: '52:54:00:7d:05:03', address: '10.77.0.53' };
const CD_TARGET = { mac: '52:54:00:7d:05:04', address: '10.77.0.54' };
const PASSWORD = 'open sesame';
/** Place of each entry in the tools menu. */
const TOOLS = { backupIso: 0, pxeFiles: 1, agentIso: 2, checkImage: 5, log: 6, templatePath: 7, storage: 8 };

describe('a console started from its own CD and worked by keyboard alone', () => {
  let lab: Lab;
  let master: Master<TinyFacts>;
  let share: string;
  let console: Vm;
  let masterVm: Vm;
  const targets: { vm: Vm; path: string }[] = [];

  beforeAll(async () => {
    master = await tinyMaster();
    lab = await Lab.create({
      name: 'console-screens',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts console-screens',
    });
    share = lab.path('share');
    await lab.startSmbServer(share, PASSWORD);
    await lab.startPxeServer([CONSOLE, MASTER, CD_TARGET, { ...PXE_TARGET, pxeDir: join(share, 'PXE') }]);
    const consoleIso = lab.path('console.iso');
    const consoleExport = ['export', 'console-iso', consoleIso, '--timeout', '0'];
    await run(PROGRAM_PATH, [...consoleExport, '--data', lab.path('exporter')], { timeoutMs: 300_000 });
    console = await lab.startVm({
      name: 'console',
      firmware: 'bios',
      disks: [],
      nics: [{ mac: CONSOLE.mac }],
      medium: { path: consoleIso, kind: 'cd' },
      boot: ['medium'],
    });
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  const see = (pattern: RegExp, timeoutMs = 30_000) => console.expectScreen(pattern, timeoutMs);

  async function keys(...names: string[]): Promise<void> {
    for (const name of names) await press(console, ...name.split('+'));
  }

  /** Replaces what is in the field that has the cursor. */
  async function fill(text: string): Promise<void> {
    await keys('ctrl+u');
    await typeText(console, text);
  }

  async function openTool(place: number, title: RegExp): Promise<void> {
    await see(/Export Backup Agent +ISO/);
    await keys('home', ...new Array(place).fill('down'), 'ret');
    await see(title);
  }

  async function picture(name: string): Promise<void> {
    await console.screenshot(join(ensureDir(PICTURES_DIR), `vga-${name}.png`));
  }

  async function exportMedium(
    tool: number,
    { title, file }: { title: RegExp; file: string },
  ): Promise<string> {
    await openTool(tool, title);
    await see(new RegExp(`/${file}`));
    // The boot menu is not to wait for anybody.
    await keys('tab', ...(tool === TOOLS.pxeFiles ? ['tab'] : []));
    await fill('1');
    await keys('f2');
    await see(/Done: /, 180_000);
    await keys('ret');
    await see(/Export Backup Agent +ISO/);
    return join(share, file);
  }

  async function startTargets(): Promise<void> {
    const start = async (name: string, spec: { mac: string; boot: 'network' | 'medium' }) => {
      const path = await emptyDisk(lab.path(`${name}.qcow2`), 500 * MIB);
      const medium = { path: join(share, 'client-agent.iso'), kind: 'cd' } as const;
      const vm = await lab.startVm({
        ...{ name, firmware: 'bios', disks: [{ path, format: 'qcow2' }], nics: [{ mac: spec.mac }] },
        ...(spec.boot === 'medium' ? { medium } : {}),
        boot: [spec.boot],
      });
      targets.push({ vm, path });
    };
    await lab.startHttpServer(join(share, 'PXE'));
    await start('pxe-target', { mac: PXE_TARGET.mac, boot: 'network' });
    await start('cd-target', { mac: CD_TARGET.mac, boot: 'medium' });
  }

  it('shows Operations and Tools', () =>
    lab.step('start', async () => {
      await see(/Deployment solution/, 240_000);
      await picture('operations');
      await keys('tab');
      await see(/Export PXE Files/);
      await picture('tools');
      await keys('f1');
      await see(/Help/);
      await keys('esc');
    }));

  it('keeps images on a Windows share, after saying that the password is wrong', () =>
    lab.step('share', async () => {
      await openTool(TOOLS.storage, /Add share/);
      await keys('f5');
      await see(/Share or disk/);
      await keys('tab');
      await fill('//10.77.0.1/images');
      await keys('tab');
      await fill(SMB_USER);
      await keys('tab');
      await fill('wrong');
      await keys('f2');
      await see(/the server refuses the user/, 60_000);
      await keys('ret');
      await see(/F2 Add/);
      await fill(PASSWORD);
      await keys('f2');
      await see(/Windows share .*ready/, 60_000);
      await keys('down', 'f6');
      await see(/images +Windows share|Windows share/);
      await keys('esc');
    }));

  it('exports the backup agent, the PXE files and the client agent to the share', () =>
    lab.step('export', async () => {
      const backupIso = await exportMedium(TOOLS.backupIso, {
        title: /Makes an ISO/,
        file: 'backup-agent.iso',
      });
      masterVm = await lab.startVm({
        name: 'master',
        firmware: 'bios',
        disks: [{ path: await overlayOf(master.path, lab.path('master.qcow2')), format: 'qcow2' }],
        nics: [{ mac: MASTER.mac }],
        medium: { path: backupIso, kind: 'cd' },
        boot: ['medium'],
      });
      const pxeDir = await exportMedium(TOOLS.pxeFiles, { title: /Writes the files/, file: 'PXE' });
      await stat(join(pxeDir, 'boot/pxeboot.com'));
      await exportMedium(TOOLS.agentIso, { title: /Makes an ISO/, file: 'client-agent.iso' });
    }));

  it('stores the image of a master that is backed up by its own screens', () =>
    lab.step('backup', async () => {
      await masterVm.expectScreen(/Disk and partitions/, 240_000);
      await masterVm.expectScreen(/ext4 .*71\.\d MB/, 60_000);
      await masterVm.screenshot(join(ensureDir(PICTURES_DIR), 'vga-backup.png'));
      await press(masterVm, 'f8');
      await masterVm.expectScreen(/Consoles found +\S+ totaldeploy +10\.77\.0\.51/, 60_000);
      await press(masterVm, 'f8');
      await masterVm.expectScreen(/Image name/, 30_000);
      await press(masterVm, 'ctrl', 'u');
      await typeText(masterVm, 'lab');
      await press(masterVm, 'f8');
      await masterVm.expectScreen(/F2 starts/, 30_000);
      await press(masterVm, 'f2');
      await masterVm.expectScreen(/verified by the console/, 300_000);
      await masterVm.kill();
      await stat(join(share, 'lab.sco'));
    }));

  it('checks the image, filters the log and moves the templates to the share', () =>
    lab.step('tools', async () => {
      await openTool(TOOLS.checkImage, /Quick check/);
      await see(/lab +\d{4}/);
      await keys('ret');
      await see(/is good/, 120_000);
      await keys('ret');
      await see(/Quick check/);
      await keys('esc');
      await openTool(TOOLS.log, /Job all +Computer all/);
      await see(/"lab" is stored/);
      await keys('f5');
      await see(/Text/);
      await fill('stored and verified');
      await keys('ret');
      await see(/Text "stored/);
      await keys('esc');
      await openTool(TOOLS.templatePath, /All saved templates/);
      await keys('f4');
      await see(/Choose a folder[\s\S]*free/);
      await keys('f3');
      await see(/in storage images/);
      await keys('f3');
      await see(/in storage images-2/);
      await keys('f2');
      await see(/Folder +\[\S*mounts\/images-2/);
      await keys('f2');
      await see(/Templates are read from/);
      await keys('ret');
      await see(/Export Backup Agent +ISO/);
    }));

  it('deploys to the one chosen target through every page of the wizard', () =>
    lab.step('wizard', async () => {
      await startTargets();
      await keys('tab');
      await see(/Connected computers +2 connected, 2 waiting/, 300_000);
      await keys('home', 'ret');
      await see(/1 of 13/);
      await see(new RegExp(`\\[ \\] ${PXE_TARGET.mac}[\\s\\S]*\\[ \\] ${CD_TARGET.mac}`));
      await keys('f8');
      await see(/! choose at least one target computer/);
      await keys('home', 'spc');
      await see(new RegExp(`\\[x\\] ${PXE_TARGET.mac}`));
      await keys('f8');
      await see(/2 of 13 +Master image/);
      await see(/lab +\d{4}/);
      await keys('spc', 'f8');
      await see(/3 of 13[\s\S]*ext4[\s\S]*71\.\d MB/);
      await picture('partitions');
      await keys('f8');
      await see(/4 of 13[\s\S]*first disk/);
      for (const page of [5, 6, 7, 8, 9, 10, 11, 12]) {
        await keys('f8');
        await see(new RegExp(` ${page} of 13`));
      }
      await keys('down', 'down', 'spc');
      await see(/\([^ ]\) do nothing/);
      await keys('f8');
      await see(/13 of 13/);
      await keys('spc', 'tab');
      await see(/Name +\[/);
      await fill('Classroom');
      await keys('tab', 'tab', 'spc');
      await see(/Offer it +\[x\]/);
      await keys('f2');
      await see(/This overwrites one disk/);
      await picture('confirmation');
      await keys('y');
      await see(/1 to go|1 done/);
      await picture('job');
      await see(/1 done +0 to go/, 300_000);
      const { vm, path } = targets[0]!;
      await vm.kill();
      const raw = await rawCopyOf(path, lab.path('target.raw'));
      expect((await compareDisks(master.path, raw)).problems).toEqual([]);
    }));
});
