import { describe, expect, test } from 'vitest';
import { TdError } from '../../../lib/errors.ts';
import { type Template, templateSchema } from '../../../schema/template.ts';
import { expectScreen } from './testdata/page-driver.ts';
import { wizardConsole } from './testdata/wizard-console.ts';
import { called, driver, reach, start } from './testdata/wizard-driver.ts';

describe('by keyboard', () => {
  test('the whole wizard ends in a deployment with exactly the template that was entered', async () => {
    const console = wizardConsole();
    await start(console);
    expectScreen(driver.screen(), '01-targets');
    await driver.press('space', 'space', 'f5');
    expectScreen(driver.screen(), '01-start-options');
    await driver.press('tab', 'tab', 'tab', 'tab', 'space', 'escape');
    await driver.press('f8');
    await driver.press('down', 'down');
    expectScreen(driver.screen(), '02-image');
    await driver.press('enter');
    expectScreen(driver.screen(), '03-partitions');
    await driver.press('end', 'space', 'enter');
    await driver.press('down', 'down', 'space', 'tab');
    await driver.fill('samsung');
    expectScreen(driver.screen(), '04-target-disk');
    await driver.press('f8');
    await driver.press('a');
    await driver.fill('admin');
    await driver.press('tab', 'tab');
    await driver.fill('Secret 1');
    await driver.press('tab');
    await driver.fill('Secret 1');
    await driver.press('tab', 'up', 'up', 'space');
    expectScreen(driver.screen(), '05-user');
    await driver.press('f2');
    expectScreen(driver.screen(), '05-users');
    await driver.press('f8');
    await driver.press('down', 'space', 'tab');
    await driver.fill('LAB-{n:03}');
    await driver.press('tab');
    await driver.fill('7');
    await driver.press('tab', 'down', 'space', 'tab');
    await driver.fill('CLASS');
    expectScreen(driver.screen(), '06-names');
    await driver.press('f8');
    await driver.press('down', 'down', 'space', 'tab');
    await driver.fill('10.0.0.10');
    await driver.press('tab');
    await driver.fill('10.0.0.99');
    await driver.press('tab', 'tab');
    await driver.fill('10.0.0.1');
    await driver.press('tab');
    await driver.fill('10.0.0.2, 10.0.0.3');
    expectScreen(driver.screen(), '07-network');
    await driver.press('f8');
    expectScreen(driver.screen(), '08-sid');
    await driver.press('f8', 'a');
    await driver.fill('/srv/setup.exe');
    await driver.press('tab', 'tab', 'space', 'tab');
    await driver.fill('/quiet');
    await driver.press('f2');
    expectScreen(driver.screen(), '09-files');
    await driver.press('f8', 'a');
    await driver.fill('C:\\tools\\inventory.exe');
    await driver.press('f2');
    expectScreen(driver.screen(), '10-applications');
    await driver.press('f8', 'a');
    await driver.fill('/srv/drivers/raid');
    await driver.press('f2');
    expectScreen(driver.screen(), '11-drivers');
    await driver.press('f8', 'down', 'space');
    expectScreen(driver.screen(), '12-after');
    await driver.press('f8', 'space', 'tab');
    await driver.fill('Classroom 3');
    expectScreen(driver.screen(), '13-summary');
    await driver.press('f2');
    expectScreen(driver.screen(), '14-confirmation');
    await driver.fill('2');
    await driver.press('enter');
    expect(await driver.closed).toEqual({ jobId: 'job-1' });

    const template = {
      ...{ version: 1, name: 'Classroom 3', comment: '', image: 'office', imagePassword: '', disk: 0 },
      ...{ partitions: 'all', targetDisk: 'model=samsung,smallest', freeSpace: 'keep' },
      users: [{ name: 'admin', fullName: '', password: 'Secret 1', group: 'administrators' }],
      computerNames: { kind: 'pattern', pattern: 'LAB-{n:03}', first: 7 },
      membership: { kind: 'workgroup', name: 'CLASS' },
      network: {
        ...{ kind: 'static', first: '10.0.0.10', last: '10.0.0.99', prefixLength: 24, gateway: '10.0.0.1' },
        ...{ dnsServers: ['10.0.0.2', '10.0.0.3'], dnsSuffix: '' },
      },
      ...{ table: [], sid: 'new' },
      files: [{ source: '/srv/setup.exe', destination: '', execute: true, arguments: '/quiet' }],
      applications: [{ path: 'C:\\tools\\inventory.exe', arguments: '' }],
      drivers: [{ source: '/srv/drivers/raid' }],
      ...{ after: 'restart', offeredOnTargets: false },
      run: {
        ...{ waitFor: 0, waitSeconds: 600, wake: false, joinLate: true, allOrNothing: false },
        ...{ lostWaitSeconds: 90, rateMbit: 0 },
      },
    };
    expect(called(console, 'deploy')).toEqual([{ inline: template, targets: ['id-1', 'id-2'] }]);
    expect(called(console, 'template.save')).toEqual([{ template, replace: false }]);
    expect(templateSchema.parse(template)).toEqual(template);
  });

  test('defaults alone deploy the system partitions to the first disk and shut down', async () => {
    const console = wizardConsole();
    await reach(13, console);
    await driver.press('f2');
    await driver.fill('2');
    await driver.press('enter');
    await driver.closed;
    const [params] = called(console, 'deploy') as { inline: Template }[];
    expect(params?.inline).toMatchObject({
      ...{ image: 'office', partitions: [1, 2], targetDisk: 'first', sid: 'new', after: 'shutdown' },
    });
    expect(called(console, 'template.save')).toEqual([]);
  });

  test('going back and forward keeps what was entered', async () => {
    await reach(6);
    await driver.press('down', 'space', 'tab');
    await driver.fill('ROOM-{n}');
    const before = driver.screen();
    await driver.press('f7', 'f7', 'f7', 'f7', 'f7', 'f8', 'f8', 'f8', 'f8', 'f8');
    expect(driver.screen()).toBe(before);
  });
});

