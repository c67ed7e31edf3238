import { type MachineSid, machineSidBytes } from '../../src/customise/windows/sid.ts';

/** Of some other computer or domain: it must stay in permissions as it is. */
export const OTHER_SID: MachineSid = [111_111_111, 222_222_222, 333_333_333];

const SYSTEM = Buffer.from('010100000000000512000000', 'hex');
const ADMINISTRATORS = Buffer.from('01020000000000052000000020020000', 'hex');

/** Owner Administrators, group SYSTEM; both may do everything, here and below. */
export const FOLDER_DESCRIPTOR = descriptor({ owner: ADMINISTRATORS, may: [SYSTEM, ADMINISTRATORS] });

/** Owned by a user of the computer, who may do everything here and below; so may SYSTEM and a user of another domain. */
export function securityDescriptor(sid: MachineSid, relativeId = 1001): Buffer {
  const owner = accountSid(sid, relativeId);
  return descriptor({ owner, may: [owner, SYSTEM, accountSid(OTHER_SID, 1001)] });
}

function accountSid(sid: MachineSid, relativeId: number): Buffer {
  const [head, tail] = [Buffer.from('010500000000000515000000', 'hex'), Buffer.alloc(4)];
  tail.writeUInt32LE(relativeId);
  return Buffer.concat([head, machineSidBytes(sid), tail]);
}

/** Microsoft, [MS-DTYP] 2.4.6, in its self-relative form. */
function descriptor({ owner, may }: { owner: Buffer; may: readonly Buffer[] }): Buffer {
  const entries = may.map((who) => {
    const head = Buffer.from([0, 3, 0, 0, 0xff, 0x01, 0x1f, 0x00]);
    head.writeUInt16LE(head.length + who.length, 2);
    return Buffer.concat([head, who]);
  });
  const list = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), ...entries]);
  list.writeUInt16LE(list.length, 2);
  list.writeUInt16LE(entries.length, 4);
  const head = Buffer.alloc(20);
  head.writeUInt8(1, 0);
  head.writeUInt16LE(0x8004, 2);
  head.writeUInt32LE(head.length + list.length, 4);
  head.writeUInt32LE(head.length + list.length + owner.length, 8);
  head.writeUInt32LE(head.length, 16);
  return Buffer.concat([head, list, owner, SYSTEM]);
}
