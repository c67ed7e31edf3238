import { afterEach, describe, expect, test } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { type Template, templateSchema } from '../../schema/template.ts';
import type { TemplateEntry } from '../console-api.ts';
import { TemplatesPage } from './template-deployment.ts';
import type { FakeConsole, FakeConsoleOptions } from './testdata/fake-console.ts';
import { expectScreen, PageDriver } from './wizard/testdata/page-driver.ts';
import { wizardConsole } from './wizard/testdata/wizard-console.ts';

const CLASSROOM = templateSchema.parse({
  ...{ version: 1, name: 'Classroom', comment: 'room 3', image: 'office', targetDisk: 'first' },
  membership: {
    ...{ kind: 'domain', name: 'lab.example.org', user: 'join' },
    password: { sealed: 'AAAA', console: 'a'.repeat(64) },
  },
});

function entry(template: Template, problems: string[] = []): TemplateEntry {
  const { name, image, comment, offeredOnTargets } = template;
  return { name, image, comment, offeredOnTargets, problems, changedAt: '2026-03-01T10:00:00.000Z' };
}

const BROKEN = entry({ ...CLASSROOM, name: 'Library' }, [
  'users.0.name: must not be empty',
  'image: is missing',
]);

let driver: PageDriver<string>;

async function open(options: FakeConsoleOptions = {}): Promise<FakeConsole> {
  const templates = new Map([['Classroom', CLASSROOM]]);
  const console = wizardConsole({
    computers: 3,
    ...options,
    answers: {
      'template.list': () => [...[...templates.values()].map((one) => entry(one)), BROKEN],
      'template.get': ({ name }) => templates.get(name) ?? { ...CLASSROOM, name },
      'template.save': ({ template }) => {
        templates.set(template.name, templateSchema.parse(template));
        return { path: '' };
      },
      'template.delete': ({ name }) => void templates.delete(name),
      ...options.answers,
    },
  });
  driver = new PageDriver(new TemplatesPage(console));
  await driver.settle();
  return console;
}

afterEach(() => driver.leave());

function called(console: FakeConsole, name: string): object[] {
  return console.calls.filter((call) => call.name === name).map(({ params }) => params);
}

describe('template deployment', () => {
  test('lists templates with their problems', async () => {
    await open();
    expectScreen(driver.screen(), '20-templates');
    await driver.press('down');
    expect(driver.screen()).toContain('! users.0.name: must not be empty');
    expect(driver.screen()).toContain('! image: is missing');
    await driver.press('enter');
    expect(driver.screen()).toContain('Cannot deploy template "Library"');
  });

  test('starts a template on all connected computers after their number was typed', async () => {
    const console = await open();
    await driver.press('enter');
    expectScreen(driver.screen(), '21-template-summary');
    await driver.press('f2');
    expect(driver.screen()).toContain('This overwrites 3 disks, one in each of 3 computers.');
    expect(driver.screen()).toContain('LAB-001, LAB-002, LAB-003');
    await driver.press('enter');
    expect(called(console, 'deploy')).toEqual([]);
    await driver.fill('3');
    await driver.press('enter');
    expect(await driver.closed).toBe('job-1');
    expect(called(console, 'deploy')).toEqual([{ template: 'Classroom', targets: 'all' }]);
  });

  test('asks for the password for the domain that the template leaves out', async () => {
    const asks = { user: 'join', domain: 'lab.example.org' };
    const console = await open({
      computers: 1,
      answers: { plan: () => ({ rows: [], notApplied: [], warnings: [], asks }) },
    });
    await driver.press('enter', 'f2');
    expect(driver.screen()).toContain('Password of join');
    await driver.press('f2');
    expect(driver.screen()).toContain('! type the password');
    await driver.fill('Hush-Secret');
    expect(driver.screen()).not.toContain('Hush-Secret');
    await driver.press('f2', 'y');
    expect(called(console, 'deploy')).toEqual([
      { template: 'Classroom', targets: 'all', domainPassword: 'Hush-Secret' },
    ]);
    driver.leave();
    const left = await open({
      answers: { plan: () => ({ rows: [], notApplied: [], warnings: [], asks }) },
    });
    await driver.press('enter', 'f2', 'escape');
    expect(called(left, 'deploy')).toEqual([]);
  });

  test('does not start without computers, nor when the plan has a problem', async () => {
    const console = await open({ computers: 0 });
    await driver.press('enter', 'f2');
    expect(driver.screen()).toContain('Cannot start: no target computer is connected');
    expect(called(console, 'deploy')).toEqual([]);
    driver.leave();
    const problems = ['replacing one partition is not in this version'];
    const refused = await open({
      answers: { plan: () => ({ rows: [], notApplied: [], warnings: [], problems }) },
    });
    await driver.press('enter', 'f2');
    expect(driver.screen()).toContain('Cannot start: replacing one partition is not in this version');
    expect(called(refused, 'deploy')).toEqual([]);
  });

  test('edits one in the wizard, filled in, and keeps its sealed password', async () => {
    const console = await open();
    await driver.press('e');
    expect(driver.screen()).toContain('All computers that are connected at the start (now 3)');
    for (let i = 0; i < 5; i += 1) await driver.press('f8');
    expect(driver.screen()).toContain('lab.example.org');
    for (let i = 0; i < 6; i += 1) await driver.press('f8');
    await driver.press('down', 'space', 'f8', 'f3');
    expect(driver.screen()).toContain('Template deployment');
    expect(called(console, 'template.save')).toEqual([
      { template: { ...CLASSROOM, after: 'restart' }, replace: true },
    ]);
  });

  test('copies one under a free name, not offered', async () => {
    const console = await open();
    await driver.press('o', 'c');
    await driver.fill('library');
    await driver.press('f2');
    expect(driver.screen()).toContain('! there is a template of that name');
    await driver.fill('Lab 2');
    await driver.press('f2');
    const [, copy] = called(console, 'template.save');
    expect(copy).toEqual({ template: { ...CLASSROOM, name: 'Lab 2', offeredOnTargets: false } });
    expect(driver.screen()).toContain('Lab 2');
  });

  test('offers one on targets and takes it back', async () => {
    await open();
    await driver.press('o');
    expect(driver.screen()).toMatch(/Classroom .*\[x\]/);
    await driver.press('o');
    expect(driver.screen()).not.toContain('[x]');
  });

  test('deletes one only after asking', async () => {
    const console = await open();
    await driver.press('d', 'n');
    expect(called(console, 'template.delete')).toEqual([]);
    await driver.press('d', 'y');
    expect(called(console, 'template.delete')).toEqual([{ name: 'Classroom' }]);
    expect(driver.screen()).not.toContain('Classroom');
  });

  test('says why the folder cannot be read', async () => {
    const refuse = () => {
      throw new TdError('not-found', 'Cannot list the templates in "/x": there is no such folder');
    };
    await open({ answers: { 'template.list': refuse } });
    expect(driver.screen()).toContain('! Cannot list the templates in "/x": there is no such folder');
  });
});
