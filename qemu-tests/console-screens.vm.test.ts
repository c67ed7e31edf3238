import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';
import { Lab } from './driver/lab.ts';
import { Operator, openTool } from './driver/operator.ts';
import { PROGRAM_PATH } from './driver/project-paths.ts';
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

describe('a console started from its own CD and worked by keyboard alone', () => {
  let lab: Lab;
  let master: Master<TinyFacts>;
  let share: string;
  let person: Operator;
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
    const console = await lab.startVm({
      name: 'console',
      firmware: 'bios',
      disks: [],
      nics: [{ mac: CONSOLE.mac }],
      medium: { path: consoleIso, kind: 'cd' },
      boot: ['medium'],
    });
    person = new Operator(console);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  async function exportMedium(
    tool: 'backupIso' | 'pxeFiles' | 'agentIso',
    { title, file }: { title: RegExp; file: string },
  ): Promise<string> {
    await openTool(person, tool, title);
    await person.see(new RegExp(`mounts/images-2/${file}`));
    // The boot menu is not to wait for anybody.
    await person.keys('tab', ...(tool === 'pxeFiles' ? ['tab'] : []));
    await person.fill('1');
    await person.keys('f2');
    await person.see(/Done: /, 180_000);
    await person.keys('ret');
    await person.see(/Export Backup Agent +ISO/);
    return join(share, file);
  }

  /** Pages 5 to 12, with the master's settings: the disks are to be equal to its disk. */
  async function goThroughSettings(): Promise<void> {
    for (const page of [5, 6, 7, 8, 9, 10, 11, 12]) {
      await person.keys('f8');
      await person.see(new RegExp(` ${page} of 13`));
      if (page !== 8) continue;
      await person.keys('down', 'spc');
      await person.see(/\([^ ]\) keep the SID/);
    }
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
      await person.see(/Deployment solution/, 240_000);
      await person.picture('operations');
      await person.keys('tab');
      await person.see(/Export PXE Files/);
      await person.picture('tools');
      await person.keys('f1');
      await person.see(/Help/);
      await person.keys('esc');
    }));

  it('keeps images on a Windows share, after saying that the password is wrong', () =>
    lab.step('share', async () => {
      await openTool(person, 'storage', /Add share/);
      await person.keys('f5');
      await person.see(/Share or disk/);
      await person.keys('tab');
      await person.fill('//10.77.0.1/images');
      await person.keys('tab');
      await person.fill(SMB_USER);
      await person.keys('tab');
      await person.fill('wrong', { secret: true });
      await person.keys('f2');
      await person.see(/the server refuses the user/, 60_000);
      await person.keys('ret');
      await person.see(/F2 Add/);
      await person.fill(PASSWORD, { secret: true });
      await person.keys('f2');
      await person.see(/Windows share .*ready/, 60_000);
      await person.keys('down', 'f6');
      // The mark of the default place has no letter in a VGA font's table.
      await person.see(/ \? +images-2 +Windows share/);
      await person.keys('esc');
    }));

  it('exports the backup agent, the PXE files and the client agent to the share', () =>
    lab.step('export', async () => {
      const backupIso = await exportMedium('backupIso', { title: /Makes an ISO/, file: 'backup-agent.iso' });
      masterVm = await lab.startVm({
        name: 'master',
        firmware: 'bios',
        disks: [{ path: await overlayOf(master.path, lab.path('master.qcow2')), format: 'qcow2' }],
        nics: [{ mac: MASTER.mac }],
        medium: { path: backupIso, kind: 'cd' },
        boot: ['medium'],
      });
      const pxeDir = await exportMedium('pxeFiles', { title: /Writes the files/, file: 'PXE' });
      await stat(join(pxeDir, 'boot/pxeboot.com'));
      await exportMedium('agentIso', { title: /Makes an ISO/, file: 'client-agent.iso' });
    }));

  it('stores the image of a master that is backed up by its own screens', () =>
    lab.step('backup', async () => {
      const owner = new Operator(masterVm);
      await owner.see(/Disk and partitions/, 240_000);
      await owner.see(/ext4 .*71\.\d MB/, 60_000);
      await owner.picture('backup');
      await owner.keys('f8');
      await owner.see(/Consoles found +\S+ totaldeploy +10\.77\.0\.51/, 60_000);
      await owner.keys('f8');
      await owner.see(/Image name/);
      await owner.fill('lab');
      await owner.keys('f8');
      await owner.see(/F2 starts/);
      await owner.keys('f2');
      await owner.see(/verified by the console/, 300_000);
      await masterVm.kill();
      await stat(join(share, 'lab.sco'));
    }));

  it('checks the image, filters the log and moves the templates to the share', () =>
    lab.step('tools', async () => {
      await openTool(person, 'checkImage', /Quick check/);
      await person.see(/lab +\d{4}/);
      await person.keys('ret');
      await person.see(/is good/, 120_000);
      await person.keys('ret');
      await person.see(/Quick check/);
      await person.keys('esc');
      await openTool(person, 'log', /Job all +Computer all/);
      await person.see(/"lab" is stored/);
      await person.keys('f5');
      await person.see(/Text +\[/);
      await person.fill('stored and verified');
      await person.keys('ret');
      await person.see(/Text "stored/);
      await person.keys('esc');
      await openTool(person, 'templatePath', /All saved templates/);
      await person.keys('f4');
      await person.see(/Choose a folder[\s\S]*free/);
      await person.keys('f3');
      await person.see(/in storage images/);
      await person.keys('f3');
      await person.see(/in storage images-2/);
      await person.keys('f2');
      await person.see(/Folder +\[\S*mounts\/images-2/);
      await person.keys('f2');
      await person.see(/Templates are read from/);
      await person.keys('ret');
      await person.see(/Export Backup Agent +ISO/);
    }));

  it('deploys to the one chosen target through every page of the wizard', () =>
    lab.step('wizard', async () => {
      await startTargets();
      await person.keys('tab');
      await person.see(/Connected computers +2 connected, 2 waiting/, 300_000);
      await person.keys('home', 'ret');
      await person.see(/1 of 13/);
      await person.see(new RegExp(`\\[ \\] ${PXE_TARGET.mac}[\\s\\S]*\\[ \\] ${CD_TARGET.mac}`));
      await person.keys('f8');
      await person.see(/! choose at least one target computer/);
      await person.keys('home', 'spc');
      await person.see(new RegExp(`\\[x\\] ${PXE_TARGET.mac}`));
      await person.keys('f8');
      await person.see(/2 of 13 +Master image/);
      await person.see(/lab +\d{4}/);
      await person.keys('spc', 'f8');
      await person.see(/3 of 13[\s\S]*ext4[\s\S]*71\.\d MB/);
      await person.picture('partitions');
      await person.keys('f8');
      await person.see(/4 of 13[\s\S]*first disk/);
      await goThroughSettings();
      await person.keys('down', 'down', 'spc');
      await person.see(/\([^ ]\) do nothing/);
      await person.keys('f8');
      await person.see(/13 of 13[\s\S]*After deployment +no operation/);
      await person.keys('spc', 'tab');
      await person.see(/Name +\[/);
      await person.fill('Classroom');
      await person.keys('tab', 'tab', 'spc');
      await person.see(/Offer it +\[x\]/);
      await person.keys('f2');
      await person.see(/This overwrites one disk/);
      await person.picture('confirmation');
      await person.keys('y');
      await person.see(/1 to go|1 done/);
      await person.picture('job');
      await person.see(/1 done +0 to go/, 300_000);
      await stat(join(share, 'Classroom.json'));
    }));

  it('saves the report of the job on the share', () =>
    lab.step('report', async () => {
      await person.keys('f2');
      await person.see(/1 of 1\s+computer done/);
      await person.keys('f2');
      await person.see(/File +\[/);
      await person.keys('f2');
      await person.see(/The report is in/);
      await person.keys('ret');
      await person.see(/1 of 1\s+computer done/);
      await person.keys('esc');
      const name = (await readdir(share)).find((one) => /^report-.*\.html$/.test(one));
      expect(await readFile(join(share, name ?? 'none'), 'utf8')).toContain('<svg');
    }));

  it('lets the person at a target start the offered template there', () =>
    lab.step('custom mode', async () => {
      const pupil = new Operator(targets[1]!.vm);
      await pupil.see(/Offered by the console[\s\S]*Classroom/, 60_000);
      await pupil.keys('ret');
      await pupil.see(/Everything on vda is overwritten/);
      await pupil.picture('offer');
      await pupil.fill('400 MB');
      await pupil.keys('f2');
      await pupil.see(/! type 524 MB/);
      await pupil.fill('524 MB');
      await pupil.keys('f2');
      await pupil.see(/Receiving|Checking|Done/, 120_000);
      await person.keys('esc');
      await person.see(/Connected computers/);
      await person.keys('f5');
      await person.see(/(deploy +lab +done[\s\S]*){2}/, 300_000);
      await person.picture('jobs');
      await person.keys('esc');
    }));

  it('deploys the saved template to all connected computers', () =>
    lab.step('template', async () => {
      await person.see(/Connected computers +2 connected, 2 waiting/, 60_000);
      await person.keys('home', 'down', 'ret');
      await person.see(/Classroom +lab/);
      await person.keys('ret');
      await person.see(/Target computers +all that are connected \(2 now\)/);
      await person.keys('f2');
      await person.see(/This overwrites 2 disks/);
      await person.fill('2');
      await person.keys('ret');
      await person.see(/2 done +0 to go/, 300_000);
      for (const { vm, path } of targets) {
        await vm.kill();
        const raw = await rawCopyOf(path, lab.path(`${vm.name}.raw`));
        expect((await compareDisks(master.path, raw)).problems, vm.name).toEqual([]);
      }
    }));

  it('leaves disks that start by themselves', () =>
    lab.step('disk', async () => {
      const { path } = targets[0]!;
      const disks = [{ path, format: 'qcow2' }] as const;
      const started = await lab.startVm({ name: 'disk', firmware: 'bios', disks, nics: [], boot: ['disk'] });
      const [line] = await started.expect(/BOOTED .*\n/, 120_000);
      expect(line).toContain(`sum=${master.facts.md5}`);
    }));
});
