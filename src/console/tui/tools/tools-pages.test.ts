import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { TdError } from '../../../lib/errors.ts';
import type { KeyPress, Line, Page, PageHost, PageKey } from '../../../lib/tui/page.ts';
import { expectGolden } from '../../../lib/tui/testdata/golden-screen.ts';
import type { ConsoleSettings, StoragePlace, UsbStick } from '../../console-api.ts';
import type { ImageEntry } from '../../image-library.ts';
import type { ConsoleEvent } from '../../store.ts';
import { FakeConsole, type FakeConsoleOptions } from '../testdata/fake-console.ts';
import { PageDriver } from '../wizard/testdata/page-driver.ts';
import { TOOLS_HELP } from './tools-help.ts';
import { toolEntries } from './tools-menu.ts';

const SETTINGS: ConsoleSettings = {
  ...{ templatesDir: '/srv/templates', interface: '', address: '', customPin: '', pinSet: true },
  web: { enabled: false, port: 5080, passwordSet: false },
  interfaces: [{ name: 'eth0', address: '192.168.10.1' }],
  canSetAddress: true,
};

const STICKS: UsbStick[] = [
  {
    ...{ device: '/dev/sdb', model: 'SanDisk Ultra', serial: '4C530001', sizeBytes: 16_008_609_792 },
    contents: ['1: 16.0 GB fat32 "HOLIDAY"'],
  },
  { device: '/dev/sdc', model: '', serial: '', sizeBytes: 8e9, contents: ['nothing that is known'] },
];

const PLACES: StoragePlace[] = [
  {
    ...{ id: 'images', kind: 'folder', source: '/srv/images', user: '', path: '/srv/images', writable: true },
    ...{ freeBytes: 412e9, totalBytes: 1e12, isDefault: true, problem: '' },
  },
  {
    ...{ id: 'archive', kind: 'smb', source: '//nas/archive', user: 'ann', path: '', writable: false },
    ...{ freeBytes: 0, totalBytes: 0, isDefault: false },
    problem:
      'Cannot use "//nas/archive": the server does not answer; check that it runs and that the network reaches it',
  },
];

function image(name: string, problem = ''): ImageEntry {
  return {
    ...{ name, path: `/srv/images/${name}.sco`, fileBytes: problem === '' ? 21e9 : 0, problem, comment: '' },
    ...{
      createdAt: '2026-03-01T14:00:00.000Z',
      diskBytes: 512e9,
      usedBytes: 42e9,
      storedBytes: 21e9,
      root: '',
    },
  };
}

function event(id: number, level: ConsoleEvent['level'], text: string): ConsoleEvent {
  const at = `2026-03-02T08:15:${String(id).padStart(2, '0')}.000Z`;
  return {
    ...{ id, at, level, text, kind: 'x', computerId: null, details: null },
    jobId: '20260302-081500-a1b2',
  };
}

const ANSWERS: NonNullable<FakeConsoleOptions['answers']> = {
  settings: () => SETTINGS,
  'settings.change': (change) => ({ ...SETTINGS, ...change, web: { ...SETTINGS.web, ...change.web } }),
  'usb.sticks': () => STICKS,
  'storage.list': () => PLACES,
  'storage.default': () => null,
  'storage.remove': () => null,
  images: () => [image('office-2026'), image('broken', 'it is no TotalDeploy image')],
  'image.details': () => ({ encrypted: false }),
  'image.check': () => ({
    ok: false,
    summary: '"office-2026" is damaged: 1 chunk',
    problems: ['Chunk 7: partition 2'],
  }),
  export: ({ dest }) => ({ path: dest, sizeBytes: 118e6 }),
  log: ({ afterId = 0 }) =>
    [event(1, 'info', 'console started'), event(2, 'warn', 'slow computer')].filter(({ id }) => id > afterId),
  'log.save': () => ({ lines: 2 }),
  licences: () => ({
    ...{ enforced: true, holder: 'Example School', substitute: 'ask' },
    ...{ server: { bought: 1, used: 0 }, workstation: { bought: 30, used: 1 } },
    computers: [{ computerId: 'id-1', name: 'LAB-001', kind: 'workstation', since: '2026-03-01T00:00:00Z' }],
  }),
  'licences.substitute': () => ({
    ...{ enforced: false, holder: '', substitute: 'auto', computers: [] },
    ...{ server: { bought: 0, used: 0 }, workstation: { bought: 0, used: 0 } },
  }),
  browse: ({ path }) => ({
    ...{ path, freeBytes: 4e9, writable: true },
    entries:
      path === '/usb'
        ? []
        : [{ name: 'usb', kind: 'folder', sizeBytes: 0, changedAt: '2026-03-01T00:00:00Z' }],
  }),
};

let driver: PageDriver<unknown>;
let api: FakeConsole;

