import type { Machine } from '../../schema/machine.ts';

/** A computer for tests: a small UEFI machine with one empty disk. */
export function testMachine(number: number): Machine {
  const tail = number.toString(16).padStart(2, '0');
  return {
    uuid: `00000000-0000-4000-8000-0000000000${tail}`,
    vendor: 'Test',
    model: 'Test machine',
    serial: `SN${number}`,
    firmware: 'uefi',
    secureBoot: false,
    memoryBytes: 1024 ** 3,
    cpu: 'test',
    cpuCount: 1,
    disks: [
      {
        name: 'sda',
        sizeBytes: 8 * 1024 ** 3,
        logicalSectorBytes: 512,
        physicalSectorBytes: 512,
        model: 'Disk',
        serial: `D${number}`,
        wwn: '',
        bus: 'ata',
        rotational: false,
        removable: false,
        readOnly: false,
        bootMedium: false,
      },
    ],
    nics: [
      { name: 'eth0', mac: `02:00:00:00:00:${tail}`, link: true, speedMbit: 1000, addresses: ['127.0.0.1'] },
    ],
  };
}
