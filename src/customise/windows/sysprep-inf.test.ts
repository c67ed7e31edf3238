import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { infValue, infValues, parseInf } from './inf-file.ts';
import {
  commandLinesPath,
  type MiniSetupAnswers,
  mergeCommandLines,
  mergeSysprepInf,
} from './sysprep-inf.ts';

const WHAT = { what: 'sysprep.inf' };
const NOTHING: MiniSetupAnswers = { membership: { kind: 'keep' } };
const ANSWERS: MiniSetupAnswers = {
  computerName: 'LAB-07',
  membership: {
    kind: 'domain',
    name: 'lab.example.org',
    user: 'joiner',
    password: 'a"b %c% ;d',
    ou: 'OU=A B',
  },
  network: {
    macs: ['52:54:00:ab:cd:ef', '52:54:00:00:00:02'],
    settings: {
      kind: 'static',
      address: '10.0.0.5',
      prefixLength: 20,
      gateway: '10.0.0.1',
      dnsServers: ['10.0.0.2', '10.0.0.3'],
      dnsSuffix: 'lab.example.org',
    },
  },
};
const MASTER = [
  ';SetupMgrTag',
  '[Unattended]',
  '    OemSkipEula=Yes',
  '    installfilespath=C:\\sysprep\\i386',
  '',
  '[ userdata ]',
  '    ProductKey=AAAAA-BBBBB ; of the volume licence',
  '    COMPUTERNAME=*',
  '',
  '[Identification]',
  '    JoinWorkgroup=OLD',
  '    DoOldStyleDomainJoin=Yes',
  '[NetAdapters]',
  '    Adapter9=params.Adapter9',
  '[params.MS_TCPIP]',
  '    DNS=No',
  '    AdapterSections=params.MS_TCPIP.Adapter9',
].join('\r\n');

/** As the reader of driver packages understands it, which shares nothing with the writer. */
function read(bytes: Buffer) {
  const isWide = bytes[0] === 0xff;
  const inf = parseInf(
    Buffer.concat([bytes, Buffer.from('\r\n[Version]\r\n', isWide ? 'utf16le' : 'latin1')]),
    'x',
  );
  return {
    keys: (section: string) => (inf.sections.get(section.toLowerCase()) ?? []).map(({ key }) => key),
    value: (section: string, key: string) => infValue(inf, section, key),
    values: (section: string, key: string) => infValues(inf, section, key),
  };
}