/** A page below that opens the tool, as the menu does. */
class MenuStandIn implements Page {
  readonly title = '';
  readonly helpTopic = '';
  readonly #label: string;
  constructor(label: string) {
    this.#label = label;
  }
  onShown(host: PageHost): void {
    if (this.#opened) return;
    this.#opened = true;
    const entry = toolEntries(api).find(({ label }) => label === this.#label);
    void entry!.open(host);
  }
  #opened = false;
  render(): Line[] {
    return ['the menu'];
  }
  keys(): readonly PageKey[] {
    return [];
  }
  onKey(_key: KeyPress): void {}
}

async function open(label: string, answers: typeof ANSWERS = {}): Promise<void> {
  api = new FakeConsole({ answers: { ...ANSWERS, ...answers } });
  driver = new PageDriver(new MenuStandIn(label), TOOLS_HELP);
  await driver.settle();
  await setImmediate();
}

afterEach(() => driver?.leave());

const golden = (name: string) =>
  expectGolden(new URL(`./testdata/screens/${name}.txt`, import.meta.url), driver.screen());
const called = (name: string) => api.calls.filter((call) => call.name === name).map(({ params }) => params);

describe('the tools', () => {
  test('stand in the order of the guide, each with its help', () => {
    const entries = toolEntries(new FakeConsole());
    expect(entries.map(({ label }) => label)).toEqual([
      ...[
        'Export Backup Agent',
        'Export PXE Files',
        'Export client Agent',
        'Export console',
        'Make USB stick',
      ],
      ...[
        'Check image',
        'View log',
        'Set template path',
        'Image storage',
        'PXE server',
        'Licences',
        'Web page',
      ],
      ...['Network of this console', 'PIN at targets'],
    ]);
    for (const { helpTopic } of entries) expect(TOOLS_HELP[helpTopic]).toMatch(/^# /);
  });

  test.each([
    ['Export PXE Files', 'export-pxe'],
    ['Export Backup Agent', 'export-backup'],
    ['Make USB stick', 'usb-sticks'],
    ['Check image', 'check-image'],
    ['View log', 'log'],
    ['Set template path', 'template-path'],
    ['Image storage', 'image-storage'],
    ['PXE server', 'pxe-server'],
    ['Licences', 'licences'],
    ['Web page', 'web-page'],
    ['Network of this console', 'console-network'],
    ['PIN at targets', 'pin'],
  ])('%s looks like its golden screen and goes back with Esc', async (label, name) => {
    await open(label);
    golden(name);
    await driver.press('escape');
    expect(driver.screen()).toContain('the menu');
  });
});

describe('export', () => {
  test('writes where the person says and shows what to do with it', async () => {
    await open('Export client Agent');
    await driver.fill('agent.iso');
    await driver.press('f2');
    expect(driver.screen()).toContain('! give the whole path');
    expect(called('export')).toEqual([]);
    await driver.press('f4');
    await driver.press('enter', 'f2');
    await driver.fill('/usb/agent.iso');
    await driver.press('f2');
    golden('export-done');
    expect(called('export')).toEqual([
      { kind: 'agent-iso', dest: '/usb/agent.iso', mode: 'agent', timeoutSeconds: 10 },
    ]);
    await driver.press('enter');
    expect(driver.screen()).toContain('the menu');
  });

  test('shows why it failed and keeps what was entered', async () => {
    await open('Export console', {
      export: () => {
        throw new TdError('no-space', 'Cannot write "/srv/images/console.iso": the disk is full; make room');
      },
    });
    await driver.press('f2');
    expect(driver.screen()).toContain('the disk is full');
    await driver.press('enter');
    expect(driver.screen()).toContain('/srv/images/console.iso');
  });

  test('writes a stick only after its size was typed', async () => {
    await open('Make USB stick');
    await driver.press('enter');
    expect(driver.screen()).toMatch(/Serial number +4C530001/);
    await driver.press('f2');
    golden('usb-confirm');
    await driver.press('8', 'enter');
    expect(called('export')).toEqual([]);
    await driver.press('escape', 'f2');
    await driver.fill('16.0 GB');
    await driver.press('enter');
    expect(called('export')).toMatchObject([{ kind: 'usb', dest: '/dev/sdb', confirmBytes: 16_008_609_792 }]);
    expect(driver.screen()).toContain('Done');
  });

  test('says what to do when there is no stick', async () => {
    await open('Make USB stick', { 'usb.sticks': () => [] });
    expect(driver.screen()).toContain('Plug one in');
    await driver.press('enter', 'f4');
    expect(driver.screen()).toContain('/srv/images/stick.img');
  });
});

describe('check image', () => {
  test('shows the damage of an image that was checked', async () => {
    await open('Check image');
    await driver.press('enter');
    golden('check-result');
    expect(called('image.check')).toEqual([{ image: 'office-2026', quick: false }]);
  });

  test('asks for the password of an encrypted image', async () => {
    await open('Check image', { 'image.details': () => ({ encrypted: true }) });
    await driver.press('f3');
    await driver.fill('secret');
    expect(driver.screen()).not.toContain('secret');
    await driver.press('enter');
    expect(called('image.check')).toEqual([{ image: 'office-2026', quick: true, password: 'secret' }]);
  });

  test('says why an image cannot be opened', async () => {
    await open('Check image', {
      'image.details': () => {
        throw new TdError('invalid', 'Cannot open "broken": it is no TotalDeploy image');
      },
    });
    await driver.press('down');
    expect(driver.screen()).toContain('! it is no TotalDeploy image');
    await driver.press('enter');
    expect(driver.screen()).toContain('That did not work');
  });
});

describe('log', () => {
  test('filters by job, computer, text and level, and saves what is left', async () => {
    await open('View log');
    await driver.press('f3', 'down', 'enter');
    await driver.press('f4', 'down', 'enter');
    await driver.press('f5');
    await driver.fill('slow');
    await driver.press('enter', 'f6');
    const filter = { jobId: '20260302-081500-a1', computer: 'LAB-001', text: 'slow', level: 'warn' };
    expect(called('log').at(-1)).toMatchObject(filter);
    golden('log-filtered');
    await driver.press('f2', 'f2');
    expect(called('log.save')).toEqual([{ ...filter, path: '/srv/images/totaldeploy-log.txt' }]);
    expect(driver.screen()).toContain('2 lines are in');
  });

  test('shows a line in full and what is wrong when the console does not answer', async () => {
    await open('View log');
    await driver.press('enter');
    expect(driver.screen()).toContain('Level: warn');
    driver.leave();
    await open('View log', {
      log: () => {
        throw new TdError('network', 'The console went away');
      },
    });
    expect(driver.screen()).toContain('! The console went away');
  });
});

describe('storage', () => {
  test('shows why a place is down, chooses where images go and forgets places after a question', async () => {
    await open('Image storage');
    await driver.press('down');
    expect(driver.screen()).toContain('! Cannot use "//nas/archive": the server does not answer');
    await driver.press('f6');
    expect(called('storage.default')).toEqual([{ id: 'archive' }]);
    await driver.press('delete');
    expect(called('storage.remove')).toEqual([]);
    await driver.press('y');
    expect(called('storage.remove')).toEqual([{ id: 'archive' }]);
  });

  test('adds a share, and says at once why it cannot be used', async () => {
    await open('Image storage', {
      'storage.add': () => {
        throw new TdError('refused', 'Cannot use "//nas/x": the server refuses the user or the password');
      },
    });
    await driver.press('f5', 'tab');
    await driver.fill('//nas/x');
    await driver.press('f2');
    expect(called('storage.add')).toEqual([{ kind: 'smb', source: '//nas/x' }]);
    expect(driver.screen()).toContain('refuses the user');
  });
});

describe('settings', () => {
  test('are changed by their pages, and nothing else with them', async () => {
    await open('Set template path');
    await driver.fill('/srv/lab');
    await driver.press('f2');
    expect(called('settings.change')).toEqual([{ templatesDir: '/srv/lab' }]);
    driver.leave();
    await open('Web page');
    await driver.press('space', 'tab', 'tab');
    await driver.fill('short');
    await driver.press('f2');
    expect(driver.screen()).toContain('! at least 8 characters');
    await driver.fill('long enough');
    await driver.press('f2');
    expect(called('settings.change')).toEqual([
      { web: { enabled: true, port: 5080, password: 'long enough' } },
    ]);
    expect(driver.screen()).toContain('https://192.168.10.1:5080/');
    driver.leave();
    await open('PIN at targets');
    await driver.fill('12a');
    await driver.press('f2');
    expect(driver.screen()).toContain('! 4 to 12 digits');
    await driver.fill('4711');
    await driver.press('f2');
    expect(called('settings.change')).toEqual([{ customPin: '4711' }]);
  });

  test('of the network say when they count, and refuse what is no address', async () => {
    await open('Network of this console');
    await driver.press('down', 'space', 'tab', 'down', 'down', 'space', 'tab');
    await driver.fill('10.0.0.5');
    await driver.press('f2');
    expect(driver.screen()).toContain('! e.g. 10.0.0.5/24');
    await driver.fill('10.0.0.5/24,10.0.0.1');
    await driver.press('f2');
    expect(called('settings.change')).toEqual([{ interface: 'eth0', address: '10.0.0.5/24,10.0.0.1' }]);
    driver.leave();
    await open('Network of this console', { settings: () => ({ ...SETTINGS, canSetAddress: false }) });
    expect(driver.screen()).toMatch(/own network is set\s+up/);
    expect(driver.screen()).not.toContain('Static');
  });
});
