import { describe, expect, it } from 'vitest';
import { parseFstab, type VolumeNames, volumeOf } from './mounted-systems-fstab.ts';

describe('an fstab', () => {
  it('says what lies below the root, those above others first', () => {
    const text = [
      '# /etc/fstab',
      'UUID=aaaa / ext4 errors=remount-ro 0 1',
      'UUID=ABCD-1234 /boot/efi vfat umask=0077 0 1',
      'LABEL="boot" /boot ext4 defaults 0 2',
      '/dev/mapper/vg-home /my\\040home xfs defaults 0 0',
      'UUID=bbbb /home btrfs subvol=/@home,compress=zstd 0 0',
      'UUID=cccc none swap sw 0 0',
      'tmpfs /tmp tmpfs size=1G 0 0',
      'nas:/export /srv nfs defaults 0 0',
      '/srv/a /srv/b none bind 0 0',
      'broken',
    ].join('\n');
    expect(parseFstab(text)).toEqual([
      { source: 'LABEL=boot', path: '/boot', subvolume: '' },
      { source: '/dev/mapper/vg-home', path: '/my home', subvolume: '' },
      { source: 'UUID=bbbb', path: '/home', subvolume: 'subvol=/@home' },
      { source: 'UUID=ABCD-1234', path: '/boot/efi', subvolume: '' },
    ]);
    expect(parseFstab('UUID=a /x ext4\n'.repeat(1000))).toHaveLength(64);
  });

  it('names volumes by all that they are called, and never by the letter of a disk', () => {
    const volume = (names: Partial<VolumeNames>): VolumeNames => ({
      ...{ uuid: '', label: '', partUuid: '', partLabel: '', number: 0, paths: [] },
      ...names,
    });
    const one = volume({ uuid: 'ABCD-1234', partUuid: 'ffffffff-01', number: 1 });
    const two = volume({ label: 'home', partLabel: 'Home', number: 2 });
    const logical = volume({ uuid: 'cccc', paths: ['/dev/mapper/vg-root', '/dev/vg/root'] });
    const all = [one, two, logical];
    for (const name of [
      'UUID=abcd-1234',
      '/dev/disk/by-partuuid/FFFFFFFF-01',
      '/dev/sda1',
      '/dev/nvme0n1p1',
    ]) {
      expect(volumeOf(name, all)).toBe(one);
    }
    for (const name of ['LABEL=home', 'PARTLABEL=home', '/dev/vdb2', '/dev/mmcblk0p2']) {
      expect(volumeOf(name, all)).toBe(two);
    }
    expect(volumeOf('/dev/vg/root', all)).toBe(logical);
    for (const name of ['UUID=', 'LABEL=x', '/dev/sda', '/dev/sda3', '/dev/md0', 'tmpfs']) {
      expect(volumeOf(name, all)).toBeUndefined();
    }
  });
});
