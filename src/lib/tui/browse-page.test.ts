import { describe, expect, it } from 'vitest';
import { BrowsePage } from './browse-page.ts';
import type { PageHost } from './page.ts';

const places = [
  { name: 'disk', path: '/run/disk' },
  { name: 'share', path: '/run/share' },
];

describe('BrowsePage', () => {
  it('goes from storage to storage with F3 and says where it is', async () => {
    const page = new BrowsePage({
      title: 'Choose a folder',
      helpTopic: 'x',
      path: '/',
      choose: 'folder',
      list: async (path) => ({ path, freeBytes: 5e9, writable: true, entries: [], places }),
    });
    const host = { refresh: () => {} } as PageHost<string>;
    const press = async (name: string) => {
      page.onKey({ name, text: '', ctrl: false, shift: false }, host);
      await Promise.resolve();
      return JSON.stringify(page.render({ columns: 80, rows: 20 }));
    };
    page.onShown(host);
    await Promise.resolve();
    expect(page.keys()).toContainEqual({ key: 'F3', label: 'Next storage' });
    expect(await press('f3')).toContain('5.0 GB free in storage disk');
    expect(await press('f3')).toContain('/run/share');
    expect(await press('f3')).toContain('/run/disk');
    void press('f3');
    expect(await press('f3')).toContain('/run/disk');
  });
});
