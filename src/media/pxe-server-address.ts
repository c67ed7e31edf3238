import { isIPv4 } from 'node:net';
import { TdError } from '../lib/errors.ts';

/** GRUB's PXE boot record is one jump and zeros; the core behind it reads this place again (pxe-core.cfg). */
const MARK_OFFSET = 0x10;
const MARK = Buffer.from('TDSV', 'latin1');
const RECORD_BYTES = MARK.length + 8;
/** The bytes of the jump that GRUB's pxeboot.img begins with. */
const BOOT_RECORD_START = Buffer.from([0xb2, 0x7f, 0xea, 0x00, 0x82, 0x00, 0x00]);

/**
 * `boot/pxeboot.com` with the TFTP server's address written into it, for networks where DHCP and boot server are two
 * machines: GRUB otherwise asks the DHCP server for its files.
 *
 * @param address IPv4; undefined takes an address out again.
 * @throws TdError `usage` for a wrong address; `invalid` when the file is not our boot file.
 */
export function withServerAddress(loader: Uint8Array, address: string | undefined): Buffer {
  const result = Buffer.from(loader);
  checkBootRecord(result);
  result.fill(0, MARK_OFFSET, MARK_OFFSET + RECORD_BYTES);
  if (address === undefined) return result;
  if (!isIPv4(address)) {
    throw new TdError('usage', `Cannot use "${address}" as the boot server: use an IPv4 address`);
  }
  MARK.copy(result, MARK_OFFSET);
  address.split('.').forEach((octet, index) => {
    // GRUB prints what it reads from memory as hexadecimal digits, so decimal digits are stored as such.
    result.writeUInt16LE(Number.parseInt(octet, 16), MARK_OFFSET + MARK.length + 2 * index);
  });
  return result;
}

/** The address written by {@link withServerAddress}, or undefined. */
export function serverAddressOf(loader: Uint8Array): string | undefined {
  const bytes = Buffer.from(loader.buffer, loader.byteOffset, loader.byteLength);
  checkBootRecord(bytes);
  if (!bytes.subarray(MARK_OFFSET, MARK_OFFSET + MARK.length).equals(MARK)) return undefined;
  const octets = [0, 2, 4, 6].map((at) => bytes.readUInt16LE(MARK_OFFSET + MARK.length + at).toString(16));
  const address = octets.join('.');
  if (!isIPv4(address)) {
    throw new TdError('invalid', 'Cannot read the boot server from pxeboot.com: it is not an IPv4 address');
  }
  return address;
}

function checkBootRecord(bytes: Buffer): void {
  const start = bytes.subarray(0, BOOT_RECORD_START.length);
  const gap = bytes.subarray(MARK_OFFSET + RECORD_BYTES, 512);
  if (bytes.length < 1024 || !start.equals(BOOT_RECORD_START) || gap.some((byte) => byte !== 0)) {
    throw new TdError(
      'invalid',
      'Cannot write the boot server into pxeboot.com: it is not the file of TotalDeploy',
    );
  }
}
