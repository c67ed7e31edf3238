import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BOOT_PARAMETERS,
  bootParamsSchema,
  ipText,
  markdownTable,
  parseBootParams,
  parseHostPort,
  splitCommandLine,
} from './boot-params.ts';

const problemOf = (commandLine: string) => {
  const { problems } = parseBootParams(commandLine);
  expect(problems, commandLine).toHaveLength(1);
  return problems[0]!;
};

describe('splitCommandLine', () => {
  it.each([
    ['a b=c', [['a'], ['b', 'c']]],
    ['  a\t\nb  ', [['a'], ['b']]],
    ['a="b c" d', [['a', 'b c'], ['d']]],
    ['"a=b c" d', [['a', 'b c'], ['d']]],
    ['a=b" "c', [['a', 'b" "c']]],
    ['a="open end', [['a', 'open end']]],
    ['a= =b a=b=c', [['a', ''], ['=b'], ['a', 'b=c']]],
    ['"', [['']]],
    ['', []],
  ])('reads %j as the kernel does', (line, expected) => {
    const words = splitCommandLine(line).map((w) => (w.value === undefined ? [w.name] : [w.name, w.value]));
    expect(words).toEqual(expected);
  });

  it('gives back every word that was quoted', () => {
    const name = fc.stringMatching(/^[a-z.]{1,12}$/);
    const value = fc.stringMatching(/^[^"\0]{0,30}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (pairs) => {
        const line = pairs.map(([n, v]) => `${n}="${v}"`).join(' ');
        expect(splitCommandLine(line)).toEqual(pairs.map(([n, v]) => ({ name: n, value: v })));
      }),
    );
  });
});