describe('what is wrong is said at its place', () => {
  test('no computer, no image', async () => {
    await start();
    await driver.press('f8');
    expect(driver.screen()).toContain('! choose at least one target computer');
    await driver.press('space', 'f8', 'f8');
    expect(driver.screen()).toContain('2 of 13  Master image selection');
    expect(driver.screen()).toContain('! choose a master image');
  });

  test('an image that cannot be deployed is not chosen, and says why', async () => {
    await reach(2);
    await driver.press('down', 'space');
    expect(driver.screen()).toContain('! Cannot open "/srv/images/library.sco": the file is truncated');
    await driver.press('f8');
    expect(driver.screen()).toContain('! choose a master image');
  });

  test('an image that cannot be read keeps the wizard on its page', async () => {
    const refuse = () => {
      throw new TdError('untrusted', 'Cannot open "office": the password is wrong; type it again');
    };
    await reach(3, wizardConsole({ answers: { 'image.details': refuse } }));
    expect(driver.screen()).toContain('2 of 13');
    expect(driver.screen()).toContain('! Cannot open "office": the password is wrong');
    await driver.press('tab');
    await driver.fill('swordfish');
    expect(driver.screen()).toContain('[*********');
  });

  test('a loader that is left out is warned of, and no partition at all is refused', async () => {
    await reach(3);
    await driver.press('home', 'space');
    expect(driver.screen()).toContain(
      '! Partition 1 system, active is left out: the operating system may not',
    );
    await driver.press('space', 'f8');
    expect(driver.screen()).toContain('3 of 13');
    expect(driver.screen()).toContain('! choose at least one partition');
  });

  test('one partition over an existing one is refused before anything starts', async () => {
    const console = wizardConsole();
    await reach(3, console);
    await driver.press('home', 'space', 'f8', 'backtab', 'backtab', 'down', 'space', 'tab');
    await driver.fill('2');
    expect(driver.screen()).toContain('not applied by this version');
    for (let i = 0; i < 9; i += 1) await driver.press('f8');
    await driver.press('f2');
    expect(driver.screen()).toContain('Cannot start: replacing one partition is not applied');
    expect(called(console, 'deploy')).toEqual([]);
  });

  test.each([
    [4, ['tab', 'tab', 'tab', 'big'], '! use a size such as 100G'],
    [6, ['down', 'space', 'tab', 'LAB {n}'], '! use letters, digits, dashes'],
    [6, ['down', 'space', 'tab', 'LAB'], '! all would have the same name'],
    [6, ['tab', 'down', 'down', 'space', 'tab', 'bad name'], '! use a DNS name'],
    [7, ['down', 'down', 'space', 'tab', '10.0.0.300'], '! use an IPv4 address'],
    [7, ['down', 'down', 'space', 'tab', 'tab', 'tab', '255.0.255.0'], '! use a subnet mask'],
  ])('on page %i after %j', async (page, keys, problem) => {
    await reach(page);
    for (const key of keys) {
      if (/^(tab|down|space)$/.test(key)) await driver.press(key);
      else await driver.fill(key);
    }
    expect(driver.screen()).toContain(problem);
    await driver.press('f8');
    expect(driver.screen()).toContain(`${page} of 13`);
  });

  test('in the dialog of a user: the name, and passwords that differ', async () => {
    await reach(5);
    await driver.press('a', 'f2');
    expect(driver.screen()).toContain('! use up to 20 characters');
    await driver.fill('admin');
    await driver.press('tab', 'tab');
    await driver.fill('one');
    await driver.press('tab');
    await driver.fill('two');
    expect(driver.screen()).toContain('! the two passwords differ');
    expect(driver.screen()).toMatch(/Password again {2}\[\*\*\*_/);
    await driver.press('f2');
    expect(driver.screen()).toContain('Add a user account');
  });

  test('a table that cannot be read leaves the page as it was', async () => {
    const refuse = () => {
      throw new TdError('invalid', 'Cannot read the table "/a.csv": line 2: no MAC address');
    };
    const folder = {
      path: '/',
      freeBytes: 1,
      writable: true,
      entries: [{ name: 'a.csv', kind: 'file', sizeBytes: 1, changedAt: '' }],
    };
    await reach(6, wizardConsole({ answers: { browse: () => folder, 'template.table': refuse } }));
    await driver.press('down', 'down', 'space', 'tab', 'tab', 'enter', 'enter');
    expect(driver.screen()).toContain('line 2: no MAC address');
  });
});

describe('the summary', () => {
  test('scrolls when the plan is longer than the page', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ label: `Row ${i}`, value: 'x' }));
    const plan = () => ({ rows, notApplied: ['the password of the image'], warnings: ['it is old'] });
    await reach(13, wizardConsole({ answers: { plan } }));
    expect(driver.screen()).toContain('Row 0');
    expect(driver.screen()).toMatch(/▼ \d+ more lines/);
    await driver.press('pagedown', 'pagedown', 'pagedown', 'pagedown');
    expect(driver.screen()).toContain('not applied by this version: the password of the image');
    expect(driver.screen()).toContain('! it is old');
    expect(driver.screen()).not.toContain('more lines');
  });

  test('neither saves nor starts under a name that no template may have', async () => {
    const console = wizardConsole();
    await reach(13, console);
    await driver.press('space', 'tab');
    await driver.fill('a/b');
    expect(driver.screen()).toContain('! use letters, digits, space, dot, dash and underscore');
    await driver.press('f2', 'f3');
    expect(driver.screen()).toContain('13 of 13');
    expect(called(console, 'deploy')).toEqual([]);
    expect(called(console, 'template.save')).toEqual([]);
  });

  test('asks before it replaces another template', async () => {
    const list = () => [{ name: 'lab', image: '', comment: '', changedAt: '', problems: [] }];
    const console = wizardConsole({ answers: { 'template.list': list } });
    await reach(13, console);
    await driver.press('space', 'tab');
    await driver.fill('Lab');
    await driver.press('f3', 'n');
    expect(called(console, 'template.save')).toEqual([]);
    await driver.press('f3', 'y');
    expect(called(console, 'template.save')).toMatchObject([{ replace: true }]);
    expect(await driver.closed).toEqual({ saved: 'Lab' });
  });

  test('shows what refuses the plan and does not start', async () => {
    const problems = ['partition 9 is not in the image; it has 1, 2'];
    const plan = () => ({ rows: [], notApplied: [], warnings: [], problems });
    const console = wizardConsole({ answers: { plan } });
    await reach(13, console);
    await driver.press('f2');
    expect(driver.screen()).toContain('Cannot start: partition 9 is not in the image');
    expect(called(console, 'deploy')).toEqual([]);
  });
});

