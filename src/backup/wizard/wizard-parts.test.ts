import { expect, it } from 'vitest';
import { fakeDisk } from './testdata/fake-parts.ts';
import { likelyMastersFirst } from './wizard-parts.ts';

it('offers built-in disks before USB disks, each in the order of their names', () => {
  const disks = [
    fakeDisk('sda', { bus: 'usb' }),
    fakeDisk('sdb', { bus: 'ata' }),
    fakeDisk('sdc', { bus: 'usb' }),
    fakeDisk('vda', { bus: 'virtio' }),
  ];
  expect(likelyMastersFirst(disks).map((disk) => disk.name)).toEqual(['sdb', 'vda', 'sda', 'sdc']);
});
