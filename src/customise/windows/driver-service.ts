import { TdError } from '../../lib/errors.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { dword, text, VALUE_TYPE } from '../registry-hive/value-data.ts';
import type { InfService } from './inf-install.ts';
import { applyAddReg } from './inf-registry.ts';
import { valueText } from './windows-facts.ts';

const START_AT_BOOT = 0;
const DISK_DRIVER_GROUP = 'SCSI miniport';
/** The interface type PCI of ntddk.h: port drivers of XP and later look only for miniports that name it. */
const PCI_INTERFACE = '5';

/**
 * Makes a service of a control set that Windows starts with; a filter or helper starts as its file says.
 *
 * @throws TdError `refused` when a service of that name runs another program.
 */
export function writeDriverService(system: Hive, service: InfService, controlSet: string): void {
  const path = `${controlSet}\\Services\\${service.name}`;
  refuseOther(system, path, service);
  const key = system.root.ensure(path);
  const group = service.group || (service.isFunctionDriver ? DISK_DRIVER_GROUP : '');
  key.set('Type', dword(service.type));
  key.set('Start', dword(service.isFunctionDriver ? START_AT_BOOT : service.start));
  key.set('ErrorControl', dword(service.errorControl));
  key.set('ImagePath', text(`System32\\drivers\\${service.fileName}`, VALUE_TYPE.REG_EXPAND_SZ));
  if (group !== '') key.set('Group', text(group));
  if (service.displayName !== '') key.set('DisplayName', text(service.displayName));
  if (service.isFunctionDriver) {
    key.ensure('Parameters\\PnpInterface').set(PCI_INTERFACE, dword(1));
    // Of a driver of that name which Windows held back for want of the device.
    const override = key.subkey('StartOverride');
    for (const { name } of override?.values() ?? []) override?.set(name, dword(START_AT_BOOT));
  }
  applyAddReg(key, service.registry);
}

function refuseOther(system: Hive, path: string, { name, fileName }: InfService): void {
  const image = valueText(system, path, 'ImagePath').split('\\').at(-1) || `${name}.sys`;
  if (system.key(path) === undefined || image.toLowerCase() === fileName.toLowerCase()) return;
  throw new TdError(
    'refused',
    `Cannot add the service ${name}: this Windows has one of that name, for ${image}`,
  );
}