describe('every page', () => {
  test('fits 80 columns with its keys, and has help', async () => {
    await reach(3);
    await driver.press('f7', 'f7');
    for (let page = 1; page <= 13; page += 1) {
      const screen = driver.screen();
      expect(screen).toContain(`${page} of 13`);
      expect(screen.split('\n').at(-1)).toMatch(/^ F1 Help .*Esc Cancel$/);
      await driver.press('f1');
      expect(driver.screen()).toContain('Help');
      await driver.press('escape', 'f8');
    }
  });

  test('can be left while a share does not answer', async () => {
    await reach(3, wizardConsole({ answers: { 'image.details': () => new Promise(() => {}) } }));
    expect(driver.screen()).toContain('One moment');
    await driver.press('escape', 'y');
    expect(await driver.closed).toBeUndefined();
  });

  test('leaves at once when nothing was entered, or what was chosen is not any more', async () => {
    await start();
    await driver.press('escape');
    expect(await driver.closed).toBeUndefined();
    await start();
    await driver.press('space', 'space', 'up', 'up', 'space', 'space', 'escape');
    expect(await driver.closed).toBeUndefined();
  });

  test('leaves a template at once that was only looked at, and asks once it was changed', async () => {
    const office = { version: 1, name: 'lab', image: 'office', partitions: [1, 2], targetDisk: 'first' };
    const template = templateSchema.parse(office);
    const lookThrough = async () => {
      await start(wizardConsole(), template);
      for (let page = 1; page < 13; page += 1) await driver.press('f8');
      expect(driver.screen()).toContain('13 of 13');
    };
    await lookThrough();
    await driver.press('escape');
    expect(await driver.closed).toBeUndefined();
    await lookThrough();
    await driver.press('f7', 'down', 'space', 'escape');
    expect(driver.screen()).toContain('What was entered is lost');
    await driver.press('y');
    expect(await driver.closed).toBeUndefined();
  });

  test('asks before what was entered is lost', async () => {
    await reach(3);
    await driver.press('escape', 'n');
    expect(driver.screen()).toContain('3 of 13');
    await driver.press('escape', 'y');
    expect(await driver.closed).toBeUndefined();
  });
});

