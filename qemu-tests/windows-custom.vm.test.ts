import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReportComputer, reportSchema } from '../src/console/report/report.ts';
import { machineSidOf } from '../src/customise/windows/sid.ts';
import { sampleDriver, sampleInf } from '../src/customise/windows/testdata/drivers/driver-samples.ts';
import { ChildProgram } from './driver/child-process.ts';
import { exportPxe } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { type DeployResult, deploy } from './driver/deploy-result.ts';
import { Lab } from './driver/lab.ts';
import { expectConnected } from './driver/milestones.ts';
import { TestNetwork } from './driver/network.ts';
import type { Vm } from './driver/vm.ts';
import { emptyDisk, MIB, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';
import {
  GPT_PARTITIONS,
  MBR_PARTITIONS,
  type PhonyPartition,
  type WindowsFacts,
  windows7Master,
  windows10Master,
} from './masters/phony-windows.ts';
import { HIVES_KIND } from './masters/phony-windows-hives.ts';
import * as outside from './masters/phony-windows-inspect.ts';
import { OTHER_SID } from './masters/phony-windows-security.ts';

/** In each password a part that no way of writing it changes, to look for. */
const SECRETS = ['Alice7CorrectHorse', 'Bob8BatteryStaple', 'Dom9JoinStaple'];
const USERS = [
  {
    name: 'Zoë & Söhne',
    fullName: 'Zoë "Z" 100%',
    password: `Gr"ü%n!&^<1>|${SECRETS[0]}%PATH%`,
    group: 'administrators',
  },
  { name: "bob o'neil", fullName: '', password: `$(x)\`'"\\${SECRETS[1]} ;`, group: 'users' },
] as const;
const JOIN_PASSWORD = `%d"&'^!${SECRETS[2]}`;
const TOOL = Buffer.from('MZ no program at all');
const DRIVER = {
  '7': sampleDriver({ architecture: 'x86', content: 'x86' }),
  '10': sampleDriver({ architecture: 'amd64', content: 'amd64' }),
};
const CONFIG = '/Windows/System32/config';
const HIVES = [
  ...['SYSTEM', 'SOFTWARE', 'SAM', 'SECURITY', 'DEFAULT'].map((name) => `${CONFIG}/${name}`),
  ...['/Users/alice/NTUSER.DAT', '/Users/eve/NTUSER.DAT'],
  '/Users/alice/AppData/Local/Microsoft/Windows/UsrClass.dat',
];

interface Computer {
  release: '7' | '10';
  name: string;
  mac: string;
  address: string;
  firmware: 'bios' | 'uefi';
  partitions: readonly PhonyPartition[];
  computerName: string;
  membership: object;
  names: object;
  master: Master<WindowsFacts>;
}

const WIN7: Omit<Computer, 'master'> = {
  ...{ release: '7', name: 'target-7', mac: '52:54:00:7d:07:21', address: '10.77.0.21', firmware: 'bios' },
  ...{ partitions: MBR_PARTITIONS, computerName: 'W7-05' },
  names: { kind: 'pattern', pattern: 'W7-{n:02}', first: 5 },
  membership: { kind: 'workgroup', name: 'ROOM3' },
};
const WIN10: Omit<Computer, 'master' | 'mac' | 'computerName'> = {
  ...{
    release: '10',
    name: 'target-10',
    address: '10.77.0.22',
    firmware: 'uefi',
    partitions: GPT_PARTITIONS,
  },
  names: { kind: 'pattern', pattern: 'W10-{mac}' },
  membership: { kind: 'domain', name: 'corp.example', user: 'CORP\\joiner', password: JOIN_PASSWORD },
};

/** What a report says of each edit: done, or why not. */
function expectedEdits({ release, computerName, partitions }: Computer): [string, RegExp | 'done'][] {
  const [ahci, virtio] = ['PCI\\VEN_8086&DEV_2922', 'PCI\\VEN_1AF4&DEV_1001'];
  const [own, add] = [
    "Switch on Windows' own driver for the disk controller",
    'Add a driver of "drivers" for',
  ];
  const address = `the address 10.77.1.50/24, gateway 10.77.1.1, DNS 10.77.1.2`;
  const steps = [
    ...USERS.map(({ name }) => `make the user "${name}"`),
    ...[`use ${address}`, ...(release === '10' ? ['join the domain corp.example'] : [])],
    ...['run "C:\\Install Files\\setup tool.exe"', 'run "%SystemRoot%\\notepad.exe"'],
  ];
  const permissions = partitions.flatMap(({ name, filesystem }, i): [string, RegExp | 'done'][] => {
    const text = `Give the permissions of all files on partition ${i + 1} the new SID`;
    if (filesystem !== 'ntfs') return [];
    return [[text, name === 'Windows' ? 'done' : /^no permission names an account of this computer$/]];
  });
  const system = partitions.findIndex(({ name }) => name === 'Windows') + 1;
  const product = release === '7' ? 'Windows 7 Professional' : 'Windows 10 Pro';
  return [
    [`${own} ${virtio}`, /^this Windows has no driver of its own for it/],
    [`${own} ${ahci}`, 'done'],
    [`${add} this computer's SCSI controller ${virtio}`, 'done'],
    [`${add} this computer's SATA controller ${ahci}`, /^no driver of "drivers" fits it: 2 of 2 \.inf files/],
    [`Name the computer ${computerName}`, 'done'],
    ...(release === '7' ? [['Put the computer into the workgroup ROOM3', 'done'] as [string, 'done']] : []),
    [`Use ${address}`, 'done'],
    ['Use the DNS suffix lab.example', 'done'],
    ['Transfer "setup tool.exe" to C:\\Install Files and run it at first start', 'done'],
    ['Transfer the folder "papers" (2 files) to %ProgramData%\\TotalDeploy\\files', 'done'],
    [`At the first start ${steps.join(', ')}`, 'done'],
    ["Give the computer a new SID in the registry and in its users' registries, without sysprep", 'done'],
    ['Write the changed registry', 'done'],
    ['Rename files and folders that are named after accounts', 'done'],
    ['Give scheduled tasks the new SID', /^there are none$/],
    ['Give the registries of apps the new SID', /^there are none$/],
    ...permissions,
    [`Read again what was written on partition ${system} (${product})`, 'done'],
  ];
}

describe(`Windows disks are deployed and customised (${HIVES_KIND})`, () => {
  let lab: Lab;
  let console: ConsoleProcess;
  let computers: Computer[];
  const vms: Vm[] = [];
  const results = new Map<Computer, DeployResult & { exitCode: number }>();
  /** The raw disk, and its volumes by the names of partitions, of each computer and of its master. */
  const disks = new Map<
    string,
    { raw: string; master: string; volumes: Record<string, string>; masters: Record<string, string> }
  >();
  const sids: string[] = [];

  beforeAll(async () => {
    const [win7, win10] = [await windows7Master(), await windows10Master()];
    // With the card that it knows the address is set at once, not only by the first start.
    const { mac } = win10.facts.known!;
    const computerName = `W10-${mac.replaceAll(':', '').slice(-6)}`;
    computers = [
      { ...WIN7, master: win7 },
      { ...WIN10, mac, computerName, master: win10 },
    ];
    lab = await Lab.create({
      name: 'windows-custom',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts windows-custom',
    });
    await mkdir(lab.path('disks'));
    console = await lab.startConsole();
    const agentDir = await exportPxe(console, lab.path('agent'), { mode: 'agent' });
    await lab.startHttpServer(agentDir);
    await lab.startPxeServer(computers.map(({ mac, address }) => ({ mac, address, pxeDir: agentDir })));
    // All that the console and the computers tell each other, whole.
    const capture = ['-i', TestNetwork.BRIDGE, '-U', '-s', '0', '-Z', 'root', '-w', lab.path('console.pcap')];
    const { namespace } = lab.network;
    lab.use(
      await ChildProgram.start('tcpdump', [...capture, 'tcp portrange 5001-5003 or udp port 5002'], {
        ...{ namespace, logPath: lab.path('tcpdump.log') },
      }),
    );
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('captures the masters, while two computers start from the network', () =>
    lab.step('capture', async () => {
      for (const { name, firmware, mac } of computers) {
        const path = await emptyDisk(lab.path(`disks/${name}.qcow2`), 640 * MIB);
        const disk = { path, format: 'qcow2' } as const;
        vms.push(await lab.startVm({ name, firmware, disks: [disk], nics: [{ mac }], boot: ['network'] }));
      }
      for (const { release, master } of computers) {
        const image = ['--to', console.imagePath(`win${release}`), '--level', '1'];
        await console.program(['backup', '--disk', master.path, ...image]);
      }
      await Promise.all(vms.map((vm) => expectConnected(vm, 'agent')));
    }));

  it('deploys to both at the same time, and reports every edit', () =>
    lab.step('deploy', async () => {
      await offerFiles(lab.path('offered'));
      for (const computer of computers) await importTemplate(computer);
      await Promise.all(
        computers.map(async (computer) => {
          const order = {
            ...{ template: `win${computer.release}`, targets: [computer.mac] },
            ...({ waitFor: 1, after: 'shutdown' } as const),
          };
          results.set(computer, await deploy(console, order, { timeoutMs: 600_000 }));
        }),
      );
      for (const computer of computers) {
        const result = results.get(computer)!;
        const [target] = result.targets;
        const edits = await reportedEdits(result.id);
        const expected = expectedEdits(computer);
        expect(edits.map(({ text }) => text).sort()).toEqual(expected.map(([text]) => text).sort());
        for (const [text, outcome] of expected) {
          const reason = outcome === 'done' ? '' : expect.stringMatching(outcome);
          const edit = edits.find((each) => each.text === text);
          expect(edit).toEqual({ text, result: outcome === 'done' ? 'done' : 'skipped', reason });
        }
        expect(result).toMatchObject({ exitCode: 0, state: 'done', targets: [{ report: { ok: true } }] });
        expect(target!.report!.multicastChunks).toBeGreaterThan(0);
      }
      await Promise.all(vms.map((vm) => vm.waitForEnd(60_000)));
    }));

  it('leaves whole partition tables, clean file systems, and other partitions as they were', () =>
    lab.step('tables', async () => {
      for (const { name, master, partitions, release } of computers) {
        const raw = await rawCopyOf(lab.path(`disks/${name}.qcow2`), lab.path(`disks/${name}.raw`));
        expect(await outside.tableOf(raw)).toEqual(await outside.tableOf(master.path));
        if (release === '10') expect(await outside.gptProblems(raw)).toBe('');
        const volumes: Record<string, string> = {};
        const masters: Record<string, string> = {};
        for (const partition of partitions) {
          const file = lab.path(`disks/${name}-${partition.name}`);
          volumes[partition.name] = await outside.takePartition(raw, partition, file);
          masters[partition.name] = await outside.takePartition(master.path, partition, `${file}-master`);
          if (partition.filesystem === 'ntfs') expect(await outside.ntfsProblems(file), file).toBe('');
        }
        disks.set(name, { raw, master: master.path, volumes, masters });
      }
      const [win7, win10] = [disks.get('target-7')!, disks.get('target-10')!];
      for (const path of ['/bootmgr', '/Boot/BCD']) {
        const [ours, theirs] = [win7.volumes['System Reserved']!, win7.masters['System Reserved']!];
        expect((await outside.ntfsFile(ours, path)).equals(await outside.ntfsFile(theirs, path))).toBe(true);
      }
      const wim = '/Recovery/WindowsRE/Winre.wim';
      const [ours, theirs] = [win10.volumes.Recovery!, win10.masters.Recovery!];
      expect((await outside.ntfsFile(ours, wim)).equals(await outside.ntfsFile(theirs, wim))).toBe(true);
      for (const name of ['SYSTEM', 'MSR'])
        await outside.expectSame(win10.volumes[name]!, win10.masters[name]!);
    }));

  it('has its name, workgroup, addresses, first start and drivers in the registry', () =>
    lab.step('registry', async () => {
      for (const computer of computers) {
        const hive = await hivesOf(computer);
        const [system, security] = [hive(`${CONFIG}/SYSTEM`), hive(`${CONFIG}/SECURITY`)];
        const sets = (await outside.subkeysByHivex(system, '')).filter((name) =>
          /^ControlSet\d{3}$/.test(name),
        );
        expect(sets.length).toBeGreaterThanOrEqual(computer.release === '7' ? 2 : 1);
        for (const set of sets) await expectControlSet(system, set, computer);
        expect(await outside.valueByHivex(system, 'Setup', 'CmdLine')).toMatch(
          /\\TotalDeploy\\firststart\.cmd$/,
        );
        expect(await outside.keyByReged(system, 'Setup')).toContain('"SetupType"=dword:00000002');
        const ofPolicy = (name: string) => outside.keyByReged(security, `Policy\\${name}`);
        expect(await ofPolicy('PolAcDmN')).toContain(policyText(computer.computerName.toUpperCase()));
        if (computer.release === '7') expect(await ofPolicy('PolPrDmN')).toContain(policyText('ROOM3'));
      }
    }));

  it('has a new SID wherever the old one was, and no other SID is another one', () =>
    lab.step('SID', async () => {
      for (const computer of computers) {
        const { sid: old, ownedFiles } = computer.master.facts;
        const hive = await hivesOf(computer);
        const policy = await outside.keyByReged(hive(`${CONFIG}/SECURITY`), 'Policy\\PolAcDmS');
        const bytes = Buffer.from(/=hex\(0\):([0-9a-f,]+)/.exec(policy)![1]!.replaceAll(',', ''), 'hex');
        const sid = machineSidOf(bytes.subarray(-12));
        sids.push(sid.join('-'));
        for (const path of HIVES) {
          const content = await outside.contentOf(hive(path));
          expect(outside.sidCount(content, old), path).toBe(0);
          if (!/SYSTEM$|UsrClass\.dat$/.test(path))
            expect(outside.sidCount(content, sid), path).toBeGreaterThan(0);
        }
        const [ours, theirs] = [volumeOf(computer), masterOf(computer)];
        const [now, before] = [await outside.ntfsPermissions(ours), await outside.ntfsPermissions(theirs)];
        expect(outside.sidCount(now, old)).toBe(0);
        expect(outside.sidCount(before, old)).toBeGreaterThan(0);
        expect(outside.sidCount(now, sid)).toBe(outside.sidCount(before, old));
        expect(outside.sidCount(now, OTHER_SID)).toBe(outside.sidCount(before, OTHER_SID));
        const letters = [...(await outside.ntfsDescriptors(ours))].filter(([path]) =>
          path.includes('/Letter '),
        );
        const owned = letters.filter(([, hex]) => outside.sidCount(Buffer.from(hex, 'hex'), sid) === 2);
        expect(owned).toHaveLength(ownedFiles);
        expect(await outside.ntfsNames(ours, '/$Recycle.Bin')).toEqual([`S-1-5-21-${sid.join('-')}-1001`]);
      }
      expect(new Set(sids).size).toBe(computers.length);
    }));

  it('has the transferred files, the driver and all that the first start needs', () =>
    lab.step('files', async () => {
      for (const computer of computers) {
        const volume = volumeOf(computer);
        const file = (path: string) => outside.ntfsFile(volume, path);
        expect(await file('/Install Files/setup tool.exe')).toEqual(TOOL);
        expect((await file('/ProgramData/TotalDeploy/files/papers/sub/läs mig.txt')).toString()).toBe('två');
        expect((await file('/Windows/System32/drivers/pvblock.sys')).equals(DRIVER[computer.release])).toBe(
          true,
        );
        const [folder] = await outside.ntfsNames(volume, '/Windows/TotalDeployDrivers');
        expect(await outside.ntfsNames(volume, `/Windows/TotalDeployDrivers/${folder}`)).toEqual([
          ...['pvblock.inf', 'pvblock.sys'],
        ]);
        const script = computer.release === '7' ? 'firststart.js' : 'firststart.ps1';
        expect(await outside.ntfsNames(volume, '/Windows/TotalDeploy')).toEqual([
          ...['firststart.cmd', script, 'settings.json'],
        ]);
        const steps = JSON.parse((await file('/Windows/TotalDeploy/settings.json')).toString('ascii'));
        expect(steps).toMatchObject([
          ...USERS.map(({ name, fullName, password }) => ({ kind: 'user', name, fullName, password })),
          { kind: 'run', file: expect.stringContaining('pnputil.exe') },
          { kind: 'card', macs: [computer.mac.toUpperCase()], firstOnly: true },
          ...(computer.release === '10' ? [{ kind: 'join', password: JOIN_PASSWORD }] : []),
          { kind: 'run', file: 'C:\\Install Files\\setup tool.exe', arguments: '/quiet "a b" & 100%' },
          { kind: 'run', file: '%SystemRoot%\\notepad.exe', arguments: '' },
        ]);
        const permissions = await outside.ntfsDescriptors(volume);
        const ofSettings = permissions.get('/Windows/TotalDeploy/settings.json');
        expect(ofSettings).toContain(SYSTEM_ACCOUNT);
        expect(ofSettings).not.toContain(EVERYONE);
      }
    }));

  it('leaves passwords nowhere but in the settings of the first start', () =>
    lab.step('secrets', async () => {
      for (const computer of computers) {
        const { raw } = disks.get(computer.name)!;
        const settings = lab.path(`disks/${computer.name}-settings`);
        await writeFile(
          settings,
          await outside.ntfsFile(volumeOf(computer), '/Windows/TotalDeploy/settings.json'),
        );
        const inSettings = await outside.countInFile(settings, SECRETS);
        expect(inSettings).toBe(computer.release === '10' ? 3 : 2);
        expect(await outside.countInFile(raw, SECRETS), raw).toBe(inSettings);
      }
      const reports = lab.path('results.json');
      await writeFile(reports, JSON.stringify([...results.values()]));
      await writeFile(lab.path('log.json'), JSON.stringify(await console.json(['log'])));
      const files = (await readdir(lab.dir, { recursive: true })).filter(
        (path) => !path.startsWith('disks/'),
      );
      let bytes = 0;
      for (const path of files) {
        const found = await stat(lab.path(path));
        if (!found.isFile()) continue;
        bytes += found.size;
        expect(await outside.countInFile(lab.path(path), SECRETS), path).toBe(0);
      }
      expect(files).toEqual(
        expect.arrayContaining(['console.log', 'console.pcap', 'network.pcap', 'target-10.serial.log']),
      );
      expect(files).toEqual(
        expect.arrayContaining(['console-data/console.db', 'console-data/templates/win10.json']),
      );
      expect((await stat(lab.path('console.pcap'))).size).toBeGreaterThan(10_000);
      expect(bytes).toBeGreaterThan(MIB);
    }));

  /** What the two templates name; the same for both. */
  async function offerFiles(dir: string): Promise<void> {
    const inf = sampleInf('viostor-like');
    const files: Record<string, Buffer> = {
      'setup tool.exe': TOOL,
      'papers/one.txt': Buffer.from('one'),
      'papers/sub/läs mig.txt': Buffer.from('två'),
      // The sample has a driver for 64 bits only.
      'drivers/x86/pvblock.inf': Buffer.from(inf.toString().replaceAll('pv_inst_x86', 'pv_inst')),
      'drivers/x86/pvblock.sys': DRIVER['7'],
      'drivers/amd64/pvblock.inf': inf,
      'drivers/amd64/pvblock.sys': DRIVER['10'],
    };
    for (const [path, bytes] of Object.entries(files)) {
      await mkdir(join(dir, path, '..'), { recursive: true });
      await writeFile(join(dir, path), bytes);
    }
  }

  async function importTemplate({ release, names, membership }: Computer): Promise<void> {
    const source = (name: string) => join(lab.path('offered'), name);
    const path = lab.path(`win${release}.json`);
    const template = {
      ...{ version: 1, name: `win${release}`, image: `win${release}`, after: 'shutdown' },
      ...{ users: USERS, computerNames: names, membership, sid: 'new' },
      network: {
        ...{ kind: 'static', first: '10.77.1.50', last: '10.77.1.60', prefixLength: 24 },
        ...{ gateway: '10.77.1.1', dnsServers: ['10.77.1.2'], dnsSuffix: 'lab.example' },
      },
      files: [
        {
          ...{ source: source('setup tool.exe'), destination: 'C:\\Install Files' },
          ...{ execute: true, arguments: '/quiet "a b" & 100%' },
        },
        { source: source('papers') },
      ],
      applications: [{ path: '%SystemRoot%\\notepad.exe' }],
      drivers: [{ source: source('drivers') }],
    };
    await writeFile(path, JSON.stringify(template));
    expect(await outside.countInFile(path, SECRETS)).toBe(release === '10' ? 3 : 2);
    await console.run(['template', 'import', path]);
    await rm(path);
  }

  /** As the report of the job lists them: what `deploy` prints leaves out those that are done. */
  async function reportedEdits(jobId: string): Promise<ReportComputer['edits']> {
    const report = reportSchema.parse(await console.json(['report', jobId]));
    return report.computers.flatMap(({ edits }) => edits);
  }

  const volumeOf = ({ name }: Computer) => disks.get(name)!.volumes.Windows!;
  const masterOf = ({ name }: Computer) => disks.get(name)!.masters.Windows!;

  /** All of its hives in files; gives the file of one. */
  async function hivesOf(computer: Computer): Promise<(path: string) => string> {
    const file = (path: string) => lab.path(`disks/${computer.name}${path.replaceAll('/', '-')}`);
    for (const path of HIVES) await writeFile(file(path), await outside.ntfsFile(volumeOf(computer), path));
    return file;
  }
});

const EVERYONE = '010100000000000100000000';
const SYSTEM_ACCOUNT = '010100000000000512000000';

/** A text of the local security authority as bytes, without its lengths. */
function policyText(text: string): string {
  return Buffer.from(text, 'utf16le')
    .toString('hex')
    .replaceAll(/..(?!$)/g, '$&,');
}

async function expectControlSet(hive: string, set: string, computer: Computer): Promise<void> {
  const { release, computerName, master } = computer;
  const { cards, known } = master.facts;
  const value = (key: string, name: string) => outside.valueByHivex(hive, `${set}\\${key}`, name);
  expect(await value('Control\\ComputerName\\ComputerName', 'ComputerName')).toBe(computerName.toUpperCase());
  const byReged = await outside.keyByReged(hive, `${set}\\Control\\ComputerName\\ComputerName`);
  expect(byReged).toContain(`"ComputerName"="${computerName.toUpperCase()}"`);
  const parameters = 'Services\\Tcpip\\Parameters';
  for (const name of ['Hostname', 'NV Hostname']) expect(await value(parameters, name)).toBe(computerName);
  for (const name of ['Domain', 'NV Domain']) expect(await value(parameters, name)).toBe('lab.example');
  expect(cards.length).toBeGreaterThan(0);
  for (const guid of cards) {
    const card = `${parameters}\\Interfaces\\${guid}`;
    const isKnown = guid === known?.guid;
    expect(await value(card, 'EnableDHCP')).toBe(isKnown ? '0' : '1');
    expect(await value(card, 'NameServer')).toBe('10.77.1.2');
    if (!isKnown) continue;
    expect(await value(card, 'IPAddress')).toBe('10.77.1.50');
    expect(await value(card, 'SubnetMask')).toBe('255.255.255.0');
    expect(await value(card, 'DefaultGateway')).toBe('10.77.1.1');
  }
  const driver = 'Services\\pvblock';
  expect([await value(driver, 'Start'), await value(driver, 'Type')]).toEqual(['0', '1']);
  expect(await value(driver, 'ImagePath')).toBe('System32\\drivers\\pvblock.sys');
  expect(await value(`Services\\${release === '7' ? 'msahci' : 'storahci'}`, 'Start')).toBe('0');
  if (release === '7') {
    expect(await value('Control\\CriticalDeviceDatabase\\PCI#VEN_1AF4&DEV_1001', 'Service')).toBe('pvblock');
  } else {
    const bound = 'DriverDatabase\\DeviceIds\\PCI\\VEN_1AF4&DEV_1001';
    expect(await outside.keyByReged(hive, bound)).toMatch(/"totaldeploy-pvblock-[0-9a-f]{8}\.inf"=/);
  }
}
