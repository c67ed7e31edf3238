import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { markdownTable } from '../src/schema/boot-params.ts';

it('shows the boot parameters in the README as the program knows them', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(markdownTable().trimEnd());
});
