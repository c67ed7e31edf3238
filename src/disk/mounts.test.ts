import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceNumberText, listMounts, mountOf, parseMountInfo } from './mounts.ts';

const TEXT = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
  '30 22 0:26 / /run rw,nosuid shared:13 - tmpfs tmpfs rw,size=1600k',
  '40 22 8:17 / /mnt/usb\\040disk rw - ext4 /dev/sdb1 rw',
  '41 22 0:50 /@home /home rw - btrfs /dev/nvme0n1p2 rw',
  '42 22 0:51 / /mnt/usb\\040disk/share rw - nfs4 server:/export rw',
  'nonsense',
  '',
].join('\n');

describe('mounts', () => {
  it('decodes what the kernel lists', () => {
    const mounts = parseMountInfo(TEXT);
    expect(mounts).toHaveLength(5);
    expect(mounts[2]).toEqual({
      deviceNumber: '8:17',
      mountPoint: '/mnt/usb disk',
      fsType: 'ext4',
      source: '/dev/sdb1',
    });
  });

  it.each([
    ['/etc/x', '/'],
    ['/mnt/usb disk', '/mnt/usb disk'],
    ['/mnt/usb disk/a.sco', '/mnt/usb disk'],
    ['/mnt/usb disk/share/a.sco', '/mnt/usb disk/share'],
    ['/mnt/usb disky/a.sco', '/'],
    ['/home/user', '/home'],
  ])('finds what %s lies on', (path, mountPoint) => {
    expect(mountOf(path, parseMountInfo(TEXT))?.mountPoint).toBe(mountPoint);
  });

  it('takes any text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(' ', ' - ', '8:1', '/', 'ext4', '\\040', '\n', 'x'), { maxLength: 40 }),
        (words) => {
          for (const mount of parseMountInfo(words.join(''))) expect(mount.deviceNumber).toMatch(/^\d+:\d+$/);
        },
      ),
    );
  });

  it('splits device numbers as the C library does', () => {
    expect(deviceNumberText(2049)).toBe('8:1');
    expect(deviceNumberText(66311)).toBe('259:7');
    expect(deviceNumberText(1227949024)).toBe('259:300000');
    expect(deviceNumberText(17592186275843)).toBe('5000:3');
  });

  it('knows what the root of this machine is mounted from', async () => {
    expect(mountOf('/', await listMounts())?.mountPoint).toBe('/');
  });
});