describe('computers that come and go', () => {
  test('one that vanishes while it is chosen stays listed and is named before the start', async () => {
    const console = wizardConsole();
    await reach(2, console);
    console.computers = console.computers.slice(1);
    await driver.press('f7');
    expect(driver.screen()).toMatch(/LAB-001 .* gone/);
    await driver.press('f8', 'down', 'down', 'space', 'f8');
    for (let i = 0; i < 10; i += 1) await driver.press('f8');
    await driver.press('f2');
    expect(driver.screen()).toContain('Not connected now: LAB-001.');
    await driver.press('escape');
    expect(called(console, 'deploy')).toEqual([]);
  });

  test('one that is switched off is added from those that are known, woken and waited for', async () => {
    const console = wizardConsole();
    await start(console);
    await driver.press('space', 'f6');
    expectScreen(driver.screen(), '01-known');
    await driver.press('down', 'space', 'f2');
    expect(driver.screen()).toMatch(/\[x\] LAB-032 .* off/);
    expect(driver.screen()).toContain('1 chosen computer off; F5 can wake them');
    expect(driver.screen()).toContain('Starts when 2 computers are connected, or after 10 min');
    await driver.press('f5', 'tab', 'tab', 'tab', 'space', 'escape');
    expect(driver.screen()).not.toContain('F5 can wake them');
    expect(driver.screen()).toContain('wakes them first');
    await driver.press('f8', 'down', 'down', 'space', 'f8');
    for (let i = 0; i < 10; i += 1) await driver.press('f8');
    await driver.press('f2');
    expect(driver.screen()).toContain('Not connected now: LAB-032. The deployment wakes them and waits');
    await driver.fill('2');
    await driver.press('enter');
    expect(called(console, 'deploy')).toMatchObject([
      { targets: ['id-1', 'id-32'], inline: { run: { wake: true } } },
    ]);
  });

  test('a busy one cannot be chosen', async () => {
    const console = wizardConsole();
    console.computers = console.computers.map((one, i) => (i === 0 ? { ...one, jobId: 'other' } : one));
    await start(console);
    await driver.press('space');
    expect(driver.screen()).toContain('LAB-001 is busy with another job');
    await driver.press('a');
    expect(driver.screen()).toContain('4 of 5 computers chosen');
  });

  test('the number typed has to be that of the computers', async () => {
    const console = wizardConsole();
    await reach(13, console);
    await driver.press('f2');
    await driver.fill('3');
    await driver.press('enter');
    expect(driver.screen()).toContain('! that is not 2');
    expect(called(console, 'deploy')).toEqual([]);
  });

  test('more computers than were confirmed are asked for again', async () => {
    const console = wizardConsole({ computers: 2 });
    await start(console);
    await driver.press('f5', 'down', 'space', 'escape', 'f8', 'down', 'down', 'space', 'f8');
    for (let i = 0; i < 10; i += 1) await driver.press('f8');
    await driver.press('f2');
    expect(driver.screen()).toContain('This overwrites 2 disks');
    console.computers = wizardConsole({ computers: 4 }).computers;
    await driver.fill('2');
    await driver.press('enter');
    expect(called(console, 'deploy')).toEqual([]);
    await driver.press('enter');
    expect(driver.screen()).toContain('This overwrites 4 disks');
    await driver.fill('4');
    await driver.press('enter');
    expect(called(console, 'deploy')).toMatchObject([{ targets: 'all' }]);
  });

  test('a console that is lost says so and loses nothing', async () => {
    const console = wizardConsole();
    await reach(13, console);
    const { call } = console;
    console.call = async () => {
      throw new TdError('network', 'Cannot reach the console: it does not answer');
    };
    await driver.press('f2');
    expect(driver.screen()).toContain('Cannot reach the console');
    console.call = call;
    await driver.press('enter', 'f2');
    expect(driver.screen()).toContain('This overwrites 2 disks');
  });
});
