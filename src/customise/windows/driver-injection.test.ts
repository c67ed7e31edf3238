import { expect, test } from 'vitest';
import { pciIds } from '../machine-facts.ts';
import { chooseDriver } from './driver-injection.ts';
import { matchDrivers, readDriverLibrary } from './driver-library.ts';
import { offer, sampleDriver, sampleInf, WINDOWS_10 } from './testdata/drivers/driver-samples.ts';
import type { WindowsFacts } from './windows-system.ts';

const WINDOWS_7: WindowsFacts = {
  ...WINDOWS_10,
  release: { major: 6, minor: 1, build: 7601 },
  productName: 'Windows 7 Professional',
};
const VIRTIO = pciIds({
  address: '0000:00:04.0',
  vendor: 0x1af4,
  device: 0x1001,
  subsystemVendor: 0x1af4,
  subsystem: 2,
  revision: 0,
  classCode: 0x010000,
});

/** Where the chosen driver came from, and what was said of the others. */
async function choose(files: Record<string, Buffer>, facts: WindowsFacts) {
  const { set, openFile } = offer('drivers', files);
  const library = await readDriverLibrary([set], { openFile, system: facts });
  const unfit: string[] = [];
  const matches = matchDrivers(library, VIRTIO);
  const driver = await chooseDriver(matches, { openFile, facts, onUnfit: (line) => unfit.push(line) });
  return { path: driver?.match.package.infPath, unfit };
}

function edited(change: (text: string) => string): Buffer {
  return Buffer.from(change(sampleInf('viostor-like').toString()));
}

const NEWER = edited((text) => text.replace('07/14/2021', '07/15/2021'));

test('the driver for this release is chosen from a disc that has them in folders by release', async () => {
  const files = {
    'w10/a.inf': NEWER,
    'w10/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [10, 0] }),
    'w7/a.inf': sampleInf('viostor-like'),
    'w7/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [6, 1] }),
    'xp/a.inf': NEWER,
    'xp/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [5, 2] }),
    'x86/a.inf': NEWER,
    'x86/pvblock.sys': sampleDriver({ architecture: 'x86', builtFor: [6, 1] }),
  };
  expect(await choose(files, WINDOWS_7)).toEqual({
    path: 'w7/a.inf',
    unfit: [
      'w10/a.inf: pvblock.sys is for Windows 10.0 and later',
      'x86/a.inf: pvblock.sys is for x86 processors',
    ],
  });
  expect((await choose(files, WINDOWS_10)).path).toBe('w10/a.inf');
});

test('a closer id comes before a newer driver, and a newer one before an older', async () => {
  const sys = sampleDriver({ architecture: 'amd64' });
  const general = edited((text) =>
    text.replaceAll('&SUBSYS_00021AF4&REV_00', '&CC_0100').replace('07/14/2021', '01/01/2024'),
  );
  const files = {
    'general/a.inf': general,
    'general/pvblock.sys': sys,
    'old/a.inf': sampleInf('viostor-like'),
    'old/pvblock.sys': sys,
  };
  expect((await choose(files, WINDOWS_10)).path).toBe('old/a.inf');
  expect((await choose({ ...files, 'new/a.inf': NEWER, 'new/pvblock.sys': sys }, WINDOWS_10)).path).toBe(
    'new/a.inf',
  );
});

test('a general driver is taken when the closer ones cannot be used', async () => {
  const files = {
    'broken/a.inf': sampleInf('viostor-like'),
    'general/a.inf': edited((text) => text.replaceAll('&SUBSYS_00021AF4&REV_00', '&CC_0100')),
    'general/pvblock.sys': sampleDriver({ architecture: 'amd64' }),
  };
  expect(await choose(files, WINDOWS_10)).toEqual({
    path: 'general/a.inf',
    unfit: ['broken/a.inf: pvblock.sys is missing'],
  });
});
