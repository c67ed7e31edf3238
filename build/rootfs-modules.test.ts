import { describe, expect, it } from 'vitest';
import { chooseModules } from './rootfs-modules.ts';

const DEPENDENCIES = `kernel/drivers/net/e1000.ko.xz:
kernel/drivers/net/wireless/wifi.ko.xz: kernel/net/cfg80211.ko.xz
kernel/drivers/net/tg3.ko.xz: kernel/drivers/net/phy/libphy.ko.xz kernel/lib/crc.ko.xz
kernel/drivers/net/phy/libphy.ko.xz: kernel/lib/crc.ko.xz
kernel/lib/crc.ko.xz:
kernel/net/cfg80211.ko.xz:
`;

describe('chooseModules', () => {
  it('adds what a module depends on', () => {
    expect(chooseModules(['drivers/net/tg3'], DEPENDENCIES)).toEqual([
      'kernel/drivers/net/phy/libphy.ko.xz',
      'kernel/drivers/net/tg3.ko.xz',
      'kernel/lib/crc.ko.xz',
    ]);
  });

  it('takes away by !, but never what another module needs', () => {
    const chosen = chooseModules(
      ['drivers/net/**', '!drivers/net/wireless/**', '!drivers/net/phy/*'],
      DEPENDENCIES,
    );
    expect(chosen).toContain('kernel/drivers/net/phy/libphy.ko.xz');
    expect(chosen).not.toContain('kernel/drivers/net/wireless/wifi.ko.xz');
    expect(chosen).not.toContain('kernel/net/cfg80211.ko.xz');
  });

  it('refuses a line that adds nothing: a driver is missing', () => {
    expect(() => chooseModules(['drivers/net/e1001'], DEPENDENCIES)).toThrow('"drivers/net/e1001"');
  });
});