describe('parseBootParams', () => {
  it('gives the defaults when nothing is said', () => {
    expect(parseBootParams('BOOT_IMAGE=/boot/vmlinuz quiet console=ttyS0')).toEqual({
      params: { mode: 'menu', ip: { kind: 'dhcp' }, debug: false },
      problems: [],
    });
  });

  it('reads every parameter', () => {
    const line =
      'quiet td.mode=backup td.console=lab:5001 td.ip=10.0.0.5/24,10.0.0.1,10.0.0.2,10.0.0.3 ' +
      'td.iface=52-54-00-AB-CD-EF td.vlan=12 td.disk="model=Fast Disk,size>=100G" td.partitions=3-4,1,3 ' +
      'td.to=console:lab-1 td.image=lab-1 td.name="Lab 1" td.template=room td.after=restart td.level=9 ' +
      'td.log=ttyS1 td.timeout=30 td.wim=http://10.0.0.1/boot/totaldeploy.wim td.boot=tftp://10.0.0.1 td.debug\n';
    expect(parseBootParams(line)).toEqual({
      problems: [],
      params: {
        mode: 'backup',
        console: 'lab:5001',
        ip: {
          kind: 'static',
          address: '10.0.0.5',
          prefixLength: 24,
          gateway: '10.0.0.1',
          dns: ['10.0.0.2', '10.0.0.3'],
        },
        iface: { kind: 'mac', mac: '52:54:00:ab:cd:ef' },
        vlan: 12,
        disk: 'model=Fast Disk,size>=100G',
        partitions: [1, 3, 4],
        to: 'console:lab-1',
        image: 'lab-1',
        name: 'Lab 1',
        template: 'room',
        after: 'restart',
        level: 9,
        log: '/dev/ttyS1',
        timeout: 30,
        wim: 'http://10.0.0.1/boot/totaldeploy.wim',
        boot: 'tftp://10.0.0.1',
        debug: true,
      },
    });
  });

  it.each([
    'td.mode=agnet',
    'td.mode=',
    'td.mode',
    'td.console=http://a',
    'td.console=a:0',
    'td.console=1.2.3.400',
    'td.ip=10.0.0.5',
    'td.ip=10.0.0.5/33',
    'td.ip=10.0.0.5/24,',
    'td.ip=10.0.0.5/24,10.0.0.256',
    'td.ip=DHCP',
    'td.iface=this-name-is-too-long',
    'td.vlan=0',
    'td.vlan=4095',
    'td.vlan=1e3',
    'td.vlan=-1',
    'td.disk=""',
    'td.partitions=0',
    'td.partitions=3-1',
    'td.partitions=1,',
    'td.to=console:',
    'td.to=console:../x',
    'td.to=relative',
    'td.to=/folder/',
    'td.after=reboot',
    'td.level=0',
    'td.log=relative',
    'td.timeout=0',
    'td.wim="two words"',
    'td.boot=ftp://a',
    'td.debug=yes',
    'td.name=.hidden',
  ])('names the wrong value in %s and what is allowed', (word) => {
    const problem = problemOf(word);
    const parameter = BOOT_PARAMETERS.find((p) => word.startsWith(`td.${p.name}`))!;
    expect(problem.name).toBe(`td.${parameter.name}`);
    expect(problem.message).toContain(`use ${parameter.values}`);
    expect(parseBootParams(word).params).toEqual(parseBootParams('').params);
  });

  it('suggests the nearest name for an unknown one', () => {
    expect(problemOf('td.consol=a').message).toBe('td.consol is no parameter: did you mean td.console?');
    expect(problemOf('TD.MODE=agent').message).toContain('did you mean td.mode?');
    expect(problemOf('td.entirely-different=1').message).toContain('use one of td.mode, td.console');
  });

  it('reports a parameter given twice with different values; the last one counts, as for the kernel', () => {
    expect(problemOf('td.vlan=1 td.vlan=2').message).toContain('td.vlan is given twice, as "1" and "2"');
    expect(parseBootParams('td.vlan=1 td.vlan=2').params.vlan).toBe(2);
    expect(parseBootParams('td.vlan=1 td.vlan=1')).toMatchObject({ params: { vlan: 1 }, problems: [] });
  });

  it.each(['tftp://10.0.0.1/boot/', 'http://10.0.0.1:8080/boot/', '(tftp,10.0.0.1)/boot', 'http,10.0.0.1'])(
    'takes %s as the place it was booted from',
    (boot) => expect(parseBootParams(`td.boot=${boot}`)).toMatchObject({ params: { boot }, problems: [] }),
  );

  it('reports every problem, and keeps what was right', () => {
    const { params, problems } = parseBootParams('td.mode=agent td.vlan=x td.foo=1 td.disk=sda');
    expect(problems.map((p) => p.name)).toEqual(['td.vlan', 'td.foo']);
    expect(params).toMatchObject({ mode: 'agent', disk: 'sda' });
  });

  it('keeps control characters of a wrong value out of the message', () => {
    const message = problemOf('td.mode="\x1b[2J\x7fa\nb"').message;
    expect(message).not.toMatch(/[\x00-\x1f\x7f]/);
  });

  it('never throws and always gives valid parameters, whatever the line holds', () => {
    const names = BOOT_PARAMETERS.map((p) => p.name);
    const word = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc
        .tuple(fc.constantFrom(...names, '', 'x'), fc.string({ maxLength: 30, unit: 'binary' }))
        .map(([name, value]) => `td.${name}=${value}`),
      fc
        .tuple(
          fc.constantFrom(...names),
          fc.constantFrom('1', '0', '10.0.0.1/8,,', '1-256', '/x', 'console:a'),
        )
        .map(([name, value]) => `td.${name}="${value}"`),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        const { params, problems } = parseBootParams(words.join(' '));
        expect(['menu', 'agent', 'backup', 'console']).toContain(params.mode);
        expect(problems.length).toBeLessThanOrEqual(50);
        for (const problem of problems) expect(problem.message).not.toMatch(/[\x00-\x1f\x7f]/);
      }),
    );
  });
});

describe('ipText', () => {
  it.each([
    'dhcp',
    '10.0.0.5/24',
    '10.0.0.5/24,10.0.0.1',
    '10.0.0.5/24,,10.0.0.2',
    '10.0.0.5/8,10.0.0.1,10.0.0.2',
  ])('says "%s" again', (text) => expect(ipText(bootParamsSchema.shape.ip.parse(text))).toBe(text));
});

describe('parseHostPort', () => {
  it.each([
    ['lab', 'lab', undefined],
    ['lab-1.example:5001', 'lab-1.example', 5001],
    ['192.168.1.10:1', '192.168.1.10', 1],
    ['[fe80::1]:5001', 'fe80::1', 5001],
  ])('reads %s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each(['', ':1', 'a:', 'a:65536', 'a b', 'fe80::1', '[x]', '1.2.3', 'user@host', '-a'])(
    'refuses %j',
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );
});

describe('the table', () => {
  it('has exactly the parameters of the schema', () => {
    expect(BOOT_PARAMETERS.map((p) => p.name).sort()).toEqual(Object.keys(bootParamsSchema.shape).sort());
  });

  it('is a Markdown table with one row a parameter', () => {
    const lines = markdownTable().split('\n');
    expect(lines).toHaveLength(BOOT_PARAMETERS.length + 2);
    for (const line of lines) expect(line.match(/(?<!\\)\|/g)).toHaveLength(5);
  });
});
