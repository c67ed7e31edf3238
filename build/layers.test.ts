import { expect, it } from 'vitest';
import { layerProblems, readSources } from './layers.ts';

it('finds no import against the layers in the project', async () => {
  const sources = await readSources();
  expect(sources.length).toBeGreaterThan(10);
  expect(layerProblems(sources)).toEqual([]);
});

it.each([
  ['lib/a.ts', '../schema/b.ts', 'to the right'],
  ['disk/a.ts', '../image/b.ts', 'sideways'],
  ['agent/a.ts', '../console/b.ts', 'sideways'],
  ['lib/a.ts', '../../build/b.ts', 'outside src/'],
  ['lib/a.ts', '../nowhere/b.ts', 'no layer'],
])('names %s importing %s', (path, specifier, word) => {
  const problems = layerProblems([{ path, text: `import { x } from '${specifier}';` }]);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(word);
});

it('allows imports to the left and inside a folder', () => {
  const text = "import { x } from '../lib/x.ts';\nimport { y } from './y.ts';";
  expect(layerProblems([{ path: 'disk/a.ts', text }])).toEqual([]);
});

it('names a circle inside a folder', () => {
  const problems = layerProblems([
    { path: 'disk/a.ts', text: "import { b } from './b.ts';" },
    { path: 'disk/b.ts', text: "import { a } from './a.ts';" },
  ]);
  expect(problems).toEqual(['circle: disk/a.ts -> disk/b.ts -> disk/a.ts']);
});
