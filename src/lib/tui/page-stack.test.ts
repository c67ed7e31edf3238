import { describe, expect, it } from 'vitest';
import { silentLog } from '../log.ts';
import { ConfirmPage } from './message-page.ts';
import type { KeyPress, Page, PageHost } from './page.ts';
import { PageStack } from './page-stack.ts';
import { press } from './testdata/fake-host.ts';

class NotedPage implements Page<string> {
  readonly helpTopic = 'known';
  readonly title: string;
  readonly seen: string[] = [];
  host: PageHost<string> | undefined;

  constructor(title: string) {
    this.title = title;
  }
  render() {
    return [this.title];
  }
  keys() {
    return [];
  }
  onShown(host: PageHost<string>) {
    this.host = host;
    this.seen.push('shown');
  }
  onHidden() {
    this.seen.push('hidden');
  }
  onKey(key: KeyPress) {
    if (key.name === 'x') throw new Error('a fault');
    this.seen.push(key.name);
  }
}

function stack() {
  return new PageStack({ help: { known: 'Some help' }, logger: silentLog, onChange: () => {} });
}

describe('the pages', () => {
  it('get keys on top only, and hear when they are covered and seen again', async () => {
    const pages = stack();
    const first = new NotedPage('first');
    const second = new NotedPage('second');
    void pages.open(first);
    const result = first.host?.open(second);
    pages.onKey(press('a'));
    second.host?.close('chosen');
    pages.onKey(press('b'));
    expect(await result).toBe('chosen');
    expect(first.seen).toEqual(['shown', 'hidden', 'shown', 'b']);
    expect(second.seen).toEqual(['shown', 'a', 'hidden']);
  });

  it('close with all that lie above them, and end what they had running', async () => {
    const pages = stack();
    const first = new NotedPage('first');
    const second = new NotedPage('second');
    const ended = pages.open(first);
    const result = first.host?.open(second);
    first.host?.close('over');
    expect([await ended, await result]).toEqual(['over', undefined]);
    expect([first.host?.signal.aborted, second.host?.signal.aborted]).toEqual([true, true]);
    expect(pages.pages).toEqual([]);
    expect(await first.host?.open(new NotedPage('late'))).toBeUndefined();
  });

  it('show a fault of one of them and go on', () => {
    const pages = stack();
    const page = new NotedPage('page');
    void pages.open(page);
    pages.onKey(press('x'));
    expect(pages.pages.at(-1)?.title).toBe('That did not work');
    pages.onKey(press('enter'));
    pages.onKey(press('b'));
    expect(page.seen).toContain('b');
  });

  it('have help on F1, and take Ctrl-C for Escape', () => {
    const pages = stack();
    const page = new NotedPage('page');
    void pages.open(page);
    pages.onKey(press('f1'));
    expect(pages.pages.at(-1)?.title).toBe('Help: page');
    pages.onKey({ name: 'c', text: '', ctrl: true, shift: false });
    expect(pages.pages).toHaveLength(1);
    pages.onKey({ name: 'c', text: '', ctrl: true, shift: false });
    expect(page.seen.at(-1)).toBe('escape');
  });

  it('answer questions: no by Escape, yes only on purpose', async () => {
    const pages = stack();
    const page = new NotedPage('page');
    void pages.open(page);
    const plain = page.host?.confirm('Sure?', 'text');
    pages.onKey(press('enter'));
    pages.onKey(press('y'));
    expect(await plain).toBe(true);
    const left = page.host?.confirm('Sure?', 'text');
    pages.onKey(press('escape'));
    expect(await left).toBe(false);
    const typed = page.host?.confirm('Sure?', 'text', { typed: '42' });
    for (const key of ['y', 'enter', 'backspace', '4', '2', 'enter']) pages.onKey(press(key));
    expect(await typed).toBe(true);
  });

  it('keep the answer of a question in sight, however long its text is', () => {
    const page = new ConfirmPage('Erase', 'word '.repeat(500), { typed: '42' });
    const size = { columns: 70, rows: 16 };
    const lines = page.render(size);
    expect(lines.length).toBeLessThanOrEqual(size.rows);
    expect(JSON.stringify(lines)).toContain('to confirm, then Enter');
    expect(page.cursor(size)?.row).toBe(lines.length - 1);
  });

  it('stop opening when one opens itself for ever', async () => {
    const pages = stack();
    for (let i = 0; i < 31; i += 1) void pages.open(new NotedPage(`${i}`));
    void pages.open(new NotedPage('last'));
    expect(await pages.open(new NotedPage('too many'))).toBeUndefined();
  });
});
