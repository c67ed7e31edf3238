import { describe, expect, test, vi } from 'vitest';
import { expectScreen } from './testdata/page-driver.ts';
import { wizardConsole } from './testdata/wizard-console.ts';
import { called, driver, reach } from './testdata/wizard-driver.ts';

const FILE = { name: 'names.csv', kind: 'file', sizeBytes: 1, changedAt: '' };

describe('lists and shares', () => {
  test('a table comes from a CSV file, with names of the chosen computers to fill in', async () => {
    const rows = [{ mac: '52:54:00:00:00:01', name: 'A1', address: '10.0.0.5', prefixLength: 24 }];
    const folder = { path: '/srv', freeBytes: 1, writable: true, entries: [FILE] };
    const console = wizardConsole({ answers: { browse: () => folder, 'template.table': () => rows } });
    await reach(6, console);
    await driver.press('down', 'down', 'space', 'f8');
    expect(driver.screen()).toContain('! the table has no names');
    await driver.press('tab', 'tab', 'enter', 'enter');
    expect(called(console, 'template.table')).toEqual([{ path: '/srv/names.csv' }]);
    await driver.press('enter', 'right', 'enter');
    expectScreen(driver.screen(), '06-table');
    await driver.press('up', 'down', 'enter');
    expect(driver.screen()).toContain('Edit 52:54:00:00:00:02');
    await driver.press('tab');
    await driver.fill('bad name');
    expect(driver.screen()).toContain('! use up to 15 letters');
    await driver.fill('A2');
    await driver.press('f2', 'f8', 'down', 'down', 'down', 'space', 'tab');
    expect(driver.screen()).toContain('52:54:00:00:00:02  A2');
    expect(driver.screen()).toContain('7 of 13');
  });

  test('a share is added with user name and password, and its images appear', async () => {
    const console = wizardConsole({ answers: { 'storage.add': () => ({ id: 's1' }) } });
    await reach(2, console);
    await driver.press('f5', 'f2');
    expect(driver.screen()).toContain('! e.g. //server/share');
    await driver.fill('//server/images');
    await driver.press('tab');
    await driver.fill('backup');
    await driver.press('tab');
    await driver.fill('secret');
    expectScreen(driver.screen(), '02-share');
    await driver.press('f2');
    expect(called(console, 'storage.add')).toEqual([
      { kind: 'smb', source: '//server/images', user: 'backup', password: 'secret' },
    ]);
    expect(driver.screen()).toContain('2 of 13');
    expect(called(console, 'images')).toHaveLength(3);
  });

  test('a USB disk is chosen from those that are plugged in', async () => {
    const device = { device: '/dev/sdb1', kind: 'ext4', label: 'IMAGES', sizeBytes: 500e9, disk: 'Elements' };
    const console = wizardConsole({
      answers: { 'storage.devices': () => [device], 'storage.add': () => ({ id: 'IMAGES' }) },
    });
    await reach(2, console);
    await driver.press('f5', 'down', 'down', 'space');
    await vi.waitFor(() => expect(driver.screen()).toContain('/dev/sdb1'), 5000);
    expect(driver.screen()).toContain('IMAGES, ext4, 500 GB, on Elements');
    await driver.press('tab', 'space', 'f2');
    expect(called(console, 'storage.add')).toEqual([{ kind: 'usb', source: '/dev/sdb1' }]);
  });

  test('an image file is chosen by browsing', async () => {
    const entries = [{ ...FILE, name: 'old.sco' }];
    const folder = { path: '/mnt/usb', freeBytes: 1, writable: true, entries };
    const console = wizardConsole({ answers: { browse: () => folder } });
    await reach(2, console);
    await driver.press('f4', 'enter');
    expect(driver.screen()).toContain('/mnt/usb/old.sco  (not in the list)');
    await driver.press('f8');
    expect(called(console, 'image.details')).toEqual([{ image: '/mnt/usb/old.sco' }]);
  });

  test('another disk of the image has its own suggestion, and the first one keeps its choice', async () => {
    await reach(3);
    await driver.press('end', 'space', 'right');
    expect(driver.screen()).toContain('1 of 1 partition');
    await driver.press('left');
    expect(driver.screen()).toContain('3 of 3 partitions');
  });

  test('users are edited and deleted', async () => {
    await reach(5);
    await driver.press('a');
    await driver.fill('admin');
    await driver.press('f2', 'e');
    await driver.fill('root');
    await driver.press('f2');
    expect(driver.screen()).toContain('root - Users');
    await driver.press('d');
    expect(driver.screen()).toContain('no accounts are added');
  });
});