describe('mergeSysprepInf', () => {
  it('sets name, domain and the address of a card, and keeps the rest line by line', () => {
    const { bytes, installFiles } = mergeSysprepInf(Buffer.from(MASTER), ANSWERS, {
      ...WHAT,
      installFiles: 'C:\\Sysprep\\other',
    });
    expect(installFiles).toBe('C:\\sysprep\\i386');
    const inf = read(bytes);
    expect(inf.value('UserData', 'ComputerName')).toBe('LAB-07');
    expect(inf.keys('Identification')).toEqual([
      'DoOldStyleDomainJoin',
      'JoinDomain',
      'DomainAdmin',
      'DomainAdminPassword',
      'MachineObjectOU',
    ]);
    expect(inf.value('Identification', 'DomainAdminPassword')).toBe('a"b %c% ;d');
    expect(inf.value('Identification', 'MachineObjectOU')).toBe('OU=A B');
    expect(inf.keys('NetAdapters')).toEqual(['Adapter1']);
    const card = inf.value('NetAdapters', 'Adapter1');
    expect(inf.value(card, 'NetCardAddress')).toBe('0x525400ABCDEF');
    expect(inf.keys('params.MS_TCPIP')).toEqual(['DNS', 'AdapterSections']);
    const tcpip = inf.value('params.MS_TCPIP', 'AdapterSections');
    const settings = inf.keys(tcpip).map((key) => [key, inf.values(tcpip, key).join()]);
    expect(settings).toEqual([
      ['DHCP', 'No'],
      ['IPAddress', '10.0.0.5'],
      ['SubnetMask', '255.255.240.0'],
      ['DefaultGateway', '10.0.0.1'],
      ['DNSServerSearchOrder', '10.0.0.2,10.0.0.3'],
      ['DNSDomain', 'lab.example.org'],
      ['SpecificTo', 'Adapter1'],
    ]);
    const lines = bytes.toString().split('\r\n');
    const lost = MASTER.split('\r\n').filter((line) => !lines.includes(line));
    expect(lost.map((line) => line.trim().split('=')[0])).toEqual([
      'COMPUTERNAME',
      'JoinWorkgroup',
      'Adapter9',
      'AdapterSections',
    ]);
    const again = mergeSysprepInf(bytes, ANSWERS, { ...WHAT, installFiles: 'C:\\Sysprep\\other' }).bytes;
    expect(again.toString().split('\r\n').sort()).toEqual(lines.sort());
  });

  it('writes a new file, a workgroup, and DHCP for every card', () => {
    const network = { macs: ['52:54:00:00:00:01', '52:54:00:00:00:02'] };
    const { bytes } = mergeSysprepInf(
      undefined,
      {
        membership: { kind: 'workgroup', name: 'LAB & CO' },
        network: { ...network, settings: { kind: 'dhcp', dnsServers: [], dnsSuffix: '' } },
      },
      WHAT,
    );
    const inf = read(bytes);
    expect(inf.value('Identification', 'JoinWorkgroup')).toBe('LAB & CO');
    expect(inf.keys('NetAdapters')).toEqual(['Adapter1', 'Adapter2']);
    expect(inf.value('params.MS_TCPIP.Adapter2', 'DHCP')).toBe('Yes');
    expect(inf.values('params.MS_TCPIP', 'AdapterSections')).toHaveLength(2);
  });

  it('changes nothing where nothing is asked', () => {
    for (const encoding of ['latin1', 'utf16le'] as const) {
      const bytes = Buffer.from((encoding === 'utf16le' ? '\ufeff' : '') + MASTER, encoding);
      expect(mergeSysprepInf(bytes, NOTHING, WHAT).bytes.equals(bytes)).toBe(true);
    }
  });

  it('lists the command once, beside those of the master', () => {
    const path = commandLinesPath('C:\\sysprep\\i386');
    expect(path).toBe('C:\\sysprep\\i386\\$oem$\\cmdlines.txt');
    const own = mergeCommandLines(Buffer.from('[Commands]\r\n"own.cmd"\r\n'), 'C:\\a\\b.cmd', { what: path });
    expect(own.toString()).toBe('[Commands]\r\n"own.cmd"\r\n"C:\\a\\b.cmd"\r\n');
    expect(mergeCommandLines(own, 'C:\\a\\b.cmd', { what: path }).equals(own)).toBe(true);
  });

  it('refuses in one line what is no text, and letters it could not keep', () => {
    expect(() => mergeSysprepInf(Buffer.from([1, 2, 3]), ANSWERS, WHAT)).toThrow(
      /^Cannot use .* no text[^\n]*$/,
    );
    const german = Buffer.from('[UserData]\r\nFullName="M\u00fcller"', 'latin1');
    expect(mergeSysprepInf(german, ANSWERS, WHAT).bytes.includes(Buffer.from('M\u00fcller', 'latin1'))).toBe(
      true,
    );
    const workgroup = { membership: { kind: 'workgroup', name: 'B\u00dcRO' } } as const;
    expect(() => mergeSysprepInf(german, workgroup, WHAT)).toThrow(/^Cannot change .* code page[^\n]*$/);
  });

  it('writes any value so that another reader gets it back, and survives any bytes', () => {
    const nasty = fc.oneof(
      fc.constantFrom(...'"%;\\= [],'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    );
    const value = fc
      .array(nasty, { minLength: 1, maxLength: 20 })
      .map((units) => units.join('').replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]/g, ''))
      .filter((text) => text !== '');
    fc.assert(
      fc.property(value, (password) => {
        const membership = { kind: 'domain', name: 'a.b', user: 'u', password, ou: '' } as const;
        const { bytes } = mergeSysprepInf(Buffer.from(MASTER), { membership }, WHAT);
        expect(read(bytes).value('Identification', 'DomainAdminPassword')).toBe(password);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          mergeSysprepInf(Buffer.from(bytes), ANSWERS, WHAT);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid' });
        }
      }),
    );
  });
});
