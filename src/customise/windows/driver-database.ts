import { ByteWriter } from '../../lib/bytes.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { binary, dword, text, texts, textsOf } from '../registry-hive/value-data.ts';
import type { MatchedId } from './driver-library.ts';
import type { InfDriver } from './inf-driver.ts';
import type { InfInstallation } from './inf-install.ts';
import { applyAddReg } from './inf-registry.ts';
import type { WindowsFacts } from './windows-system.ts';

/** What binds a driver to a device when Windows starts, before it reads any setup information file. */
export interface DriverBinding {
  /** E.g. `totaldeploy-viostor-1a2b3c4d.inf`. */
  infName: string;
  /** Tells versions of one package apart, as the hash in Windows' own names does; 16 hexadecimal digits. */
  hash: string;
  driver: InfDriver;
  installation: InfInstallation;
  ids: readonly MatchedId[];
  /** The service that drives the device. */
  service: string;
}

/** `PROCESSOR_ARCHITECTURE_*` of winnt.h. */
const ARCHITECTURE_CODE = { x86: 0, amd64: 9, arm64: 12 } satisfies Record<
  WindowsFacts['architecture'],
  number
>;
const MATCHED = 0x01;
const MATCHED_COMPATIBLE = 0x02;
const VERSION_BYTES = 48;
const FILETIME_OF_1970 = 116_444_736_000_000_000n;

/**
 * Up to Windows 7: `CriticalDeviceDatabase` of a control set
 * (Microsoft, "Device installation: critical device database"; the real one of Windows 7 names `ClassGUID` and `Service`).
 */
export function bindByCriticalDevices(system: Hive, binding: DriverBinding, controlSet: string): void {
  for (const { id } of binding.ids) {
    const key = system.root.ensure(
      `${controlSet}\\Control\\CriticalDeviceDatabase\\${id.replaceAll('\\', '#')}`,
    );
    key.set('ClassGUID', text(binding.driver.classGuid));
    key.set('Service', text(binding.service));
  }
}

/**
 * From Windows 8 on: `DriverDatabase` at the top of SYSTEM. There the drivers that a start needs are kept; the hive
 * DRIVERS, where there is one, holds those of everything else. Keys and values are those that virt-v2v
 * (libguestfs-common, `inject_virtio_win.ml`) starts Windows 8 to 11 with; their meaning was compared with the entries
 * of inbox drivers in a hive of Windows 10.
 */
export function bindByDriverDatabase(
  system: Hive,
  binding: DriverBinding,
  architecture: WindowsFacts['architecture'],
): void {
  const { infName, installation, ids, driver, service } = binding;
  const database = system.root.ensure('DriverDatabase');
  const label = `${infName}_${architecture}_${binding.hash}`;
  const infFile = database.ensure(`DriverInfFiles\\${infName}`);
  infFile.set('', texts([label]));
  infFile.set('Active', text(label));
  // One package may drive several controllers, each by a section of its own.
  const sections = infFile.value('Configurations');
  const others = sections === undefined ? [] : textsOf(sections);
  infFile.set('Configurations', texts([...new Set([...others, installation.section])]));
  const driverPackage = database.ensure(`DriverPackages\\${label}`);
  driverPackage.set('Version', binary(versionData(driver, architecture)));
  const configuration = driverPackage.ensure(`Configurations\\${installation.section}`);
  configuration.set('ConfigFlags', dword(0));
  configuration.set('Service', text(service));
  for (const { name, registry } of installation.services) {
    applyAddReg(configuration.ensure(`Services\\${name}`), registry);
  }
  // Interrupts by message and the like: what Windows puts into the device's own key when it first meets it.
  if (installation.deviceRegistry.length > 0)
    applyAddReg(configuration.ensure('Device'), installation.deviceRegistry);
  for (const { id, isCompatible } of ids) {
    const score = Buffer.from([isCompatible ? MATCHED_COMPATIBLE : MATCHED, 0xff, 0, 0]);
    database.ensure(`DeviceIds\\${id}`).set(infName, binary(score));
    driverPackage.ensure(`Descriptors\\${id}`).set('Configuration', text(installation.section));
  }
}

/**
 * `Version` of a package: architecture, class, date and version as inbox packages of Windows 10 hold them (the first
 * two bytes as in packages added later). From Windows 10 on nothing is bound without it.
 */
export function versionData(
  driver: Pick<InfDriver, 'classGuid' | 'dateMs' | 'version'>,
  architecture: WindowsFacts['architecture'],
): Buffer {
  const writer = new ByteWriter(VERSION_BYTES).u8(0).u8(0xff).u16le(ARCHITECTURE_CODE[architecture]).u32le(0);
  writer.bytes(guidData(driver.classGuid));
  writer.u64le(BigInt(driver.dateMs) * 10_000n + FILETIME_OF_1970);
  for (const part of [...driver.version].reverse()) writer.u16le(part);
  return writer.finish();
}

/** The first three fields of a GUID are little-endian, the rest is in order. */
function guidData(guid: string): Buffer {
  const [a = '', b = '', c = '', ...rest] = guid.slice(1, -1).split('-');
  const swapped = [a, b, c].map((field) => Buffer.from(field, 'hex').reverse());
  return Buffer.concat([...swapped, Buffer.from(rest.join(''), 'hex')]);
}
