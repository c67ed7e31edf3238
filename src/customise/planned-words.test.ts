import { expect, it } from 'vitest';
import { type Customisation, customisationSchema } from '../schema/customisation.ts';
import { plannedWords } from './planned-words.ts';

const customisation: Customisation = customisationSchema.parse({
  computerName: 'PC-07',
  membership: { kind: 'domain', name: 'lab.example.org', user: 'joiner', password: 'Hush-1', ou: '' },
  network: { kind: 'static', address: '10.0.0.7', prefixLength: 24, gateway: '10.0.0.1' },
  users: [{ name: 'anna', fullName: '', password: 'Hush-2', group: 'administrators' }],
  sid: 'new',
  files: [
    {
      name: 'setup.exe',
      isFolder: false,
      entries: [],
      destination: '',
      execute: true,
      arguments: '/key Hush-3',
    },
  ],
  applications: [{ path: '/usr/bin/tool', arguments: '--key Hush-4' }],
  drivers: [],
});

it.each(['windows', 'linux'] as const)('the plan for %s names what is set, and no secret', (family) => {
  const machine = { macs: ['52:54:00:12:34:56'], pciDevices: [] };
  const words = plannedWords(customisation, { family, machine }).join('\n');
  for (const told of ['PC-07', '10.0.0.7', 'setup.exe']) expect(words).toContain(told);
  expect(words).not.toContain('Hush-');
});
