import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';
import {
  editMenuSettings,
  exportAgentIso,
  exportPxe,
  waitForComputer,
  waitForLog,
} from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { deploy, targetOf } from './driver/deploy-result.ts';
import type { Dnsmasq } from './driver/dnsmasq.ts';
import { Lab } from './driver/lab.ts';
import { expectConnected } from './driver/milestones.ts';
import type { Vm } from './driver/vm.ts';
import { compareDisks } from './masters/compare.ts';
import { emptyDisk, MIB, overlayOf, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';
import { type TinyFacts, tinyMaster } from './masters/tiny.ts';

const LONELY = { mac: '52:54:00:7d:04:01', address: '10.77.0.41' };
const TYPO = { mac: '52:54:00:7d:04:02', address: '10.77.0.42' };
const MASTER = { mac: '52:54:00:7d:04:03', address: '10.77.0.43' };
const FIRST = { mac: '52:54:00:7d:04:21', address: '10.77.0.21' };
const SECOND = { mac: '52:54:00:7d:04:22', address: '10.77.0.22' };
/** Slow enough that there is a middle: the image takes about 20 seconds. */
const SLOW_RATE_MBIT = 6;

describe('what goes wrong', () => {
  let lab: Lab;
  let master: Master<TinyFacts>;
  let console: ConsoleProcess;
  let pxe: Dnsmasq;
  let isoPath: string;
  let typoDir: string;
  let backupDir: string;
  let lonely: Vm;
  let first: Vm;

  const startFromCd = (name: string, mac: string, diskPath: string) =>
    lab.startVm({
      name,
      firmware: 'bios',
      disks: [{ path: diskPath, format: 'qcow2' }],
      nics: [{ mac }],
      medium: { path: isoPath, kind: 'cd' },
      boot: ['medium'],
    });

  beforeAll(async () => {
    master = await tinyMaster();
    lab = await Lab.create({
      name: 'faults',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts faults',
    });
    console = await lab.startConsole();
    isoPath = await exportAgentIso(console, lab.path('agent.iso'), ['--console', lab.network.host]);
    typoDir = await exportPxe(console, lab.path('typo'), { mode: 'agent' });
    await editMenuSettings(typoDir, { td_params: 'td.dsik=first td.after=never' });
    const params = ['td.disk=first', 'td.to=console:tiny'];
    backupDir = await exportPxe(console, lab.path('backup'), { mode: 'backup', params });
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('no DHCP, no console, a console with another certificate: the screen names each, and it goes on', () =>
    lab.step('lonely computer', async () => {
      await console.kill();
      const disk = await emptyDisk(lab.path('lonely.qcow2'), 64 * MIB);
      lonely = await startFromCd('lonely', LONELY.mac, disk);
      const vm = lonely;
      await vm.expect(/TOTALDEPLOY start \S+ mode=agent/, 240_000);
      await vm.expectScreen(/No DHCP answer on \S+ for \d+ s: check the DHCP server/, 60_000);

      await lab.startHttpServer(typoDir);
      pxe = await lab.startPxeServer([
        LONELY,
        { ...TYPO, pxeDir: typoDir },
        { ...MASTER, pxeDir: backupDir },
        FIRST,
        SECOND,
      ]);
      await vm.expect(/TOTALDEPLOY network \S+ 10\.77\.0\.41/, 90_000);
      const [silent] = await vm.expect(/TOTALDEPLOY failed: .*\n/, 60_000);
      expect(silent).toMatch(/10\.77\.0\.1/);

      const stranger = await lab.startConsole('stranger');
      const [untrusted] = await vm.expect(/TOTALDEPLOY failed: .*certificate.*\n/i, 90_000);
      expect(untrusted.trim().split('\n')).toHaveLength(1);
      await stranger[Symbol.asyncDispose]();

      await console.restart();
      await vm.expect(/TOTALDEPLOY connected to/, 90_000);
      await waitForComputer(console, LONELY.mac, 30_000);
    }));

  it('an upload broken off is no image; the next one of the same name is', () =>
    lab.step('broken upload', async () => {
      const start = async (name: string) =>
        lab.startVm({
          name,
          firmware: 'bios',
          disks: [{ path: await overlayOf(master.path, lab.path(`${name}.qcow2`)), format: 'qcow2' }],
          nics: [{ mac: MASTER.mac }],
          boot: ['network'],
        });
      const broken = await start('master-broken');
      await broken.expect(/TOTALDEPLOY state capturing/, 300_000);
      await broken.kill();
      await waitForLog(console, /broken|lost|ended|incomplete|failed/i, 60_000);
      const { code } = await console.program(['image', 'check', console.imagePath('tiny')], {
        okCodes: [0, 1],
      });
      expect(code).toBe(1);
      const whole = await start('master-whole');
      await whole.expect(/TOTALDEPLOY done /, 400_000, { failOn: /TOTALDEPLOY failed: .*\n/ });
      await whole.kill();
      await console.program(['image', 'check', console.imagePath('tiny')]);
    }));

  it('a disk too small is refused before a byte is written', () =>
    lab.step('small disk', async () => {
      const order = { image: 'tiny', waitFor: 1, targets: [LONELY.mac], after: 'wait' } as const;
      const result = await deploy(console, order, { timeoutMs: 120_000 });
      expect(result).toMatchObject({ exitCode: 1, state: 'failed' });
      expect(targetOf(result, LONELY.mac).reason).toMatch(/small|bigger|needs/);
      await lonely.kill();
      const map = await run('qemu-img', ['map', '--output=json', lab.path('lonely.qcow2')]);
      expect(JSON.parse(map.stdout).some((range: { data: boolean }) => range.data)).toBe(false);
    }));

  it('a wrong boot parameter is named on screen and serial line, and the choice appears', () =>
    lab.step('wrong parameter', async () => {
      const spec = { name: 'typo', firmware: 'bios', disks: [], nics: [{ mac: TYPO.mac }] } as const;
      const vm = await lab.startVm({ ...spec, boot: ['network'] });
      await vm.expect(/TOTALDEPLOY start \S+ mode=menu/, 240_000);
      await vm.expect(/TOTALDEPLOY failed: td\.dsik is no parameter: did you mean td\.disk\?\n/, 30_000);
      await vm.expect(
        /TOTALDEPLOY failed: td\.after cannot be "never": use shutdown, restart or wait/,
        30_000,
      );
      const text = await vm.expectScreen(/What is this computer to do\?/, 60_000);
      expect(text).toMatch(/td\.dsik is no parameter/);
      await vm.kill();
    }));

  it('a target that loses power in the middle fails alone, and its disk does not start', () =>
    lab.step('power loss', async () => {
      const disks = {
        first: await emptyDisk(lab.path('first.qcow2'), 512 * MIB),
        second: await emptyDisk(lab.path('second.qcow2'), 512 * MIB),
      };
      first = await startFromCd('first', FIRST.mac, disks.first);
      const second = await startFromCd('second', SECOND.mac, disks.second);
      await Promise.all([expectConnected(first, 'agent'), expectConnected(second, 'agent')]);
      const targets = [FIRST.mac, SECOND.mac];
      const order = { image: 'tiny', waitFor: 2, targets, after: 'wait', rateMbit: SLOW_RATE_MBIT } as const;
      const ending = deploy(console, { ...order, lostWaitSeconds: 5 }, { timeoutMs: 400_000 });
      await second.expect(/TOTALDEPLOY state receiving/, 90_000);
      await second.kill();
      const result = await ending;
      await first.expect(/TOTALDEPLOY done /, 10_000);
      expect(result).toMatchObject({ exitCode: 3, state: 'partial' });
      expect(targetOf(result, FIRST.mac).report?.ok).toBe(true);
      expect(targetOf(result, SECOND.mac).reason).toMatch(/lost/);
      const raw = await rawCopyOf(disks.second, lab.path('second.raw'));
      const table = await run('sfdisk', ['-J', raw], { okCodes: [0, 1] });
      expect(table.code, 'an unfinished disk has no partition table').toBe(1);
    }));

  it('a console killed in the middle: the target says so, and when it is back, both go on to a whole disk', () =>
    lab.step('console killed', async () => {
      const order = { image: 'tiny', waitFor: 1, targets: [FIRST.mac], after: 'shutdown' } as const;
      const broken = deploy(console, { ...order, rateMbit: SLOW_RATE_MBIT }, { timeoutMs: 400_000 });
      const outcome = broken.then(
        (result) => result.exitCode,
        () => 'no answer',
      );
      await first.expect(/TOTALDEPLOY state receiving/, 90_000);
      await console.kill();
      const [line] = await first.expect(/TOTALDEPLOY failed: .*\n/, 240_000);
      expect(line).toMatch(/console/i);
      expect(await outcome).not.toBe(0);
      await console.restart();
      await waitForLog(console, /interrupted/i, 30_000);
      await first.expect(/TOTALDEPLOY connected to/, 90_000);
      await first.expect(/TOTALDEPLOY done \S+ tiny/, 300_000);
      await first.waitForEnd(60_000);
      await waitForLog(console, /job is done/, 30_000);
      const raw = await rawCopyOf(lab.path('first.qcow2'), lab.path('first.raw'));
      expect((await compareDisks(master.path, raw)).problems).toEqual([]);
      expect((await pxe.sent()).length).toBeGreaterThan(0);
    }));
});
