import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';
import { Lab } from './driver/lab.ts';
import { NfsServer } from './driver/nfs-server.ts';
import { Operator, openTool } from './driver/operator.ts';
import { ISO_PATH } from './driver/project-paths.ts';
import type { Vm } from './driver/vm.ts';
import { createDiskFile, MIB, overlayOf } from './masters/disk-file.ts';
import { tinyMaster } from './masters/tiny.ts';

const MASTER = { mac: '52:54:00:7d:06:01', address: '10.77.0.61' };
const CONSOLE = { mac: '52:54:00:7d:06:02', address: '10.77.0.62' };
const STATIC_ADDRESS = '10.77.0.200';
const STICK_BYTES = 512 * MIB;
const ROOM = `mac,name,address
52-54-00-7D-06-11,LAB-11,10.77.0.111
52:54:00:7d:06:12,LAB-12,10.77.0.112
`;

describe('the plain ISO, a USB disk and the rest of the tools, by keyboard alone', () => {
  let lab: Lab;
  let usbDisk: string;
  let stick: string;
  let nfsDir: string;
  let masterVm: Vm;
  let consoleVm: Vm;
  let person: Operator;

  beforeAll(async () => {
    const master = await tinyMaster();
    lab = await Lab.create({
      name: 'console-tools',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts console-tools',
    });
    await lab.startPxeServer([MASTER, CONSOLE]);
    nfsDir = lab.path('nfs');
    lab.use(await NfsServer.start(lab.network, { shareDir: nfsDir, workDir: lab.path('nfs-server') }));
    usbDisk = await diskWithTable(lab);
    stick = lab.path('stick.raw');
    await createDiskFile(stick, STICK_BYTES);
    const disk = { path: await overlayOf(master.path, lab.path('master.qcow2')), format: 'qcow2' } as const;
    masterVm = await startFromIso('master', { disks: [disk, { path: usbDisk, format: 'raw', bus: 'usb' }] });
    person = new Operator(masterVm);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  async function startFromIso(
    name: 'master' | 'console',
    options: Pick<Parameters<Lab['startVm']>[0], 'disks'>,
  ): Promise<Vm> {
    const { mac } = name === 'master' ? MASTER : CONSOLE;
    const medium = { path: ISO_PATH, kind: 'cd' } as const;
    const spec = { name, firmware: 'bios', nics: [{ mac }], medium, boot: ['medium'] } as const;
    return await lab.startVm({ ...spec, ...options });
  }

  /** What a browser on the same network gets. */
  async function webPage(address: string): Promise<string> {
    const url = `https://${address}:5080/`;
    const script = `require('https').get('${url}', { rejectUnauthorized: false }, (r) => r.pipe(process.stdout))`;
    const { namespace } = lab.network;
    const args = ['netns', 'exec', namespace, process.execPath, '-e', script];
    return (await run('ip', args, { timeoutMs: 30_000 })).stdout;
  }

  it('stores the image of a master on a USB disk, without any console', () =>
    lab.step('backup', async () => {
      await person.see(/What is this computer to do\?/, 240_000);
      await person.see(/1\s+Back up this computer/);
      await person.keys('1');
      await person.see(/Disk and partitions/, 60_000);
      await person.see(/ext4 .*71\.\d MB/, 60_000);
      await person.keys('f8');
      await person.see(/Store at/);
      await person.keys('down', 'spc');
      await person.see(/Stored on +\( \) sda1 +LABDISK, ext4/, 60_000);
      await person.keys('tab', 'spc');
      await person.see(/Stored on +\([^ ]\) sda1 +LABDISK, ext4/);
      await person.keys('f8');
      await person.see(/Image name/, 60_000);
      await person.fill('room');
      await person.keys('f8');
      await person.see(/F2 starts/);
      await person.keys('f2');
      await person.see(/sda1\/room\.sco[\s\S]*every block was read back and is right/, 300_000);
      await person.picture('backup-done');
      await masterVm.kill();
    }));

  it('starts as console from the same ISO and takes images from that USB disk', () =>
    lab.step('console', async () => {
      consoleVm = await startFromIso('console', {
        disks: [
          { path: usbDisk, format: 'raw', bus: 'usb' },
          { path: stick, format: 'raw', bus: 'usb-stick', serial: 'STICK7' },
        ],
      });
      person = new Operator(consoleVm);
      await person.see(/What is this computer to do\?/, 240_000);
      await person.keys('3');
      await person.see(/Deployment solution/, 60_000);
      await person.keys('tab');
      await openTool(person, 'storage', /Add share/);
      await person.keys('f5');
      await person.see(/Share or disk/);
      await person.keys('down', 'down', 'spc');
      await person.see(/Found +\( \) \/dev\/sd[ab]1 +\S*LABDISK, ext4/);
      await person.keys('tab', 'spc');
      await person.see(/Share or disk +\[\/dev\/sd[ab]1/);
      await person.keys('f2');
      await person.see(/labdisk +USB disk .*ready/, 60_000);
      await person.keys('esc');
      await person.see(/Export Backup Agent +ISO/);
      await openTool(person, 'checkImage', /Quick check/);
      await person.see(/room +\d{4}/);
      await person.keys('f3');
      await person.see(/is good/, 60_000);
      await person.picture('quick-check');
      await person.keys('ret');
      await person.see(/Quick check/);
      await person.keys('esc');
    }));

  it('exports to an NFS server', () =>
    lab.step('NFS', async () => {
      await openTool(person, 'storage', /Add share/);
      await person.keys('f5');
      await person.see(/Share or disk/);
      await person.keys('down', 'spc', 'tab');
      await person.fill(`${lab.network.host}:/images`);
      await person.keys('f2');
      await person.see(/NFS +\S+:\/images .*ready/, 60_000);
      await person.keys('end', 'f6');
      await person.see(/\? +\S+ +NFS /);
      await person.keys('esc');
      await openTool(person, 'agentIso', /Makes an ISO/);
      await person.keys('f2');
      await person.see(/Done: /, 180_000);
      await person.keys('ret');
      expect((await stat(join(nfsDir, 'client-agent.iso'))).size).toBeGreaterThan(100 * MIB);
    }));

  it('plans a deployment with every setting of the wizard and saves it as a template', () =>
    lab.step('template', async () => {
      await person.keys('tab');
      await person.see(/Connected computers/);
      await person.keys('home', 'ret');
      await person.see(/1 of 13/);
      await person.keys('f5');
      await person.see(/Deploy to/);
      await person.keys('down', 'spc', 'tab');
      await person.fill('2');
      await person.keys('esc');
      await person.see(/1 of 13/);
      await person.keys('f8');
      await person.see(/2 of 13[\s\S]*room +\d{4}/);
      await person.keys('spc', 'f8');
      await person.see(/3 of 13[\s\S]*ext4/);
      await person.keys('f8');
      await person.see(/4 of 13[\s\S]*first disk/);
      await person.keys('f8');
      await enterUser();
      await enterNames();
      await enterNetwork();
      await person.see(/8 of 13[\s\S]*unique SID/);
      await person.keys('f8');
      await enterPrograms();
      await person.see(/12 of 13/);
      await person.keys('f8');
      await person.see(/13 of 13[\s\S]*Computer names +table of 2 names/);
      await person.see(/domain lab\.example\.org, joined by admin/);
      await person.picture('summary');
      await person.keys('spc', 'tab');
      await person.fill('Room 7');
      await person.keys('f3');
      await person.see(/Connected computers/);
    }));

  it('shows the saved template with its plan, and says that nobody is there to deploy to', () =>
    lab.step('templates', async () => {
      await person.keys('home', 'down', 'ret');
      await person.see(/Room 7 +room .*ready/);
      await person.keys('ret');
      await person.see(/Template "Room 7"[\s\S]*Master image +room/);
      await person.keys('pgdn');
      await person.see(/No computer is connected/);
      await person.picture('template');
      await person.keys('esc');
      await person.see(/Room 7 +room/);
      await person.keys('esc');
      await person.see(/Connected computers/);
    }));

  it('writes a USB stick after its size was typed', () =>
    lab.step('stick', async () => {
      await person.keys('tab');
      await openTool(person, 'stick', /STICK7/);
      await person.see(/On \/dev\/sd[ab] now/);
      await person.keys('ret');
      await person.see(/Serial number +STICK7/);
      await person.keys('tab');
      await person.fill('1');
      await person.keys('f2');
      await person.see(/Type its size/);
      await person.fill('500 MB');
      await person.keys('ret');
      await person.see(/! that is not 537 MB/);
      await person.fill('537 MB');
      await person.picture('stick');
      await person.keys('ret');
      await person.see(/Done: /, 300_000);
      await person.keys('ret');
      await person.see(/1: .* fat32 "TOTALDEPLOY"/);
      await person.keys('esc');
      await person.see(/Export Backup Agent +ISO/);
    }));

  it('serves the web page, sets a PIN and shows licences and PXE settings', () =>
    lab.step('settings', async () => {
      await openTool(person, 'licences', /No licence is loaded/);
      await person.keys('esc');
      await openTool(person, 'pxeServer', /boot\/pxeboot\.com/);
      await person.keys('esc');
      await openTool(person, 'pin', /New PIN/);
      await person.fill('12', { secret: true });
      await person.keys('f2');
      await person.see(/! 4 to 12 digits/);
      await person.fill('1234', { secret: true });
      await person.keys('f2');
      await person.see(/The PIN is set/);
      await person.keys('ret');
      await openTool(person, 'webPage', /Off by default/);
      await person.keys('spc', 'f2');
      await person.see(new RegExp(`https://${CONSOLE.address}:5080/`));
      await person.keys('ret');
      await person.see(/Export Backup Agent +ISO/);
      expect(await webPage(CONSOLE.address)).toContain('TotalDeploy');
    }));

  it('takes a static address and goes on with it', () =>
    lab.step('address', async () => {
      await openTool(person, 'network', /As it was started/);
      await person.keys('tab', 'down', 'down', 'spc', 'tab');
      await person.fill(`${STATIC_ADDRESS}/24,10.77.0.1`);
      await person.keys('f2');
      await person.see(/Deployment solution/, 60_000);
      await person.keys('tab');
      await openTool(person, 'network', new RegExp(`Now +${RegExp.escape(STATIC_ADDRESS)} on `));
      expect(await webPage(STATIC_ADDRESS)).toContain('TotalDeploy');
      await person.picture('static');
      await consoleVm.kill();
    }));

  it('makes sticks that start on UEFI with Secure Boot enforced, and has its screens on a serial line', () =>
    lab.step('stick start', async () => {
      const vm = await lab.startVm({
        name: 'stick',
        firmware: 'uefi-secureboot',
        disks: [{ path: stick, format: 'raw', bus: 'usb-stick' }],
        nics: [{ mac: MASTER.mac }],
        boot: ['disk'],
      });
      await vm.expect(/TOTALDEPLOY start \S+ mode=menu/, 240_000);
      await vm.expect(/(\d) +Full screens on this terminal[\s\S]*Number \(1-\d\): $/, 60_000);
      vm.serial.sendLine('8');
      await vm.expect(/What is this computer to do\?/, 30_000);
      vm.serial.send('3');
      await vm.expect(/Deployment solution/, 60_000);
      vm.serial.send('\t');
      // What was on the screen before is not sent again: only words in lines that were empty come whole.
      await vm.expect(/Licences/, 30_000);
      await vm.kill();
    }));

  async function enterUser(): Promise<void> {
    await person.see(/5 of 13/);
    await person.keys('a');
    await person.see(/Add a user account/);
    await person.fill('admin');
    await person.keys('tab', 'tab');
    await person.fill('Secret 1', { secret: true });
    await person.keys('tab');
    await person.fill('Secret 2', { secret: true });
    await person.keys('tab', 'up', 'up', 'spc', 'f2');
    await person.see(/! the two passwords differ/);
    await person.fill('Secret 1', { secret: true });
    await person.keys('f2');
    await person.see(/admin - Administrators/);
    await person.keys('f8');
  }

  /** Names from a table in a file of the USB disk, and a domain. */
  async function enterNames(): Promise<void> {
    await person.see(/6 of 13/);
    await person.keys('down', 'down', 'spc', 'tab', 'tab');
    await person.see(/Import a CSV file/);
    await person.keys('ret');
    await person.see(/Choose a CSV file[\s\S]*free/);
    for (const storage of ['images', 'labdisk']) {
      await person.keys('f3');
      await person.see(new RegExp(`in storage ${storage}`));
    }
    await person.see(/room\.csv/);
    await person.keys('end', 'ret');
    await person.see(/2 computers taken from/);
    await person.keys('ret');
    await person.see(/52:54:00:7d:06:11 +LAB-11 +10\.77\.0\.111/);
    await person.keys('tab', 'down', 'down', 'spc', 'tab');
    await person.fill('lab.example.org');
    await person.keys('tab');
    await person.fill('admin');
    await person.keys('tab');
    await person.fill('Secret 3', { secret: true });
    await person.keys('f8');
  }

  async function enterNetwork(): Promise<void> {
    await person.see(/7 of 13/);
    await person.keys('down', 'down', 'spc', 'tab');
    await person.fill('10.77.0.300');
    await person.keys('f8');
    await person.see(/! use an IPv4 address/);
    await person.fill('10.77.0.100');
    await person.keys('tab');
    await person.fill('10.77.0.150');
    await person.see(/Range +51 addresses/);
    await person.keys('f8');
  }

  async function enterPrograms(): Promise<void> {
    const added = [
      { page: /9 of 13/, text: '/run/totaldeploy/mounts/labdisk/room.csv' },
      { page: /10 of 13/, text: '/usr/bin/true' },
      { page: /11 of 13/, text: '/run/totaldeploy/mounts/labdisk' },
    ];
    for (const { page, text } of added) {
      await person.see(page);
      await person.keys('a');
      await person.see(/F2 OK/);
      await person.fill(text);
      await person.keys('f2');
      await person.see(new RegExp(`of 13[\\s\\S]*${text}`));
      await person.keys('f8');
    }
  }
});

/** A USB hard disk with one partition, on it a table of computers. */
async function diskWithTable(lab: Lab): Promise<string> {
  const path = lab.path('usb-disk.raw');
  const files = lab.path('usb-files');
  await mkdir(files);
  await writeFile(`${files}/room.csv`, ROOM);
  await createDiskFile(path, 512 * MIB);
  await run('sfdisk', ['--quiet', '--label', 'dos', path], { input: 'start=2048, type=83\n' });
  const filesystem = ['-q', '-t', 'ext4', '-L', 'LABDISK', '-d', files, '-E', `offset=${MIB}`, path, '500M'];
  await run('mke2fs', filesystem, { timeoutMs: 60_000 });
  return path;
}
